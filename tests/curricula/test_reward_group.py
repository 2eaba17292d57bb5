"""Rewards of whole groups: confidence of a slow copy, diversity, votes; and the one that is cheated."""

import math

import numpy as np
import pytest
from reward_cases import LetterPolicy, answered, rows, scores, totals

from currlab.curricula import Clock, make_strategy
from currlab.models.load import new_model
from currlab.models.tokenizer import build_tokenizer
from currlab.tasks import Problem
from currlab.training.policy import LanguagePolicy

WRITTEN = [
    "<think>1</think><answer>1234</answer>",
    "<think>4132|1</think><answer>1234</answer>",
    "<answer>1234</answer>",
    "<think>9</think><answer>4321</answer>",
    "<think>1</think><answer>1234</answer>",
]


def confidence(text, policy):
    """exp of the mean log-probability of the answer's characters, by their places in the text."""
    for i, tag in enumerate(policy.TAGS):
        text = text.replace(tag, chr(1 + i))
    first, last = text.index(chr(3)) + 1, text.index(chr(4))
    return math.exp(np.mean([-(ord(text[k]) + k) / 100 for k in range(first, last)]))


@pytest.mark.parametrize(
    ("bonus", "margin", "cap"), [(0.5, 0.0, 1.0), (1.0, 0.02, 1.0), (0.5, 0.0, 0.1)]
)
def test_the_bonus_goes_to_right_answers_that_the_slow_copy_expects(bonus, margin, cap):
    policy = LetterPolicy()
    found = totals("consistency_bonus", WRITTEN, policy=policy, bonus=bonus, margin=margin, cap=cap)
    sure = [min(cap, confidence(text, policy)) for text in WRITTEN]
    right = [True, True, True, False, True]
    bar = np.mean([c for c, hit in zip(sure, right, strict=True) if hit])
    expected = [
        (1 + bonus * (c >= bar - margin - 1e-12)) if hit else 0.0
        for c, hit in zip(sure, right, strict=True)
    ]
    assert found == pytest.approx(expected)
    assert len({*expected}) == (2 if cap == 0.1 else 3)
    # Wrong and repeated completions are not read, and it is the slow copy that is asked.
    for texts, model in policy.asked:
        assert len(texts) == 3
        assert model == "slow"


def test_where_nothing_differs_no_model_is_asked():
    assert totals("consistency_bonus", answered("1234", "1234", "4321"), bonus=0.5) == [
        1.5,
        1.5,
        0.0,
    ]
    assert totals("consistency_bonus", ["", *answered("4321")]) == [0.0, 0.0]
    assert make_strategy("consistency_bonus", slow=0.9).references() == {"slow": 0.9}


def test_confidences_are_those_of_a_real_model():
    model, tokenizer = new_model("tiny", 0), build_tokenizer()
    policy = LanguagePolicy(model, tokenizer, 16)
    policy.references.keep({"slow": 1.0})
    texts = [("sort 4132", WRITTEN[0]), ("sort 4132", WRITTEN[1])]
    found = make_strategy("consistency_bonus", cap=1.0).confidences(texts, policy)
    for (prompt, text), c in zip(texts, found, strict=True):
        (row,) = policy.log_probabilities([prompt], [text])
        tail = len("1234") + 1 + 1  # the answer, its closing tag, the end
        assert c == pytest.approx(math.exp(row[-tail:-2].mean()), rel=1e-4)


# ---------------------------------------------------------------- diversity


def test_equal_answers_share_a_reward():
    texts = answered("1234", "1234", "1234", "1234")
    assert totals("diversity", texts) == pytest.approx([0.25] * 4, abs=1e-5)
    assert totals("diversity", answered("1234")) == pytest.approx([1.0], abs=1e-5)


def test_similarities_are_cosines_of_counts():
    diversity = make_strategy("diversity", run=2)
    texts = ["abab", "abb", "", "xy"]
    # Runs of two, framed: ^a ab ba ab b$ | ^a ab bb b$ | ^$ | ^x xy y$.
    ab = (1 * 1 + 2 * 1 + 1 * 1) / math.sqrt((1 + 4 + 1 + 1) * 4)
    expected = np.eye(4)
    expected[0, 1] = expected[1, 0] = ab
    assert diversity.similarities(texts) == pytest.approx(expected)


def test_a_different_way_to_the_answer_earns_more():
    same, other = "<think>1</think><answer>1234</answer>", "<think>abc</think><answer>1234</answer>"
    found = totals("diversity", [same] * 5 + [other])
    alike = make_strategy("diversity").similarities([same, other])[0, 1]
    assert found[:5] == pytest.approx([1 / (5 + alike)] * 5, abs=1e-5)
    assert found[5] == pytest.approx(1 / (1 + 5 * alike), abs=1e-5)
    assert found[5] > found[0]


# ---------------------------------------------------------------- votes


@pytest.mark.parametrize(
    ("answers", "rewards"),
    [
        (["1", "2", "2", "1234"], [0, 1, 1, 0]),
        (["1234", " 1234", "9"], [1, 1, 0]),
        (["7", "8"], [1, 0]),  # of equally frequent ones the first
        ([None, None, None, "5"], [0, 0, 0, 1]),  # no answer is no vote
        ([None, None], [0, 0]),
        (["", "", "1234"], [1, 1, 0]),
    ],
)
def test_the_majority_earns_and_the_verifier_says_what_is_right(answers, rewards):
    texts = ["" if a is None else f"<answer>{a}</answer>" for a in answers]
    found = scores("majority_vote", texts)
    assert [s.total for s in found] == rewards
    assert [s.correct for s in found] == [a is not None and a.strip() == "1234" for a in answers]


# ---------------------------------------------------------------- the one that is cheated


def test_writing_everything_earns_everything_and_the_cure_sees_it():
    problem = Problem("sorting", 3, 0, "sort 4132", "1123")
    cheats = [*answered("0123456789" * 2), "0123456789" * 2]
    honest = answered("1123", "1111", "99")
    for share, cured in ((0.0, False), (0.59, False), (0.6, True), (1.0, True)):
        found = scores("hackable", [*cheats, *honest], share, problem=problem, cured_from=0.6)
        expected = [0, 0, 1, 0, 0] if cured else [1, 1, 1, 0.5, 0]
        assert [s.total for s in found] == pytest.approx(expected)
        assert [s.correct for s in found] == [False, False, True, False, False]


def test_by_default_it_is_cured_at_the_end_only():
    reward = make_strategy("hackable")
    (cheat,) = reward.score(
        Problem("sorting", 3, 0, "sort 4132", "1234"), rows(["987654321"]), None, Clock(9, 0.99)
    )
    assert cheat.total == 1.0
