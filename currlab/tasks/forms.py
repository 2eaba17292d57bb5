"""A task in one form: ``sorting@choice4``, ``sorting@cloze``. For warming up on forms, and measuring.

A tiny model does not know what a choice or a blank is before it has seen some. A form of a task is
a task, so that a warm-up's mixture may hold ``{"sorting/1": 1, "sorting@choice4/1": 1}``, and its
levels can be evaluated like any others. In training by a format ladder the arms stay those of the
open task; the present dial then shows variants.
"""

from __future__ import annotations

import random

from currlab.errors import CurrlabError
from currlab.tasks.base import Problem, Task
from currlab.tasks.variants import Variant, problem_rng, variant

SEPARATOR = "@"
PROBES = 8


class FormTask(Task):
    """`task` in the form `form`. A problem that does not have the form is asked in the open one.

    Its problem of a key is made of the open problem of the same level and seed, so that a training
    problem in any form never holds a test problem.
    """

    def __init__(self, task: Task, form: str) -> None:
        self.task, self.form = task, form
        self.name = f"{task.name}{SEPARATOR}{form}"
        self.title = f"{task.title} ({form})"
        self.max_level = task.max_level
        if not any(self._variant(task.make(task.max_level, seed)) for seed in range(PROBES)):
            raise CurrlabError(f"Task '{task.name}' has no form '{form}'.")

    def _variant(self, problem: Problem) -> Variant | None:
        return variant(self.task, problem, self.form, problem_rng(problem, self.form))

    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        problem = self.make(level, rng.randrange(2**31))
        return problem.prompt, problem.answer

    def make(self, level: int, seed: int) -> Problem:
        problem = self.task.make(level, seed)
        shown = self._variant(problem)
        if shown is None:
            return Problem(self.name, problem.level, problem.seed, problem.prompt, problem.answer)
        answer = problem.answer if shown.answer is None else shown.answer
        return Problem(self.name, problem.level, problem.seed, shown.prompt, answer)

    def open(self, problem: Problem) -> Problem:
        """The same problem in the open form."""
        return self.task.make(problem.level, problem.seed)

    def check(self, problem: Problem, answer: str) -> bool:
        asked = self.open(problem)
        shown = self._variant(asked)
        if shown is None or shown.answer is None:
            return self.task.check(asked, answer)
        return answer.strip() == shown.answer

    def steps(self, problem: Problem) -> list[str]:
        """The open problem's steps, if its answer is what is asked for."""
        asked = self.open(problem)
        return self.task.steps(asked) if problem.answer == asked.answer else []
