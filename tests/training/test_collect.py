"""From picks to groups, with a policy that needs no model."""

from collections.abc import Sequence

import pytest

from currlab.curricula import Catalog, Clock, Pick, Rollout, View, make_recipe
from currlab.curricula.core import Plan, Present, Sample, Select
from currlab.errors import CurrlabError
from currlab.tasks import get_task
from currlab.training.collect import Collector, derive_seed


class EchoPolicy:
    """Writes its seed, and the right answer when the seed is even."""

    def __init__(self):
        self.seeds: list[int] = []

    def generate(self, views: Sequence[View], seeds: Sequence[int], temperature: float):
        self.seeds += seeds
        digits = [view.prompt.removeprefix("sort ") for view in views]
        texts = [
            f"<answer>{''.join(sorted(d)) if seed % 2 == 0 else seed}</answer>"
            for d, seed in zip(digits, seeds, strict=True)
        ]
        return [Rollout(v, t, (1,) * len(t)) for v, t in zip(views, texts, strict=True)]


def collector(catalog=None, recipe=None, seed=0):
    catalog = catalog or Catalog.of({"sorting": [1, 2, 3]})
    return Collector(recipe or make_recipe("uniform"), catalog, EchoPolicy(), seed)


def test_groups_come_back_in_order_scored_and_stamped():
    c = collector()
    picks = c.choose(6, Clock(4))
    groups = c.collect(picks, Clock(4))
    assert [g.pick for g in groups] == picks
    assert all(g.step == 4 and len(g.rollouts) == 8 for g in groups)
    seeds = iter(c.policy.seeds)
    for g in groups:
        assert g.problem == get_task("sorting").make(g.problem.level, g.pick.seed)
        assert g.correct == tuple(next(seeds) % 2 == 0 for _ in range(8))


def test_fresh_problems_depend_on_seed_step_and_slot_alone():
    once = [p.seed for p in collector().choose(8, Clock(3))]
    again = [p.seed for p in collector().choose(8, Clock(3))]
    other = [p.seed for p in collector(seed=1).choose(8, Clock(3))]
    assert once == again
    assert len({*once, *other, *(p.seed for p in collector().choose(8, Clock(4)))}) == 24


def test_a_pool_keeps_seeds_within_it():
    catalog = Catalog.of({"sorting": [2]}, pool=5)
    assert {p.seed for p in collector(catalog).choose(100, Clock())} == set(range(5))


def test_slots_can_be_spread_over_processes_without_changing_a_result():
    whole = collector()
    picks = whole.choose(7, Clock(1))
    together = whole.collect(picks, Clock(1))
    shares = []
    for rank in range(3):
        one = collector()
        one.rank, one.processes = rank, 3
        shares.append(one.collect(picks, Clock(1)))
    assert [len(share) for share in shares] == [2, 2, 3]
    assert [group for share in shares for group in share] == together


def test_every_rollout_has_a_seed_of_its_own():
    c = collector()
    c.collect(c.choose(16, Clock()), Clock())
    assert len(set(c.policy.seeds)) == 128
    assert derive_seed(1, 23) != derive_seed(12, 3)


def test_extra_rounds_are_bounded_and_merge_where_asked():
    class Insatiable(Sample):
        name, title, max_rounds = "insatiable", "asks for more for ever", 3

        def plan(self, picks, clock):
            return Plan((2,) * len(picks), 1.0)

        def after(self, groups, clock):
            first = groups[0]
            return list(groups), [
                Pick(first.arm, first.problem.seed, parent=0, merge=True),
                Pick(first.arm, 123, parent=0),
            ]

    c = collector(recipe=make_recipe("uniform").with_dial("sample", Insatiable()))
    groups = c.collect(c.choose(2, Clock()), Clock())
    assert len(groups[0].rollouts) == 2 + 3 * 2
    assert len(groups) == 2 + 3
    assert len(set(c.policy.seeds)) == len(c.policy.seeds)


def test_strategies_that_miscount_are_named():
    class Short(Select):
        name, title = "short", "one too few"

        def choose(self, n, clock):
            return [Pick(self.catalog.arms[0])] * (n - 1)

    class OneView(Present):
        name, title = "one_view", "one view for a whole group"

        def show(self, problem, pick, n, clock):
            return [View(problem.prompt)]

    recipe = make_recipe("uniform")
    with pytest.raises(CurrlabError, match="'short' chose 3 problems instead of 4"):
        collector(recipe=recipe.with_dial("select", Short())).choose(4, Clock())
    c = collector(recipe=recipe.with_dial("present", OneView()))
    picks = c.choose(1, Clock())
    with pytest.raises(CurrlabError, match="'one_view' made 1 views for 8 rollouts"):
        c.collect(picks, Clock())
