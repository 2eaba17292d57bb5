"""Length: DAPO's penalty against TRL's own, two stages, levels in the prompt, exits of one thought."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from reward_cases import PROBLEM, answered, rows, scores, totals
from trl.rewards import get_soft_overlong_punishment

from currlab.curricula import Catalog, Clock, Group, Pick, Rollout, View, make_recipe, make_strategy
from currlab.tasks import Problem, get_task
from currlab.training.collect import Collector, with_advantages

CATALOG = Catalog.of({"sorting": range(1, 6)})


# ---------------------------------------------------------------- overlong


@pytest.mark.parametrize(("longest", "margin"), [(64, 32), (20, 4), (10, 10), (8, 1)])
def test_the_penalty_is_trl_s(longest, margin):
    overlong = make_strategy("overlong", longest=longest, margin=margin)
    lengths = range(1, 2 * longest)
    theirs = get_soft_overlong_punishment(longest, margin)
    expected = theirs(completion_ids=[[0] * length for length in lengths])
    assert [overlong.penalty(length) for length in lengths] == pytest.approx(expected)


def test_the_penalty_is_added_to_one_and_minus_one():
    texts = answered("1234", "4321", "1234", "4321")
    found = totals("overlong", texts, tokens=[32, 48, 64, 65])
    assert found == pytest.approx([1.0, -1.5, 0.0, -2.0])


def test_a_forced_prefix_is_not_counted():
    hinted = Rollout(View("sort 4132", prefix="<answer>"), "<answer>1234</answer>", (7,) * 70, 60)
    (score,) = make_strategy("overlong").score(PROBLEM, [hinted], None, Clock())
    assert score.total == 1.0


# ---------------------------------------------------------------- two stages


def test_length_counts_late_and_only_where_all_are_right():
    right, mixed = answered(*["1234"] * 3), answered("1234", "1234", "4321")
    for step in range(21):
        share = step / 20
        late = share >= 0.6
        found = totals("concise", right, share, tokens=[10, 20, 40])
        expected = [1 + 0.5 * 0.75, 1.25, 1.0] if late else [1.0, 1.0, 1.0]
        assert found == pytest.approx(expected)
        assert totals("concise", mixed, share, tokens=[10, 20, 40]) == [1.0, 1.0, 0.0]
    assert totals("concise", right, 0.0, tokens=[5, 5, 5], switch=0.0) == [1.0, 1.0, 1.0]
    assert totals("concise", right, 1.0, tokens=[1, 2, 4], weight=2.0) == [2.5, 2.0, 1.0]


# ---------------------------------------------------------------- levels


def test_a_third_of_the_problems_is_shown_at_each_level_and_long_is_the_plain_prompt():
    levels = make_strategy("length_levels", seed=3)
    problems = [get_task("sorting").make(4, seed) for seed in range(300)]
    views = [levels.show(p, Pick("sorting/4"), 4, Clock(2, 0.1)) for p in problems]
    counts = Counter(view.kind for view in views)
    assert set(counts) == {"short", "medium", "long"}
    assert min(counts.values()) > 70
    for problem, view in zip(problems, views, strict=True):
        added = "" if view.kind == "long" else f"{view.kind}: "
        assert view.prompt == added + problem.prompt
        assert not view.hinted


@pytest.mark.parametrize(
    ("kind", "rewards"),
    [
        ("short", [1.0, 0.75, 0.5, 0.5, 0.5]),
        ("medium", [1.0, 1.0, 1.0, 0.75, 0.5]),
        ("long", [1.0, 1.0, 1.0, 1.0, 1.0]),
        ("plain", [1.0, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_a_right_answer_pays_for_what_is_over_its_level(kind, rewards):
    view = View("sort 4132", kind=kind)
    lengths = (10, 15, 20, 30, 40)
    text = "<answer>1234</answer>"
    rollouts = [Rollout(view, text, (7,) * n) for n in lengths]
    levels = make_strategy("length_levels", longest=40)
    found = levels.score(PROBLEM, rollouts, None, Clock())
    assert [score.total for score in found] == pytest.approx(rewards)
    wrong = levels.score(PROBLEM, [Rollout(view, "", (7,))], None, Clock())
    assert wrong[0].total == 0.0


def test_one_object_stands_on_both_dials():
    recipe = make_recipe(present="length_levels", reward="length_levels")
    assert recipe.present is recipe.reward


# ---------------------------------------------------------------- exits


class Thinker:
    """Writes a worked thought; after a forced one it is right if at least three lines of it stand."""

    def __init__(self, thoughts=True):
        self.thoughts = thoughts

    def generate(self, views, seeds, temperature):
        rows = []
        for view in views:
            digits = view.prompt.removeprefix("sort ")
            problem = Problem("sorting", len(digits) - 1, 0, view.prompt, "")
            steps = "\n".join(get_task("sorting").steps(problem))
            right = "".join(sorted(digits))
            answer = right if view.prefix.count("\n") >= 2 or not view.prefix else "no"
            start = view.prefix or (f"<think>{steps}</think>" if self.thoughts else "")
            text = f"{start}<answer>{answer}</answer>"
            rows.append(Rollout(view, text, (7,) * len(text), len(view.prefix)))
        return rows


def exits(thoughts=True, size=6, **dials):
    turned = {"present": "exit_group", "sample": "exit_group", "reward": "exit_group"} | dials
    recipe = make_recipe(settings={"exit_group": {"size": size}}, **turned)
    c = Collector(recipe, CATALOG, Thinker(thoughts), 0)
    clock = Clock()
    return with_advantages(recipe, c.collect([Pick("sorting/4", seed) for seed in range(5)], clock))


def test_a_thought_gives_way_to_its_exits_and_early_right_ones_earn_most():
    groups = exits()
    assert len(groups) == 10
    for whole, serial in zip(groups[:5], groups[5:], strict=True):
        assert len(whole.rollouts) == 2
        assert not any(r.kept for r in whole.rollouts)
        assert serial.problem == whole.problem
        assert serial.hinted
        thought, _, _ = whole.rollouts[0].text.removeprefix("<think>").partition("</think>")
        starts = [r.view.prefix for r in serial.rollouts]
        assert len(starts) == 6
        for start in starts:
            assert start.startswith("<think>")
            assert start.endswith("</think>")
            assert thought.startswith(start.removeprefix("<think>").removesuffix("</think>"))
        assert starts[-1] == f"<think>{thought}</think>"
        assert starts == sorted(starts, key=len)
        assert all(r.view.prefix_credit == "all" for r in serial.rollouts)


def test_rewards_halve_with_every_right_exit():
    for serial in exits()[5:]:
        lengths = [r.prefix_len for r in serial.rollouts]
        before = []
        for length, correct, reward in zip(lengths, serial.correct, serial.rewards, strict=True):
            expected = 0.5 ** sum(other < length for other in before) if correct else 0.0
            assert reward == expected
            before += [length] if correct else []
        assert max(serial.rewards) == 1.0
        assert serial.correct[-1]


def test_without_a_thought_there_are_no_exits():
    groups = exits(thoughts=False)
    assert len(groups) == 5
    assert all(len(g.rollouts) == 2 and all(r.kept for r in g.rollouts) for g in groups)


@pytest.mark.parametrize(
    "text", ["", "<think>", "<think></think><answer>1</answer>", "a<think>b</think>"]
)
def test_broken_thoughts_have_no_exits(text):
    strategy = make_strategy("exit_group")
    (group,) = exits(thoughts=False)[:1]
    broken = Group(group.problem, group.pick, tuple(rows([text, text])), 0)
    flagged, extra = strategy.after([broken], Clock())
    assert extra == []
    assert all(r.kept for r in flagged[0].rollouts)


def test_the_right_thought_is_taken():
    strategy = make_strategy("exit_group", size=2)
    (group,) = exits(thoughts=False)[:1]
    texts = ["<think>xxx</think><answer>0</answer>", "<think>yyy</think><answer>1</answer>"]
    rollouts = [
        replace(r, score=s)
        for r, s in zip(rows(texts), scores("exact", answered("4321", "1234")), strict=True)
    ]
    _, (pick,) = strategy.after([Group(group.problem, group.pick, tuple(rollouts), 0)], Clock())
    assert pick.view["exits"][-1] == "<think>yyy</think>"


def test_cuts_are_spread_over_the_whole_thought():
    strategy = make_strategy("exit_group", size=9)
    (group,) = exits(thoughts=False)[:1]
    thought = "abcdefghij" * 3
    group = Group(
        group.problem, group.pick, tuple(rows([f"<think>{thought}</think><answer>1</answer>"])), 0
    )
    lengths = [len(s) - 15 for _ in range(200) for s in strategy.exits(group)[:-1]]
    assert min(lengths) == 1
    assert max(lengths) == 30
    assert np.mean(lengths) == pytest.approx(15.5, abs=0.8)


def test_on_the_reward_dial_alone_the_shortest_right_answer_earns_most():
    texts = answered("1234", "1234", "4321", "1234", "1234")
    assert totals("exit_group", texts, tokens=[30, 10, 5, 20, 20]) == [0.125, 1.0, 0.0, 0.5, 0.5]
