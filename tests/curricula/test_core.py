"""The plain data of a step, catalogs, recipes and the registry."""

import math

import pytest
from fakes import CATALOG, group

from currlab.curricula import Catalog, Pick, Rollout, View, make_recipe, make_strategy, register
from currlab.curricula.core import Present, Select
from currlab.curricula.data import Group
from currlab.curricula.registry import STRATEGIES
from currlab.errors import CurrlabError
from currlab.training.collect import with_advantages


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ((), "at least one arm"),
        (("sorting/1", "sorting/1"), "must differ"),
        (("sorting/0",), "levels of 'sorting' are 1 to"),
        (("sorting/99",), "levels of 'sorting' are 1 to"),
        (("sorting/²",), "whole numbers"),
        (("sorting",), "whole numbers"),
        (("sortign/1",), "Unknown task 'sortign'"),
    ],
)
def test_bad_catalogs_are_refused(arms, message):
    with pytest.raises(CurrlabError, match=message):
        Catalog(arms)


def test_a_group_tells_rounding_noise_from_a_signal():
    assert not group(CATALOG, Pick("sorting/1"), [0.1 + 0.2, 0.3]).informative
    assert group(CATALOG, Pick("sorting/1"), [0.0, 1.0]).informative


def test_pass_rate_is_of_correct_and_lengths_leave_the_prefix_out():
    rollout = Rollout(View("q", prefix="ab"), "abc", (1, 2, 3, 4), prefix_len=2)
    problem = CATALOG.problem("sorting/1", 0)
    g = Group(problem, Pick("sorting/1"), (rollout, rollout), 0)
    assert g.lengths == (2, 2)
    assert g.pass_rate == 0.0
    assert g.hinted
    assert not group(CATALOG, Pick("sorting/1"), [1.0]).hinted


def test_a_recipe_refuses_a_strategy_of_another_dial():
    recipe = make_recipe("uniform")
    with pytest.raises(
        CurrlabError, match="The present dial needs a Present strategy, not Uniform"
    ):
        recipe.with_dial("present", make_strategy("uniform"))


def test_recipes_name_what_is_unknown():
    with pytest.raises(CurrlabError, match="Unknown select strategy 'stratgy'; the dial's strateg"):
        make_recipe("stratgy")
    with pytest.raises(CurrlabError, match=r"Unknown select strategy 'exact'; .* are (?!.*exact)"):
        make_recipe("exact")
    with pytest.raises(CurrlabError, match="Unknown strategy 'stratgy'; known strategies are"):
        make_strategy("stratgy")
    with pytest.raises(CurrlabError, match="Unknown dial 'slect'"):
        make_recipe(slect="uniform")
    with pytest.raises(CurrlabError, match="Settings for 'sec', which this recipe does not use"):
        make_recipe("uniform", settings={"sec": {}})


def test_one_object_in_two_slots_is_observed_once_and_restored_whole():
    class Both(Select, Present):
        name, title = "both", "select and present in one"

        def fresh_memory(self):
            return {"seen": 0}

        def choose(self, n, clock):
            return [Pick(self.catalog.arms[0])] * n

        def show(self, problem, pick, n, clock):
            return View(problem.prompt)

        def observe(self, groups, metrics):
            self.memory["seen"] += 1

    both = Both()
    recipe = make_recipe("uniform").with_dial("select", both).with_dial("present", both)
    recipe.observe([], {})
    assert both.memory["seen"] == 1
    other = Both()
    again = make_recipe("uniform").with_dial("select", other).with_dial("present", other)
    again.load_state_dict(recipe.state_dict())
    assert other.memory["seen"] == 1


def test_two_dials_with_one_seed_draw_different_numbers():
    first, second = make_strategy("uniform", seed=1), make_strategy("sec", seed=1)
    assert first.rng.random() != second.rng.random()


def test_two_strategies_cannot_share_a_name():
    with pytest.raises(CurrlabError, match="Two strategies are called 'sec'"):
        register(type("Other", (Select,), {"name": "sec"}))
    assert STRATEGIES["sec"].__name__ == "SEC"


@pytest.mark.parametrize(
    ("scale", "solved", "expected"),
    # n = 8, the mean of |A| with the sample standard deviation, or 2 p (1 - p) without scaling.
    [
        ("group", 4, 0.9354),
        ("none", 4, 0.5),
        ("none", 2, 0.375),
        ("group", 0, 0.0),
        ("none", 8, 0.0),
    ],
)
def test_advantage_sizes(scale, solved, expected):
    update = make_strategy("grpo", scale=scale)
    row = update.group_advantages([1.0] * solved + [0.0] * (8 - solved))
    assert sum(map(abs, row)) / 8 == pytest.approx(expected, abs=2e-4)


def test_group_advantages_match_the_definition():
    rewards = [1.0, 1.0, 1.0, 0.0]
    std = math.sqrt(sum((r - 0.75) ** 2 for r in rewards) / 3)
    expected = [(r - 0.75) / (std + 1e-4) for r in rewards]
    assert make_strategy("grpo").group_advantages(rewards) == pytest.approx(expected)


def test_with_advantages_fills_every_group():
    recipe = make_recipe("uniform")
    groups = [
        group(CATALOG, Pick("sorting/1"), [0, 1, 1]),
        group(CATALOG, Pick("sorting/2"), [0, 0]),
    ]
    filled = with_advantages(recipe, groups)
    assert all(g.advantages is None for g in groups)
    assert [len(g.advantages) for g in filled] == [3, 2]
