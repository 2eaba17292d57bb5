"""Hidden digits and shuffled pieces: what is asked for can be told from what is shown."""

import itertools
import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from currlab.models.tokenizer import build_tokenizer
from currlab.tasks import Problem, get_task

FILL, UNSHUFFLE = get_task("fill"), get_task("unshuffle")
levels, seeds = st.integers(1, 10), st.integers(-(10**6), 10**6)
many = settings(deadline=None)


def block(answer):
    return f"<answer>{answer}</answer>"


def filled(problem, answer):
    given = iter(answer)
    return "".join(next(given) if c == "_" else c for c in problem.prompt.split(" ")[1])


# ------------------------------------------------------------------ fill


@many
@given(levels, seeds)
def test_the_hidden_digits_make_the_right_side_the_left_one_sorted(level, seed):
    problem = FILL.make(level, seed)
    left, right = filled(problem, problem.answer).split("=")
    assert right == "".join(sorted(left))
    assert len(left) == level + 2
    assert problem.prompt.count("_") == len(problem.answer) == level
    assert FILL.verify(problem, FILL.completion(problem))


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3), seeds)
def test_all_and_only_right_restorations_are_accepted(level, seed):
    problem = FILL.make(level, seed)
    for digits in itertools.product(string.digits, repeat=level):
        answer = "".join(digits)
        left, right = filled(problem, answer).split("=")
        right_one = sorted(left) == list(right)
        assert FILL.check(problem, answer) == right_one
        # Only the order of what is hidden on the left is free.
        assert not right_one or sorted(answer) == sorted(problem.answer)


def test_another_order_on_the_left_is_right_and_on_the_right_is_not():
    two = Problem("fill", 2, 0, "fill 5_4_=1345", "13")
    assert FILL.check(two, "13")
    assert FILL.check(two, "31")
    ordered = Problem("fill", 2, 0, "fill 5143=_3_5", "14")
    assert FILL.check(ordered, "14")
    assert not FILL.check(ordered, "41")


@pytest.mark.parametrize("level", [1, 5, 10])
def test_wrong_and_hostile_restorations_are_wrong(level):
    problem = FILL.make(level, 3)
    answer = problem.answer
    wrong = ["", answer[:-1], answer + "0", "_" * level, "x" * level, "9" * 10**6, " " * level]
    wrong += ["٣" * level, "²" * level, "=" * level, f"'{answer}'", answer + "\0", "\ud800" * level]
    assert not any(FILL.verify(problem, block(text)) for text in wrong)
    assert FILL.verify(problem, block(f" {answer}\n"))


# ------------------------------------------------------------------ unshuffle


@many
@given(levels, seeds)
def test_the_pieces_stand_in_disorder_and_have_one_order(level, seed):
    problem = UNSHUFFLE.make(level, seed)
    pieces = problem.prompt.split(" ")[1:]
    assert len(pieces) == level + 1
    assert "".join(pieces) != problem.answer
    assert problem.answer == "".join(sorted("".join(pieces)))
    assert len(set(problem.answer)) == len(problem.answer)
    right = ["".join(p) for p in itertools.permutations(pieces[:6]) if list(p) == sorted(p)]
    assert len(right) == 1
    steps = UNSHUFFLE.steps(problem)
    assert len(steps) == len(pieces)
    assert steps[-1] == f"|{problem.answer}"


@many
@given(levels, seeds, st.floats(0, 1))
def test_simpler_and_reworded_disorder_has_the_same_pieces(level, seed, share):
    problem, rng = UNSHUFFLE.make(level, seed), random.Random(seed)
    pieces = problem.prompt.split(" ")[1:]
    for prompt in (UNSHUFFLE.simplify(problem, share, rng), UNSHUFFLE.rephrase(problem, rng)):
        first, *shown = prompt.split(" ")
        assert first == "unshuffle"
        assert sorted(shown) == sorted(pieces)
    done = max(1, round(share * len(pieces)))
    easier = UNSHUFFLE.simplify(problem, share, rng).split(" ")[1:]
    assert easier[:done] == sorted(pieces)[:done]


# ------------------------------------------------------------------ both


@pytest.mark.parametrize("task", [FILL, UNSHUFFLE], ids=lambda task: task.name)
def test_levels_are_enough_grow_and_fit_the_tiny_model(task):
    tokenizer, lengths = build_tokenizer(), []
    assert task.max_level >= 8
    for level in task.levels:
        train = {task.make(level, seed).prompt for seed in range(120)}
        test = {task.make(level, -1 - seed).prompt for seed in range(40)}
        assert not train & test
        assert len(train) >= 100
        assert len(test) >= 30
        problem = task.make(level, 0)
        lengths.append(len(problem.prompt))
        text = problem.prompt + task.completion(problem, thought=True)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert len(text) < 504
    assert lengths == sorted(set(lengths))
