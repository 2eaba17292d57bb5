"""Masked spans: how many are hidden when, which ones, and what an active choice of them learns."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from currlab.curricula import Clock, Group, Pick, Rollout, Score, View, make_strategy
from currlab.curricula.present.masks import spans_of, with_masks
from currlab.curricula.reward.exact import is_correct
from currlab.tasks import get_task

SORTING = get_task("sorting")
NAMES = ["mask_ramp", "active_masks"]


def shown(strategy, problem, share=0.0, step=0):
    return strategy.show(problem, Pick(problem.arm), 8, Clock(step, share))


def filled(view):
    """The answer with blanks that a view shows."""
    return view.prompt.rpartition("fill in: ")[2]


def answered(view, problem, right, n=8):
    rollouts = [
        Rollout(view, "x", (1,), score=Score(float(i < right), i < right)) for i in range(n)
    ]
    return Group(problem, Pick(problem.arm), tuple(rollouts), 0)


@pytest.mark.parametrize(
    ("answer", "n", "expected"),
    [
        ("0123", 4, [[0], [1], [2], [3]]),
        ("012345", 4, [[0, 1], [2], [3, 4], [5]]),
        ("01", 4, [[0], [1]]),
        ("a b\nc", 2, [[0, 2], [4]]),
        ("0", 4, []),
        ("", 4, []),
        ("a_b", 4, []),
    ],
)
def test_spans_cut_an_answer_in_parts_of_about_equal_length(answer, n, expected):
    assert [list(span) for span in spans_of(answer, n)] == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("share", "count"), [(0.0, 1), (0.18, 1), (0.19, 2), (0.374, 2), (0.38, 3), (0.57, 4), (0.749, 4)]
)  # fmt: skip
def test_one_span_more_is_hidden_in_every_quarter_of_the_ramp(name, share, count):
    for seed in range(20):
        problem = SORTING.make(7, seed)  # eight digits, spans of two
        view = shown(make_strategy(name), problem, share)
        blanks = filled(view)
        hidden = [i for i in range(4) if blanks[2 * i : 2 * i + 2] == "__"]
        assert len(hidden) == count
        assert blanks.count("_") == 2 * count
        assert all(a in ("_", b) for a, b in zip(blanks, problem.answer, strict=True))
        assert view.kind == "mask " + ",".join(map(str, hidden))
        assert view.hinted


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.75, 0.9, 1.0])
def test_after_the_ramp_the_question_is_open(name, share):
    problem = SORTING.make(7, 0)
    assert shown(make_strategy(name), problem, share) == View(problem.prompt)


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_that_cannot_be_masked_is_asked_openly(name):
    problem = replace(SORTING.make(1, 0), answer="7")
    assert shown(make_strategy(name), problem) == View(problem.prompt)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("task", ["sorting", "lookup", "countdown", "fill", "knights_knaves"])
def test_the_whole_answer_is_right_and_the_blanks_are_not(name, task):
    task = get_task(task)
    for level in (1, 2):
        problem = task.make(level, 3)
        view = shown(make_strategy(name), problem, 0.3)
        texts = (problem.answer, filled(view) if view.hinted else "no")
        rollouts = [Rollout(view, f"<answer>{text}</answer>", (1,)) for text in texts]
        assert is_correct(problem, rollouts) == [True, False]


def test_a_random_mask_is_the_same_at_every_visit_and_every_span_has_its_turn():
    strategy, counts = make_strategy("mask_ramp"), Counter()
    for seed in range(400):
        problem = SORTING.make(7, seed)
        first, again = (shown(strategy, problem, 0.0, step) for step in (1, 2))
        assert first == again
        counts[first.kind] += 1
    assert set(counts) == {f"mask {i}" for i in range(4)}
    assert all(abs(n / 400 - 0.25) < 4 * np.sqrt(0.1875 / 400) for n in counts.values())


# ---------------------------------------------------------------- active masks


def test_a_group_s_success_is_that_of_every_span_it_hid():
    strategy, problem = make_strategy("active_masks", rate=0.5), SORTING.make(7, 0)
    spans = spans_of(problem.answer, 4)
    strategy.observe([answered(with_masks(problem, spans, [2, 0]), problem, 8)], {})
    strategy.observe([answered(with_masks(problem, spans, [2]), problem, 2)], {})
    strategy.observe([answered(View(problem.prompt), problem, 8)], {})
    known = strategy.memory["success"]
    assert known == {problem.arm: {"0": 0.75, "2": 0.5 * 0.75 + 0.5 * 0.25}}
    assert strategy.snapshot() == {
        "success, span 1 hidden": {problem.arm: 0.75},
        "success, span 3 hidden": {problem.arm: 0.5},
    }


def test_hard_spans_are_hidden_more_often_and_hopeless_ones_hardly_ever():
    strategy = make_strategy("active_masks")
    strategy.memory["success"] = {"sorting/7": {"0": 1.0, "1": 0.2, "2": 0.04}}
    weights = np.array([0.0, 0.8, 0.0, 0.5]) + 0.05
    kinds = Counter(shown(strategy, SORTING.make(7, seed)).kind for seed in range(3000))
    for span, chance in enumerate(weights / weights.sum()):
        spread = np.sqrt(chance * (1 - chance) / 3000)
        assert abs(kinds[f"mask {span}"] / 3000 - chance) < 4 * spread


@pytest.mark.parametrize(("hopeless", "shunned"), [(0.05, True), (0.0, False)])
def test_a_span_that_is_never_filled_in_is_left_alone_after_a_while(hopeless, shunned):
    """From one half, at a rate of .1, the running success is below .05 after 22 failures."""
    strategy, seen = make_strategy("active_masks", hopeless=hopeless), []
    for step in range(400):
        problem = SORTING.make(7, step)
        view = shown(strategy, problem, 0.0, step)
        strategy.observe([answered(view, problem, 4 * (view.kind != "mask 0"))], {})
        seen.append(view.kind)
    # .05 of .05 + 3 * .55, or 1.05 of 1.05 + 3 * .55.
    expected = 0.05 / 1.7 if shunned else 1.05 / 2.7
    assert abs(seen[-200:].count("mask 0") / 200 - expected) < 4 * np.sqrt(expected / 200)


def test_what_is_hidden_moves_to_the_span_that_the_learner_fails_at():
    """The last span succeeds one time in four, the others always."""
    strategy, rng = make_strategy("active_masks"), np.random.default_rng(0)
    seen = []
    for step in range(400):
        problem = SORTING.make(7, step)
        view = shown(strategy, problem, 0.0, step)
        right = rng.binomial(8, 0.25) if view.kind == "mask 3" else 8
        strategy.observe([answered(view, problem, int(right))], {})
        seen.append(view.kind)
    assert Counter(seen[:20])["mask 3"] < 15
    assert Counter(seen[-100:])["mask 3"] > 50


@pytest.mark.parametrize("right", [0, 8])
def test_all_alike_hides_all_alike(right):
    """Nothing solved, everything solved: no span is preferred, none is lost."""
    strategy, counts = make_strategy("active_masks", rate=1.0), Counter()
    for step in range(1200):
        problem = SORTING.make(7, step)
        view = shown(strategy, problem, 0.0, step)
        strategy.observe([answered(view, problem, right)], {})
        counts[view.kind] += step >= 200
    for number in range(4):
        assert abs(counts[f"mask {number}"] / 1000 - 0.25) < 4 * np.sqrt(0.1875 / 1000)


def test_arms_learn_apart_and_a_saved_choice_goes_on():
    strategy = make_strategy("active_masks")
    for step in range(40):
        problem = SORTING.make(7, step)
        view = shown(strategy, problem, 0.0, step)
        strategy.observe([answered(view, problem, 8 * (view.kind != "mask 1"))], {})
    assert strategy.weight("sorting/8", 1) == pytest.approx(0.55)
    other = make_strategy("active_masks")
    other.load_state_dict(json.loads(json.dumps(strategy.state_dict())))
    for seed in range(50):
        problem = SORTING.make(7, seed)
        assert shown(strategy, problem, 0.3) == shown(other, problem, 0.3)
