"""Tiers of tests: TAROT's schedules over a whole run, by hand, and the choice by capability."""

import json
from dataclasses import replace

import pytest
from fakes import CATALOG, group
from reward_cases import answered, rows, scores, totals

from currlab.curricula import Clock, Pick, make_strategy
from currlab.curricula.reward.exact import is_correct
from currlab.curricula.reward.tiers import PORTFOLIO, tier_results
from currlab.tasks import Problem

# Right at the first half and all places but one; at the first half; at neither, but as long; nothing.
TEXTS = answered("1234", "1235", "1243", "4321", "12")
# What each of them passes: basic (as long), intermediate (first half), complex (all but one), edge.
PASSED = ((1, 1, 1, 1), (1, 1, 1, 0), (1, 1, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0))


def counted(schedule, share):
    """Which tiers count, as the paper's code says, written once more: (basic, ..., edge)."""
    if schedule.endswith("only"):
        return tuple(
            int(schedule.startswith(name)) for name in ("basic", "inter", "complex", "edge")
        )
    if schedule == "var_asce_rev":
        stages = [(0, 0, 1, 0), (0, 0, 1, 1), (0, 1, 1, 1), (1, 1, 1, 1)]
    else:
        stages = [(1, 0, 0, 0), (1, 1, 0, 0), (1, 1, 1, 0), (1, 1, 1, 1)]
    if share < 0.2:
        return stages[0]
    if share < 0.4:
        return stages[1]
    return stages[2] if share < 0.6 else stages[3]


WEIGHTS = {
    "uni": (0.25, 0.25, 0.25, 0.25),
    "var": (0.35, 0.35, 0.15, 0.15),
    "var_asce_normal": (0.15, 0.15, 0.35, 0.35),
    "var_asce_rev": (0.15, 0.15, 0.35, 0.35),
}


@pytest.mark.parametrize("schedule", PORTFOLIO)
@pytest.mark.parametrize("normalised", [False, True])
def test_every_schedule_over_fifty_steps(schedule, normalised):
    weights = WEIGHTS.get(schedule, (1.0, 1.0, 1.0, 1.0))
    for step in range(51):
        share = step / 50
        on = [w * c for w, c in zip(weights, counted(schedule, share), strict=True)]
        scale = sum(on) if normalised else 1.0
        expected = [sum(w * p for w, p in zip(on, row, strict=True)) / scale + 1 for row in PASSED]
        found = totals("tarot", TEXTS, share, schedule=schedule, normalised=normalised)
        assert found == pytest.approx(expected), share


def test_the_form_of_an_answer_has_its_own_weight():
    texts = ["", "1234", *answered("4321")]
    assert totals("tarot", texts, format=1.0) == pytest.approx([0.0, 0.0, 1.15])
    assert totals("tarot", texts, format=0.0) == pytest.approx([0.0, 0.0, 0.15])


def test_the_order_of_tiers_turns_who_is_better():
    """A long answer of the right shape beats one that is nearly right only while shape counts."""
    texts = answered("4321", "92345"), answered("1235", "12")
    easy = [totals("tarot", t, 0.0, schedule="var_asce_normal") for t in texts]
    hard = [totals("tarot", t, 0.0, schedule="var_asce_rev") for t in texts]
    assert easy[0][0] > easy[0][1]
    assert hard[0][0] == hard[0][1]
    assert hard[1][0] > hard[1][1]


def test_a_program_earns_by_the_tests_it_passes():
    problem = Problem(
        "programs", 2, 0, "f(list): largest or 7", "def f(x): return max(x,default=7)"
    )
    texts = answered(
        "def f(x): return max(x)",  # fails on the empty list, one of the four edge tests
        "def f(x): return 7",
        "import os",
        "def f(x): return max(x,default=7)",
        "def f(x): return sorted(x)[-1] if x else 7",
    )
    results = tier_results(problem, rows(texts))
    assert results[0] == {"basic": 1.0, "intermediate": 1.0, "complex": 1.0, "edge": 0.75}
    found = scores("tarot", texts, 0.25, problem=problem, schedule="var_asce_rev")
    assert found[0].total == pytest.approx(1 + 0.35 * 1 + 0.35 * 0.75)
    assert found[2].total == 1.0
    assert found[3].total == found[4].total == pytest.approx(1.7)
    assert [score.correct for score in found] == is_correct(problem, rows(texts))
    assert [score.correct for score in found] == [False, False, False, True, True]


# ---------------------------------------------------------------- the choice by capability


def watched(rates, watch=10, **parameters):
    """The strategy after groups of eight with so many right ones each."""
    strategy = make_strategy("capability_tiers", watch=watch, **parameters)
    for right in rates:
        strategy.observe([group(CATALOG, Pick("sorting/2"), [1] * right + [0] * (8 - right))], {})
    return strategy


@pytest.mark.parametrize(
    ("rates", "schedule"),
    [
        ([2, 2, 2, 2, 2, 3, 3, 2, 3, 2], "var_asce_normal"),  # 23 of 80 are below .3
        ([2, 2, 2, 2, 2, 3, 3, 2, 3, 3], "var_asce_rev"),  # 24 of 80 are .3
        ([0] * 10, "var_asce_normal"),
        ([8] * 10, "var_asce_rev"),
        ([0] * 10 + [8] * 40, "var_asce_normal"),  # what comes later is no baseline
    ],
)
def test_the_order_follows_from_the_pass_rate_of_the_first_groups(rates, schedule):
    strategy = watched(rates)
    for share in (0.0, 0.1, 0.3, 0.5, 0.9):
        assert strategy.weights(Clock(1, share)) == PORTFOLIO[schedule].at(share)
    assert strategy.snapshot()["hard tiers first"] == float(schedule == "var_asce_rev")


def test_until_then_all_tiers_count_and_hinted_groups_do_not_matter():
    strategy = watched([8] * 9)
    assert strategy.snapshot() == {}
    assert strategy.weights(Clock(1, 0.0)) == PORTFOLIO["uni"].at(1.0)
    plain = group(CATALOG, Pick("sorting/2"), [0] * 8)
    helped = [replace(r, view=replace(r.view, prefix="<answer>")) for r in plain.rollouts]
    strategy.observe([replace(plain, rollouts=tuple(helped))] * 20, {})
    assert strategy.baseline is None
    strategy.observe([plain], {})
    assert strategy.baseline == pytest.approx(0.9)


def test_bonuses_do_not_pose_as_ability_and_the_choice_is_saved():
    """Rewards above zero and not one right answer: a weak learner."""
    strategy = make_strategy("capability_tiers", watch=3)
    formed = group(CATALOG, Pick("sorting/2"), [1.7] * 8, correct=[False] * 8)
    strategy.observe([formed] * 3, {})
    assert strategy.baseline == 0.0
    other = make_strategy("capability_tiers", watch=5, seed=4)
    other.load_state_dict(json.loads(json.dumps(strategy.state_dict())))
    assert other.weights(Clock(9, 0.1)) == strategy.weights(Clock(9, 0.1)) == {"basic": 0.15}
