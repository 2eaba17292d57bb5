"""What holds for every reward of this package, on completions that try it."""

import itertools
import json
import math

import numpy as np
import pytest
from reward_cases import HOSTILE, PROBLEM, REWARDS, LetterPolicy, answered, rows, scores

from currlab.curricula import Catalog, Clock, Rollout, View, make_recipe, make_strategy
from currlab.curricula.reward.grading import MEASURES, checks, distance, judge, overlap, places
from currlab.tasks import get_task
from currlab.training.collect import Collector, with_advantages

SHARES = (0.0, 0.25, 0.5, 1.0)
# The first of several most frequent answers wins: this one depends on the order.
ORDERED = {"majority_vote"}


@pytest.mark.parametrize("name", REWARDS)
@pytest.mark.parametrize("share", SHARES)
def test_correct_is_the_verifier_s_word_and_rewards_are_finite_on_hostile_texts(name, share):
    found = scores(name, [*HOSTILE], share, policy=LetterPolicy())
    assert [score.correct for score in found] == [*HOSTILE.values()]
    for score in found:
        assert math.isfinite(score.total)
        assert type(score.total) is float
        assert type(score.correct) is bool
        assert json.loads(json.dumps(score.parts, allow_nan=False)) == score.parts


@pytest.mark.parametrize("name", REWARDS)
@pytest.mark.parametrize("text", ["", "<answer>1234</answer>", "<answer>4321</answer>"])
def test_a_group_of_one_and_an_empty_group_are_scored(name, text):
    assert len(scores(name, [text])) == 1
    assert scores(name, []) == []


@pytest.mark.parametrize("name", REWARDS)
@pytest.mark.parametrize("answer", ["1234", "1243", ""])
def test_equal_completions_earn_equal_rewards(name, answer):
    found = scores(name, answered(*[answer] * 6), 0.5)
    assert {score.total for score in found} == {found[0].total}


@pytest.mark.parametrize("name", [n for n in REWARDS if n not in ORDERED])
def test_the_order_of_a_group_does_not_matter(name):
    texts = [
        *answered("1234", "1243", "1234", "4321", "12"),
        "",
        "<think>1</think><answer>1234</answer>",
    ]
    found = [score.total for score in scores(name, texts, 0.7, policy=LetterPolicy())]
    order = [3, 6, 0, 5, 1, 4, 2]
    again = scores(name, [texts[i] for i in order], 0.7, policy=LetterPolicy())
    assert [score.total for score in again] == pytest.approx([found[i] for i in order], abs=1e-12)


@pytest.mark.parametrize("name", sorted({*REWARDS} - {"majority_vote", "hackable"}))
@pytest.mark.parametrize("share", SHARES)
def test_right_never_earns_less_than_wrong(name, share):
    """At equal lengths; the two that are left out are wrong on purpose."""
    texts = answered("1234", "1243", "2134", "4321", "9999", "123")
    right, *wrong = scores(name, texts, share, tokens=[6] * 6)
    assert all(right.total >= score.total for score in wrong)


@pytest.mark.parametrize("name", REWARDS)
def test_an_answer_that_the_view_asks_for_is_what_counts(name):
    """A choice: the letter is right, and the open answer is not."""
    view = View("sort 4132\nA 1234\nB 4321", answer="A", kind="letter", easier=True)
    rollouts = [Rollout(view, text, (7, 7)) for text in answered("A", "B", "1234")]
    found = make_strategy(name).score(PROBLEM, rollouts, None, Clock(0, 1.0))
    assert [score.correct for score in found] == [True, False, False]


@pytest.mark.parametrize("name", REWARDS)
def test_a_step_of_all_dials_runs_and_is_repeated_by_a_restored_strategy(name):
    class Policy(LetterPolicy):
        def generate(self, views, seeds, temperature):
            found = []
            for view, seed in zip(views, seeds, strict=True):
                luck = np.random.default_rng(seed).integers(3)
                digits = sorted(c for c in view.prompt if c.isdigit())
                answer = ["".join(digits), "".join(reversed(digits)), "no"][luck]
                text = f"{view.prefix or '<think>ab</think>'}<answer>{answer}</answer>"
                found.append(Rollout(view, text, (7,) * len(text), len(view.prefix)))
            return found

    def stepped(recipe, start, stop):
        collector = Collector(recipe, catalog, Policy(), 0)
        history = []
        for step in range(start, stop):
            clock = Clock(step, step / 10)
            groups = with_advantages(recipe, collector.collect(collector.choose(6, clock), clock))
            recipe.observe(groups, {})
            history.append([group.rewards for group in groups])
        return history

    catalog = Catalog.of({"sorting": range(1, 6)})
    settings = {name: {"watch": 10}} if name == "capability_tiers" else {}
    whole = stepped(make_recipe(reward=name, settings=settings), 0, 10)
    first, second = (make_recipe(reward=name, settings=settings) for _ in range(2))
    stepped(first, 0, 5)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert stepped(second, 5, 10) == whole[5:]
    assert json.loads(json.dumps(second.snapshot(), allow_nan=False)) == second.snapshot()
    assert len({reward for rewards in itertools.chain(*whole) for reward in rewards}) > 1


# ---------------------------------------------------------------- closeness


def edits(a, b):
    """The Levenshtein distance by its definition."""
    if not a or not b:
        return len(a) + len(b)
    change = edits(a[1:], b[1:]) + (a[0] != b[0])
    return min(change, edits(a[1:], b) + 1, edits(a, b[1:]) + 1)


def test_the_distance_is_levenshtein_s():
    rng = np.random.default_rng(0)
    for _ in range(40):
        a, b = ("".join(rng.choice([*"012"], rng.integers(0, 7))) for _ in range(2))
        assert distance(a, b) == pytest.approx(1 - edits(a, b) / max(len(a), len(b), 1))
    assert distance("kitten", "sitting") == pytest.approx(1 - 3 / 7)


@pytest.mark.parametrize(
    ("answer", "by_overlap", "by_places"),
    [
        ("1234", 1.0, 1.0),
        ("4321", 1.0, 0.0),
        ("1243", 1.0, 0.5),
        ("12", 0.5, 0.5),
        ("1111", 1 / 7, 0.25),
        ("12345678", 0.5, 0.5),
        ("", 0.0, 0.0),
    ],
)
def test_overlap_and_places_by_hand(answer, by_overlap, by_places):
    assert overlap(answer, "1234") == pytest.approx(by_overlap)
    assert places(answer, "1234") == pytest.approx(by_places)


@pytest.mark.parametrize(
    ("answer", "wanted", "passed"),
    [
        ("1243", "1234", [1, 1, 0, 0]),
        ("1235", "1234", [1, 1, 1, 0]),
        ("9234", "1234", [1, 0, 1, 0]),
        ("12", "1234", [0, 1, 0, 0]),
        ("", "1234", [0, 0, 0, 0]),
        ("5", "4", [1, 0, 0, 0]),  # of one character, none is right: not all but one
        ("x", "", [0, 0, 0, 0]),
    ],
)
def test_the_four_checks_of_a_wrong_answer(answer, wanted, passed):
    assert [*checks(answer, wanted).values()] == passed


@pytest.mark.parametrize("measure", MEASURES)
def test_closeness_is_one_for_the_right_only_where_order_counts(measure):
    judged = judge(PROBLEM, rows(answered("1234", "1243", "9" * 50, "")))
    values = [one.closeness(measure) for one in judged]
    assert values[0] == 1.0
    assert values[2:] == [0.0, 0.0]
    assert values[1] == (1.0 if measure == "overlap" else 0.5)


def test_another_right_answer_than_the_stored_one_is_right():
    """Countdown accepts every expression that reaches the target."""
    problem = get_task("countdown").make(3, 0)
    other = problem.answer.replace("9*(7*3)", "7*3*9")
    assert other != problem.answer
    (one,) = judge(problem, rows(answered(other)))
    assert one.right
    assert one.closeness("places") == 1.0
