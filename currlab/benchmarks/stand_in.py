"""A learner and its groups for measuring selection alone: they cost nothing that is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from currlab.curricula import Group, Pick, Recipe, Rollout, Score, View
from currlab.student import Student
from currlab.student.stand_ins import SimulatedPolicy, WatchedCatalog
from currlab.tasks import Problem
from currlab.training.collect import with_advantages

# Problems that a probe may ask for in one step before it is broken off: a pool of a million would
# take minutes, and the price of one problem is known from smaller pools.
PATIENCE = 2_500
LAYERS, HIDDEN, VOCABULARY = 4, 96, 128


class OutOfPatienceError(Exception):
    """A probe asks for more problems than are made for it."""


class ImpatientCatalog(WatchedCatalog):
    """Makes only so many problems inside `hurry`."""

    @contextmanager
    def hurry(self) -> Iterator[None]:
        self.__dict__["left"] = PATIENCE
        try:
            yield
        finally:
            del self.__dict__["left"]

    def problem(self, arm: str, seed: int) -> Problem:
        if "left" in self.__dict__:
            self.__dict__["left"] -= 1
            if self.__dict__["left"] < 0:
                raise OutOfPatienceError
        return super().problem(arm, seed)


class StandIn(SimulatedPolicy):
    """The simulated student, with random numbers for hidden states and logits; counts what is asked."""

    def __init__(self, catalog: ImpatientCatalog) -> None:
        super().__init__(Student(catalog), catalog)
        self.answers = self.prompts_read = 0
        self._numbers = np.random.default_rng(0).normal(size=(512, VOCABULARY))

    def generate(
        self, views: Sequence[View], seeds: Sequence[int], temperature: float
    ) -> list[Rollout]:
        self.answers += len(views)
        return super().generate(views, seeds, temperature)

    def hidden(self, prompts: Sequence[str]) -> np.ndarray:
        self.prompts_read += len(prompts)
        rng = np.random.default_rng(len(prompts))
        return rng.normal(size=(len(prompts), LAYERS, HIDDEN))

    def logits(self, prompts: Sequence[str], answers: Sequence[str]) -> list[np.ndarray]:
        self.prompts_read += len(prompts)
        return [self._numbers[i % 256 :][: len(a) + 1] for i, a in enumerate(answers)]


def answered(
    recipe: Recipe, catalog: ImpatientCatalog, picks: Sequence[Pick], rollouts: int, step: int
) -> list[Group]:
    """The groups of a step, as a run has them: the higher the level, the less often right."""
    rng, groups = np.random.default_rng(step), []
    for pick in picks:
        seed = int(rng.integers(2**40)) if pick.seed is None else pick.seed
        problem = catalog.problem(pick.arm, seed)
        right = rng.random(rollouts) < 1 - problem.level / 14
        rows = tuple(
            Rollout(View(problem.prompt), "", (1, 2, 3), score=Score(float(hit), bool(hit)))
            for hit in right
        )
        groups.append(Group(problem, pick, rows, step))
    return with_advantages(recipe, groups)
