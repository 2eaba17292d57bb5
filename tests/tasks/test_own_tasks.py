"""Every own task: exact verifiers, worked solutions, determinism, the split, levels."""

import json
import os
import statistics
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from currlab.errors import CurrlabError
from currlab.tasks import extract_answer, get_task, task_names
from currlab.tasks.base import is_test_prompt

NAMES = (
    "brackets",
    "countdown",
    "dedupe",
    "knights_knaves",
    "modular_chain",
    "programs",
    "reverse",
    "rotate",
    "sorting",
)
ARMS = [(name, level) for name in NAMES for level in get_task(name).levels]
CONTEXT = 512  # the tiny models' context, in characters
arms = st.sampled_from(ARMS)
seeds = st.integers(-(10**9), 10**9)
unhurried = settings(deadline=None)  # the first program waits for the sandbox to start


def block(answer):
    return f"<answer>{answer}</answer>"


def test_the_names_are_the_projects_tasks():
    assert set(NAMES) <= set(task_names())
    assert all(get_task(name).max_level >= 8 for name in NAMES)
    assert all(get_task(name).title for name in NAMES)


@unhurried
@given(arms, seeds)
def test_worked_solutions_verify_and_their_steps_end_with_the_answer(arm, seed):
    task, problem = get_task(arm[0]), get_task(arm[0]).make(arm[1], seed)
    for thought in (False, True):
        assert task.verify(problem, task.completion(problem, thought))
    assert task.steps(problem)[-1].endswith(problem.answer)


@unhurried
@given(arms, seeds)
def test_a_worked_solution_fits_the_tiny_context_in_printable_ascii(arm, seed):
    task, problem = get_task(arm[0]), get_task(arm[0]).make(arm[1], seed)
    text = problem.prompt + task.completion(problem, thought=True)
    assert len(text) < CONTEXT - 8
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert task.completion(problem).count("\n") <= (3 if task.name == "programs" else 0)


MUTATIONS = {
    "twice": lambda a: a + a,
    "longer": lambda a: a + "0",
    "shorter": lambda a: a[:-1],
    "empty": lambda a: "",
    "blank": lambda a: " \n\t",
    "huge": lambda a: a * (10**6 // len(a)),
    "huge blank": lambda a: " " * 10**6,
    "NUL inside": lambda a: a[:1] + "\0" + a[1:],
    "NUL behind": lambda a: a + "\0",
    "surrogate": lambda a: a + "\ud800",
    "quoted": lambda a: f"'{a}'",
    "tagged": lambda a: f"<think>{a}</think>",
}


@pytest.mark.parametrize("how", MUTATIONS)
@pytest.mark.parametrize("name", NAMES)
def test_changed_answers_are_wrong(name, how):
    task = get_task(name)
    for level in (1, task.max_level):
        problem = task.make(level, 3)
        assert task.verify(problem, block(MUTATIONS[how](problem.answer))) is False


@pytest.mark.parametrize("name", NAMES)
def test_one_changed_character_is_wrong(name):
    """For Countdown, too: another number or sign there is not the same multiset or value."""
    task = get_task(name)
    for level in task.levels:
        problem = task.make(level, 5)
        for i, old in enumerate(problem.answer):
            for new in "8KN)]}":
                changed = problem.answer[:i] + new + problem.answer[i + 1 :]
                if new != old:
                    assert not task.verify(problem, block(changed))


@pytest.mark.parametrize("name", NAMES)
def test_unicode_digits_are_not_digits(name):
    task = get_task(name)
    arabic = str.maketrans("0123456789KN()[]{}", "٠١٢٣٤٥٦٧٨٩ΚΝ（）［］｛｝")
    for level in task.levels:
        problem = task.make(level, 1)
        assert not task.verify(problem, block(problem.answer.translate(arabic)))


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_counts_in_exactly_one_block(name):
    task = get_task(name)
    problem = task.make(2, 0)
    right = block(problem.answer)
    assert task.verify(problem, f"some words {right} more words")
    wrong = [
        right + right,
        f"{right}<answer>",
        f"</answer>{right}",
        f"<answer>{right}",
        f"</answer>{problem.answer}<answer>",
        f"<answer>{problem.answer}",
        f"{problem.answer}</answer>",
        problem.answer,
        "",
        "<answer></answer>",
        right.upper(),
        "<answer>" * 100_000,
    ]
    assert not any(task.verify(problem, text) for text in wrong)


@unhurried
@given(arms, st.text())
def test_any_text_is_judged_without_raising(arm, text):
    task = get_task(arm[0])
    problem = task.make(arm[1], 0)
    assert task.verify(problem, text) is False or extract_answer(text) is not None
    assert task.verify(problem, block(text)) in (True, False)


@unhurried
@given(arms, seeds)
def test_equal_keys_make_equal_problems(arm, seed):
    task = get_task(arm[0])
    problem = task.make(arm[1], seed)
    assert problem == task.make(arm[1], seed) == type(task)().make(arm[1], seed)
    assert problem == task.make(np.int64(arm[1]), np.int64(seed))
    assert problem.key == (*arm, seed)
    assert problem.arm == f"{arm[0]}/{arm[1]}"


def test_a_fresh_process_with_another_hash_seed_makes_the_same_problems():
    keys = [(name, level, seed) for name, level in ARMS[::5] for seed in (-7, 0, 11)]
    here = [get_task(name).make(level, seed).__dict__ for name, level, seed in keys]
    code = (
        "import json, sys; from currlab.tasks import get_task; print(json.dumps("
        "[get_task(n).make(l, s).__dict__ for n, l, s in json.load(sys.stdin)]))"
    )
    for hash_seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(keys),
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(run.stdout) == here


@pytest.mark.parametrize("name", NAMES)
def test_training_and_test_problems_are_disjoint_and_enough(name):
    """By construction (a function of the prompt decides), and seen at every level."""
    task = get_task(name)
    for level in task.levels:
        train = {task.make(level, seed).prompt for seed in range(120)}
        test = {task.make(level, -1 - seed).prompt for seed in range(40)}
        assert not train & test
        assert not any(map(is_test_prompt, train))
        assert all(map(is_test_prompt, test))
        assert len(train) >= 50
        assert len(test) >= 10


@pytest.mark.parametrize("name", NAMES)
def test_prompts_and_solutions_grow_with_the_level(name):
    """Mean prompt length rises at each level; the worked solution from the first to the last."""
    task = get_task(name)
    problems = {level: [task.make(level, s) for s in range(60)] for level in task.levels}
    lengths = [statistics.mean(len(p.prompt) for p in problems[level]) for level in task.levels]
    assert lengths == sorted(set(lengths))
    steps = {
        level: statistics.mean(sum(map(len, task.steps(p))) for p in problems[level])
        for level in (1, task.max_level)
    }
    assert steps[task.max_level] > 2 * steps[1]


@pytest.mark.parametrize("name", NAMES)
def test_levels_and_seeds_out_of_range_are_told_in_a_sentence(name):
    task = get_task(name)
    for level in (0, -1, task.max_level + 1, 10**9):
        with pytest.raises(CurrlabError, match=f"has levels 1 to {task.max_level}; level"):
            task.make(level, 0)
    for level, seed in ((1.0, 0), ("1", 0), (None, 0), (1, 0.5), (1, "0")):
        with pytest.raises(CurrlabError, match="is a whole number"):
            task.make(level, seed)
