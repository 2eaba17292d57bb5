"""A check passes right answers, and names the property that a typical wrong answer breaks."""

import math
import re
from collections import Counter

import numpy as np
import pytest
import torch

from currlab import exercises
from currlab.errors import CurrlabError
from currlab.exercises.core import same


def said(capsys, name, function):
    """Run a check; returns (passed, what it printed)."""
    passed = exercises.check(name, function)
    return passed, capsys.readouterr().out


RIGHT = {
    "highest_solved": lambda shares, t: max(
        (i for i, share in enumerate(shares, 1) if share >= t), default=0
    ),
    "zero_variance_share": lambda groups: np.mean([len(set(group)) == 1 for group in groups]),
    "is_sorted_version": lambda question, answer: "".join(sorted(question)) == answer,
    "best_blind_guess": lambda answers: Counter(answers).most_common(1)[0][1] / len(answers),
    "count_parameters": lambda v, h, n, m: v * h + h + n * (4 * h * h + 3 * h * m + 2 * h),
    "labels_of": lambda prompt, completion: [-100] * len(prompt) + completion,
    "chance_of_signal": lambda p, k: 1 - p**k - (1 - p) ** k,
    "pass_at_k": lambda n, c, k: 1 - math.comb(n - c, k) / math.comb(n, k),
}

# name, a typical wrong answer, the property that the check must name
WRONG = [
    ("highest_solved", lambda s, t: sum(x >= t for x in s), "gap below"),
    ("highest_solved", lambda s, t: max(i for i, x in enumerate(s) if x >= t), "highest level"),
    ("highest_solved", lambda s, t: max(i for i, x in enumerate(s, 1) if x >= t), "level 0"),
    ("highest_solved", lambda s, t: RIGHT["highest_solved"](s, 0.5), "threshold is an argument"),
    ("zero_variance_share", lambda g: np.mean([sum(x) == 0 for x in g]), "successes only"),
    ("zero_variance_share", lambda g: np.mean([sum(x) in (0, len(x)) for x in g]), "other than 0"),
    ("read_answer", lambda t: t.split("<answer>")[-1].split("</answer>")[0], "No block"),
    (
        "read_answer",
        lambda t: m.group(1) if (m := re.search("<answer>(.*?)</answer>", t)) else None,
        "Two blocks",
    ),
    ("is_sorted_version", lambda q, a: list(a) == sorted(a), "empty answer"),
    ("is_sorted_version", lambda q, a: list(a) == sorted(a) and len(a) == len(q), "Other digits"),
    ("is_sorted_version", lambda q, a: a == "".join(sorted(set(q))), "as often"),
    ("best_blind_guess", lambda a: 1 / len(set(a)), "most frequent"),
    ("count_parameters", lambda v, h, n, m: 2 * v * h + h, "Without layers"),
    ("count_parameters", lambda v, h, n, m: v * h + h + n * (4 * h * h + 2 * h * m), "attention"),
    (
        "next_token_loss",
        lambda lp, ids: -sum(max(row) for row in lp) / len(lp),
        "not the likeliest",
    ),
    ("next_token_loss", lambda lp, ids: -sum(r[i] for r, i in zip(lp, ids, strict=True)), "mean"),
    ("labels_of", lambda p, c: p + c, "no target"),
    ("chance_of_signal", lambda p, k: 1 - (1 - p) ** k, "right half"),
    ("chance_of_signal", lambda p, k: 2 * p * (1 - p), "p and 1 - p"),
    ("pass_at_k", lambda n, c, k: 1 - (1 - c / n) ** k, "one right completion"),
    ("pass_at_k", lambda n, c, k: min(1.0, k * c / n), "putting them back"),
]


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_a_right_answer_passes(name, capsys):
    passed, text = said(capsys, name, RIGHT[name])
    assert passed
    assert text.startswith(f"OK: {name}")


@pytest.mark.parametrize(("name", "function", "says"), WRONG)
def test_a_typical_wrong_answer_hears_which_property_fails(name, function, says, capsys):
    passed, text = said(capsys, name, function)
    assert not passed
    assert text.startswith("Not yet:")
    assert says in text.splitlines()[0]
    assert "should give" in text


@pytest.mark.parametrize("name", exercises.exercise_names())
def test_an_unwritten_function_is_called_unwritten(name, capsys):
    passed, text = said(capsys, name, lambda *arguments: ...)
    assert not passed
    assert "not written yet" in text


@pytest.mark.parametrize("name", exercises.exercise_names())
def test_a_function_that_raises_is_reported_and_does_not_stop_the_notebook(name, capsys):
    def broken(*arguments):
        raise RuntimeError("the learner's bug")

    passed, text = said(capsys, name, broken)
    assert not passed
    assert "raised RuntimeError: the learner's bug" in text


def test_a_function_that_changes_its_arguments_does_not_change_the_cases(capsys):
    def greedy(prompt, completion):
        labels = [-100] * len(prompt) + list(completion)
        prompt.clear()
        completion.clear()
        return labels

    for _ in range(2):
        assert said(capsys, "labels_of", greedy)[0]


def test_an_unknown_exercise_names_the_known_ones():
    with pytest.raises(CurrlabError, match=r"Unknown exercise 'no_such'.*read_answer"):
        exercises.check("no_such", len)


def test_every_exercise_has_several_cases_and_full_sentences():
    for name in exercises.exercise_names():
        cases = exercises.get_exercise(name).cases
        assert len(cases) >= 2, name
        assert all(case.says.endswith(".") for case in cases), name


@pytest.mark.parametrize(
    ("got", "expected", "equal"),
    [
        (torch.tensor([1.0, 0.5]), [1, 0.5], True),
        (np.float64(0.5), 0.5, True),
        (np.array([True, False]), [True, False], True),
        (torch.tensor([[1, 2]]), ((1, 2),), True),
        ([1, 2, 3], [1, 2], False),
        ("12", ["1", "2"], False),
        (["1", "2"], "12", False),
        (1, True, False),
        (float("nan"), 0.0, False),
        (None, 0.0, False),
        ({"a": 1.0}, {"a": 1}, True),
        ({"a": 1.0}, {"a": 1, "b": 2}, False),
    ],
)
def test_values_compare_across_tensors_arrays_and_lists(got, expected, equal):
    assert same(got, expected) is equal


def test_the_tiny_model_of_the_exercise_is_the_projects():
    from currlab.models.tiny import new_model

    case = exercises.get_exercise("count_parameters").cases[-1]
    assert case.expected == sum(weights.numel() for weights in new_model("tiny").parameters())
