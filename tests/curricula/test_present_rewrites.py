"""CLPO's rewrites and subgoal notes: who is rewritten, what stays the same, what is trained on."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from currlab.curricula import Catalog, Clock, Group, Pick, Rollout, Score, View, make_strategy
from currlab.curricula.present.rewrites import waypoints
from currlab.curricula.reward.exact import is_correct
from currlab.tasks import get_task

CATALOG = Catalog.of({"sorting": range(1, 13), "reverse": [4]}, pool=2000)


def answered(problem, right, n=10, pick=None):
    pick = pick or Pick(problem.arm, problem.seed)
    rollouts = [
        Rollout(View(problem.prompt), "x", (1,), score=Score(float(i < right), i < right))
        for i in range(n)
    ]
    return Group(problem, pick, tuple(rollouts), 0)


HARD, MEDIUM, EASY = (CATALOG.problem("sorting/8", seed) for seed in range(3))


def test_the_classes_are_the_paper_s():
    """hard: acc <= .3; medium: .3 < acc <= .7; easy: > .7."""
    strategy = make_strategy("clpo_rewrites")
    got = [strategy.wanted(right / 10) for right in range(11)]
    assert got == ["simplify"] * 4 + ["diversify"] * 4 + [""] * 3


@pytest.mark.parametrize(
    ("mode", "kinds"),
    [
        ("both", ["simplify", "diversify"]),
        ("hard_only", ["simplify"]),
        ("medium_only", ["diversify"]),
    ],
)
def test_hard_problems_come_back_simpler_and_medium_ones_in_other_words(mode, kinds):
    strategy = make_strategy("clpo_rewrites", mode=mode)
    groups = [answered(HARD, 0), answered(MEDIUM, 5), answered(EASY, 10)]
    _, extra = strategy.after(groups, Clock())
    assert [pick.view["rewrite"] for pick in extra] == kinds
    assert not any(pick.merge for pick in extra)
    for pick in extra:
        problem = CATALOG.problem(pick.arm, pick.seed)
        view = strategy.show(problem, pick, 4, Clock())
        assert view.prompt != problem.prompt
        assert view.easier == (view.kind == "simplify")
        right = Rollout(view, get_task("sorting").completion(problem), (1,))
        assert is_correct(problem, [right]) == [True]


def test_a_task_without_simpler_forms_is_left_as_it_is():
    strategy = make_strategy("clpo_rewrites")
    problem = replace(CATALOG.problem("reverse/4", 0), level=1, prompt="reverse 1", answer="1")
    _, extra = strategy.after([answered(problem, 0)], Clock())
    assert all(pick.view["prompt"] != problem.prompt for pick in extra)


def test_only_groups_with_rights_and_wrongs_are_trained_on():
    strategy = make_strategy("clpo_rewrites")
    groups = [answered(HARD, 0), answered(MEDIUM, 5), answered(EASY, 10)]
    kept, extra = strategy.after(groups, Clock())
    assert [g.rollouts[0].kept for g in kept] == [False, True, False]
    again = [
        answered(CATALOG.problem(p.arm, p.seed), right, pick=p)
        for p, right in zip(extra, (4, 10), strict=True)
    ]
    kept, more = strategy.after([*kept, *again], Clock())
    assert more == []
    assert [g.rollouts[0].kept for g in kept] == [False, True, False, True, False]


def test_where_nothing_differs_everything_is_kept():
    groups = [answered(HARD, 0), answered(EASY, 10)]
    kept, _ = make_strategy("clpo_rewrites").after(groups, Clock())
    assert kept == groups


def test_equal_seeds_rewrite_alike():
    one, two, other = (make_strategy("clpo_rewrites", seed=seed) for seed in (3, 3, 4))
    extras = [s.after([answered(HARD, 0)], Clock())[1] for s in (one, two, other)]
    assert extras[0] == extras[1] != extras[2]


# ---------------------------------------------------------------- notes


@pytest.mark.parametrize(
    ("answer", "goals", "expected"),
    [
        ("012345", 2, "__2__5"),
        ("012345", 6, "012345"),
        ("012", 9, "012"),
        ("0123456", 3, "_1__4_6"),
        ("0", 1, "0"),
        ("a b", 1, "_ b"),
    ],
)
def test_waypoints_are_evenly_spaced_and_end_with_the_last(answer, goals, expected):
    assert waypoints(answer, goals) == expected


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 1.0])
def test_notes_get_rarer_as_the_cosine_says(share):
    strategy = make_strategy("subgoal_notes")
    expected = 0.5 * (1 + np.cos(np.pi * share / 0.6)) if share < 0.6 else 0.0
    clock = Clock(7, share)
    views = [
        strategy.show(CATALOG.problem("sorting/8", seed), Pick("sorting/8"), 8, clock)
        for seed in range(1500)
    ]
    counts = Counter(view.kind for view in views)
    spread = np.sqrt(expected * (1 - expected) / 1500)
    assert abs(counts["notes"] / 1500 - expected) < 4 * spread + 1e-9


@pytest.mark.parametrize(("credit", "trained"), [("unguided", True), ("guided", False)])
def test_notes_stand_in_the_prompt_and_are_credited_as_asked(credit, trained):
    view = make_strategy("subgoal_notes", credit=credit, goals=3).show(
        HARD, Pick(HARD.arm), 8, Clock()
    )
    assert view.prompt == f"{HARD.prompt}\nfill in: {waypoints(HARD.answer, 3)}"
    assert view.train_prompt == (HARD.prompt if trained else None)
    assert view.hinted
