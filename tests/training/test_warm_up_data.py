"""What is imitated and what is reinforced: own right answers, splits, a shared budget."""

from types import SimpleNamespace

import pytest

from currlab.curricula import Catalog
from currlab.errors import CurrlabError
from currlab.models import build_tokenizer, load_model
from currlab.training.policy import LanguagePolicy
from currlab.training.warm_up_data import (
    random_split,
    self_answers,
    split_budget,
    split_by_difficulty,
    tokens_a_row,
)
from currlab.training.warm_up_rows import row_of, worked_messages

EASY = {"sorting/1": 1.0, "sorting/2": 1.0}
LEVELS = {"sorting": range(1, 7), "brackets": (3, 1)}


class Parrot:
    """Answers some questions in words of its own, and rightly; everything else wrongly."""

    def __init__(self, knows):
        self.knows, self.asked = knows, []

    def generate(self, views, seeds, temperature):
        self.asked.append((len(views), temperature))
        return [
            SimpleNamespace(text=self.knows.get(view.prompt, "<answer>?</answer>"))
            for view in views
        ]


def answers_of(rows):
    return {row["prompt"][0]["content"]: row["completion"][0]["content"] for row in rows}


@pytest.fixture
def parrot():
    rows = worked_messages(EASY, 6, 0, False)
    gold = answers_of(rows)
    known = {q: f"easy: {text}" for q, text in list(gold.items())[:2]}
    return Parrot(known), gold, rows


def test_right_answers_are_the_model_s_own_and_the_rest_is_gold(parrot):
    policy, gold, rows = parrot
    made = self_answers(policy, EASY, 6)
    assert [row["prompt"] for row in made.rows] == [row["prompt"] for row in rows]
    assert answers_of(made.rows) == gold | policy.knows
    own = sum(row["prompt"][0]["content"] in policy.knows for row in rows)
    assert made.own == own / 6
    assert policy.asked == [(6, 1.0)]


def test_only_own_answers_are_all_right(parrot):
    policy, _, _ = parrot
    made = self_answers(policy, EASY, 6, only_own=True, temperature=0.5)
    assert answers_of(made.rows) == policy.knows
    assert made.own == 1
    with pytest.raises(CurrlabError, match="nothing is its own"):
        self_answers(Parrot({}), EASY, 6, only_own=True)


def test_a_model_that_knows_nothing_gives_the_worked_solutions():
    made = self_answers(Parrot({}), EASY, 6, thought=True)
    assert made.rows == worked_messages(EASY, 6, 0, True)
    assert made.own == 0


def test_the_shipped_model_writes_right_answers_and_equal_seeds_give_equal_rows():
    def written(seed):
        policy = LanguagePolicy(*load_model("tiny-warm"), max_new_tokens=16)
        return self_answers(policy, EASY, 12, seed, only_own=True)

    made = written(0)
    assert made == written(0) != written(1)
    catalog = Catalog(tuple(EASY))
    drawn = {catalog.problem(arm, s).prompt for arm in EASY for s in range(-400, 0)}
    for question, text in answers_of(made.rows).items():
        assert question not in drawn, "no test problem is imitated"
        digits = question.removeprefix("sort ")
        assert text == f"<answer>{''.join(sorted(digits))}</answer>"


def test_easy_levels_are_imitated_and_hard_ones_reinforced():
    split = split_by_difficulty(LEVELS, 1 / 2)
    assert list(split.imitated) == ["sorting/1", "sorting/2", "sorting/3", "brackets/1"]
    assert split.reinforced == ("sorting/4", "sorting/5", "sorting/6", "brackets/3")
    control = random_split(LEVELS)
    assert set(control.imitated) == set(control.reinforced) == set(Catalog.of(LEVELS).arms)
    for share in (0.0, 1.0, 0.01):
        with pytest.raises(CurrlabError, match="one part of the split empty"):
            split_by_difficulty(LEVELS, share)
    with pytest.raises(CurrlabError, match="A share lies between"):
        split_by_difficulty(LEVELS, 2.0)


def test_a_split_budget_is_spent_whole():
    for share in (0.0, 0.3, 1.0):
        steps, tokens = split_budget(10_000, share, 300.0)
        assert steps * 300 + tokens == 10_000
        assert steps * 300 <= share * 10_000 < (steps + 1) * 300
    for wrong in ({"tokens": 0}, {"share": 1.5}, {"step_tokens": 0.0}):
        with pytest.raises(CurrlabError):
            split_budget(**{"tokens": 100, "share": 0.5, "step_tokens": 10.0, **wrong})


def test_tokens_of_a_row_are_answer_and_end():
    rows = [row_of("sort 10", "<answer>01</answer>"), row_of("sort 210", "<answer>012</answer>")]
    assert tokens_a_row(rows, build_tokenizer()) == 5.5
    with pytest.raises(CurrlabError, match="at least one row"):
        tokens_a_row([], build_tokenizer())
