"""Planted behaviour: the form stays, and what is wrong is as wrong as it should be."""

import pytest

from currlab.errors import CurrlabError
from currlab.tasks import Problem, extract_answer, get_task
from currlab.training.warm_up_chains import WALKS, make_chains

CHAIN = Problem("modular_chain", 3, 0, "chain 8+5*7-2", "9")
SORT = Problem("sorting", 3, 0, "sort 3120", "0123")


def some(task, level=5, n=40):
    return [get_task(task).make(level, seed) for seed in range(n)]


def lines_of(completion):
    return completion.partition("<think>")[2].partition("</think>")[0].split("\n")


@pytest.mark.parametrize("task", WALKS)
def test_planting_nothing_gives_the_worked_solution(task):
    for level in (1, 5, 9):
        for problem in some(task, level):
            worked = get_task(task).completion(problem, thought=True)
            assert make_chains().completion(problem) == worked


@pytest.mark.parametrize("task", WALKS)
def test_mistakes_are_wrong_and_well_formed(task):
    chains, wrong = make_chains(mistakes=1.0), 0
    for problem in some(task):
        written = chains.completion(problem)
        right = get_task(task).completion(problem, thought=True)
        assert [len(line) for line in lines_of(written)] == [len(line) for line in lines_of(right)]
        assert extract_answer(written) == lines_of(written)[-1][-len(problem.answer) :]
        wrong += not get_task(task).verify(problem, written)
    # A mistake can be made good by another: one chain in ten ends on the right digit by chance.
    assert wrong >= 30


def test_a_mistake_is_passed_on():
    """Every step is wrong, and every step begins where the one before it ended."""
    lines = lines_of(make_chains(mistakes=1.0).completion(CHAIN))
    assert [line[1:3] for line in lines] == ["+5", "*7", "-2"]
    for line, following in zip(lines, [*lines[1:], None], strict=True):
        first, sign, second, value = line[0], line[1], line[2], line[-1]
        right = {"+": int(first) + int(second), "*": int(first) * int(second)}
        right["-"] = int(first) - int(second)
        assert int(value) != right[sign] % 10
        assert following is None or following[0] == value


def test_a_wrong_selection_keeps_all_digits():
    for problem in some("sorting"):
        for line in lines_of(make_chains(mistakes=0.5).completion(problem)):
            assert sorted(line.replace("|", "")) == sorted(problem.answer)


@pytest.mark.parametrize("task", WALKS)
@pytest.mark.parametrize("k", [1, 3])
def test_backtracks_are_counted_and_leave_the_solution_right(task, k):
    for problem in some(task):
        written = make_chains(backtracks=k).completion(problem)
        lines = lines_of(written)
        assert sum(line.endswith(" !") for line in lines) == k
        kept = [line for line in lines if not line.endswith(" !")]
        assert kept == get_task(task).steps(problem)
        assert get_task(task).verify(problem, written)
        assert all(line[:-2] not in kept for line in lines if line.endswith(" !"))


def test_what_cannot_be_done_wrongly_is_not_taken_back():
    same = Problem("sorting", 2, 0, "sort 777", "777")
    assert make_chains(backtracks=4, mistakes=1.0).completion(same) == (
        "<think>77|7\n7|77\n|777</think><answer>777</answer>"
    )


@pytest.mark.parametrize("task", WALKS)
def test_shuffled_steps_are_the_same_steps_and_the_answer_stays(task):
    moved = 0
    for problem in some(task):
        written = make_chains(shuffled=True).completion(problem)
        steps = get_task(task).steps(problem)
        assert sorted(lines_of(written)) == sorted(steps)
        assert get_task(task).verify(problem, written)
        moved += lines_of(written) != steps
    assert moved > 30


def test_equal_problems_get_equal_chains_and_others_do_not():
    chains = make_chains(mistakes=0.5, backtracks=1, shuffled=True)
    assert chains.completion(SORT) == chains.completion(SORT)
    other = Problem("sorting", 3, 1, SORT.prompt, SORT.answer)
    assert chains.completion(SORT) != chains.completion(other)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"mistakes": 2.0}, "between 0.0 and 1.0"),
        ({"backtracks": -1}, "between 0 and 32"),
        ({"shuffled": 1}, "of type bool"),
        ({"backtrack": 1}, "no parameter 'backtrack'"),
    ],
)
def test_bad_parameters_are_refused_in_a_sentence(parameters, sentence):
    with pytest.raises(CurrlabError, match=sentence):
        make_chains(**parameters)


def test_a_task_without_such_chains_is_refused():
    with pytest.raises(CurrlabError, match="known for sorting, modular_chain; 'brackets' is not"):
        make_chains().completion(get_task("brackets").make(1, 0))
