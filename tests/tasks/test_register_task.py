"""A learner's own task in ten lines, and everything that can be wrong with one."""

import random

import pytest

from currlab.curricula.data import Catalog
from currlab.errors import CurrlabError
from currlab.tasks import (
    Task,
    get_task,
    register_task,
    registry,
    task_names,
)


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    """Each test registers into a copy."""
    monkeypatch.setattr(registry, "TASKS", dict(registry.TASKS))
    monkeypatch.setattr(registry, "INSTANCES", dict(registry.INSTANCES))


def define_double(factor=2):
    class Double(Task):
        name, title, max_level = "double", "twice the number", 9

        def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
            number = rng.randrange(10**level)
            return f"double {number}", str(factor * number)

    return Double


def test_a_task_of_a_few_lines_works_in_the_machinery():
    register_task(define_double())
    task = get_task("double")
    assert "double" in task_names()
    assert get_task("double") is task
    catalog = Catalog.of({"double": task.levels, "sorting": [1]})
    for arm in catalog.arms[:9]:
        problem = catalog.problem(arm, 4)
        assert int(problem.answer) == 2 * int(problem.prompt.split()[1])
        assert task.verify(problem, catalog.worked(problem, thought=True))
        assert not task.verify(problem, "<answer>?</answer>")
    assert task.make(1, -1) == type(task)().make(1, -1)


def test_a_cell_that_is_run_again_replaces_its_task():
    register_task(define_double())
    before = get_task("double").make(3, 0)
    register_task(define_double(factor=3))
    after = get_task("double").make(3, 0)
    assert before.prompt == after.prompt
    assert 3 * int(before.answer) == 2 * int(after.answer)


def test_a_taken_name_is_refused_and_the_old_task_stays():
    class Sorting(define_double()):
        name = "sorting"

    with pytest.raises(CurrlabError, match="called 'sorting' exists already"):
        register_task(Sorting)
    assert get_task("sorting").make(1, 0).prompt.startswith("sort ")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": None}, "needs 'name', of type str"),
        ({"title": 5}, "needs 'title', of type str"),
        ({"max_level": "9"}, "needs 'max_level', of type int"),
        ({"max_level": 0}, "needs at least one level"),
        ({"name": "a/b"}, "made of letters"),
        ({"name": "gym:x"}, "made of letters"),
        ({"name": ""}, "made of letters"),
        ({"draw": Task.draw}, r"needs a method draw\(level, rng\)"),
    ],
)
def test_a_malformed_task_is_told(changes, sentence):
    wrong = type("Wrong", (define_double(),), changes)
    with pytest.raises(CurrlabError, match=sentence):
        register_task(wrong)
    assert "double" not in task_names()


@pytest.mark.parametrize("thing", ["sorting", None, int])
def test_only_tasks_are_registered(thing):
    with pytest.raises(CurrlabError, match="is a subclass of currlab"):
        register_task(thing)


@pytest.mark.parametrize("name", ["sort", "Sorting", "", "sorting/3", "gym", "\0", "x" * 10**5])
def test_an_unknown_name_is_answered_with_the_known_ones(name):
    with pytest.raises(CurrlabError, match=r"known tasks are brackets, countdown, .* and gym:NAME"):
        get_task(name)


def test_a_near_miss_gets_a_hint():
    with pytest.raises(CurrlabError, match="Did you mean 'sorting'"):
        get_task("sortin")


def test_too_few_problems_to_split_is_told():
    class Constant(Task):
        name, title, max_level = "constant", "always the same", 1

        def draw(self, level, rng):
            return "say a", "a"

    with pytest.raises(CurrlabError, match="too few different problems at level 1"):
        [Constant().make(1, seed) for seed in (0, -1)]
