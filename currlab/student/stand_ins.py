"""Light stand-ins for what a strategy meets in a real run: problems, groups and the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from currlab.curricula import Catalog, Pick, Rollout, Score, View
from currlab.errors import CurrlabError
from currlab.student.learner import Student
from currlab.tasks import Key, Problem
from currlab.training.collect import derive_seed

# Mean token entropy of an answer in nats, from hopeless to certain: a line through the first 50 steps
# of the runs that the other defaults were fitted to. Read by strategies that choose by entropy.
ENTROPY_HOPELESS, ENTROPY_CERTAIN = 0.44, 0.09
# An answer to level l has about l + 4 tokens (sorting: l + 1 digits, two tags and the end).
TOKENS_BESIDES_LEVEL = 4


class WatchedCatalog(Catalog):
    """A catalog that remembers the problems it made: a probe shows prompts and nothing else."""

    def problem(self, arm: str, seed: int) -> Problem:
        problem = super().problem(arm, seed)
        self.__dict__.setdefault("asked", {})[problem.prompt] = problem
        return problem


class SimulatedPolicy:
    """What a strategy's `probe` talks to: the student's answers to the catalog's problems."""

    def __init__(self, student: Student, catalog: WatchedCatalog) -> None:
        self.student, self.catalog = student, catalog
        self.tokens_generated = 0
        # Answers are cut here, as a language model's are; the student's own are far shorter.
        self.max_new_tokens = 1000
        self._arm = {arm: i for i, arm in enumerate(catalog.arms)}

    def generate(
        self, views: Sequence[View], seeds: Sequence[int], temperature: float
    ) -> list[Rollout]:
        """One unscored rollout a view; row i depends on (view i, seed i) and the ability only."""
        problems = [self._problem(view) for view in views]
        arms = np.array([self._arm[problem.arm] for problem in problems], dtype=int)
        chances = self.student.chances(arms, [p.seed for p in problems], temperature)
        luck = np.array([derive_seed(seed) for seed in seeds], dtype=float) / 2.0**63
        right = chances > 0.5 if temperature == 0 else luck < chances
        rows = []
        for view, problem, chance, hit in zip(views, problems, chances, right, strict=True):
            whole = problem.level + TOKENS_BESIDES_LEVEL
            length = min(whole, self.max_new_tokens)
            known = hit and length == whole
            text = self.catalog.worked(problem) if known else "I do not know."
            entropy = ENTROPY_HOPELESS + (ENTROPY_CERTAIN - ENTROPY_HOPELESS) * chance
            rows.append(
                Rollout(view, text, (0,) * length, entropy=float(entropy), temperature=temperature)
            )
            self.tokens_generated += length
        return rows

    def _problem(self, view: View) -> Problem:
        known = self.catalog.__dict__.get("asked", {})
        if view.prompt not in known:
            raise CurrlabError("The simulated student can only answer problems of its catalog.")
        return known[view.prompt]


class LazyProblem:
    """A `Problem` whose text is only made when somebody reads it."""

    __slots__ = ("_catalog", "arm", "level", "seed", "task")

    def __init__(self, catalog: Catalog, arm: str, task: str, level: int, seed: int) -> None:
        self._catalog, self.arm, self.task, self.level, self.seed = catalog, arm, task, level, seed

    @property
    def key(self) -> Key:
        return (self.task, self.level, self.seed)

    @property
    def prompt(self) -> str:
        return self._catalog.problem(self.arm, self.seed).prompt

    @property
    def answer(self) -> str:
        return self._catalog.problem(self.arm, self.seed).answer


@lru_cache(maxsize=4096)
def outcome(size: int, right: int, length: int) -> Mapping[str, Any]:
    """What all groups with `right` of `size` right answers share; the right ones come first."""
    correct = (True,) * right + (False,) * (size - right)
    view, ids = View(""), (0,) * length
    return {
        "correct": correct,
        "rewards": tuple(map(float, correct)),
        "rollouts": tuple(Rollout(view, "", ids, score=Score(float(c), c)) for c in correct),
        "lengths": (length,) * size,
        "pass_rate": right / size,
        "informative": 0 < right < size,
    }


class SimulatedGroup:
    """A `Group` as `observe` sees it, without the cost of one: no text, rollouts shared."""

    hinted = False

    def __init__(self, problem: LazyProblem, pick: Pick, step: int, shared: Mapping) -> None:
        self.__dict__.update(shared)
        self.problem, self.pick, self.arm, self.step = problem, pick, pick.arm, step
        self.advantages: tuple[float, ...] = ()
