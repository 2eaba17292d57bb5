"""A recipe played on the simulated student, step by step or from beginning to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from currlab.curricula import Catalog, Clock, Pick, Recipe
from currlab.curricula.update.grpo import GRPO
from currlab.errors import CurrlabError
from currlab.student.learner import Student, StudentParameters
from currlab.student.stand_ins import (
    TOKENS_BESIDES_LEVEL,
    LazyProblem,
    SimulatedGroup,
    SimulatedPolicy,
    WatchedCatalog,
    outcome,
)

# What the student has no notion of: text, hints, bonuses, second rounds.
PLAYED = {"present": "plain", "sample": "fixed_group", "reward": "exact"}


@dataclass
class History:
    """What happened: one row a step in every array; row 0 of `pass_rate` is before the first step.

    `pass_rate` [steps + 1, arms] is the true chance at temperature 1; `prompts` and `informative`
    [steps, arms] count groups, and those among them with unequal rewards; `tokens` [steps] are
    generated tokens so far, probes included.
    """

    arms: tuple[str, ...]
    pass_rate: np.ndarray
    prompts: np.ndarray
    informative: np.ndarray
    tokens: np.ndarray

    @property
    def informative_share(self) -> float:
        """Share of all groups that taught something."""
        return float(self.informative.sum() / self.prompts.sum())

    def frame(self) -> pd.DataFrame:
        """A row a step and arm: step (from 1), arm, pass_rate (after it), prompts, informative."""
        steps, arms = self.prompts.shape
        return pd.DataFrame(
            {
                "step": np.repeat(np.arange(1, steps + 1), arms),
                "arm": np.tile(np.array(self.arms, dtype=object), steps),
                "pass_rate": self.pass_rate[1:].ravel(),
                "prompts": self.prompts.ravel(),
                "informative": self.informative.ravel(),
                "tokens": np.repeat(self.tokens, arms),
            }
        )


@dataclass
class Simulation:
    """One run of a recipe on a student, step by step, so that knobs can be turned in between."""

    recipe: Recipe
    catalog: Catalog
    parameters: StudentParameters = field(default_factory=StudentParameters)
    steps: int = 300
    prompts: int = 32
    group_size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for dial, name in PLAYED.items():
            if (got := getattr(self.recipe, dial).name) != name:
                raise CurrlabError(
                    f"The simulated student writes no text: its {dial} dial must be '{name}', "
                    f"not '{got}'."
                )
        if min(self.steps, self.prompts) < 1 or (self.group_size or 2) < 2:
            raise CurrlabError("A simulation needs a step, a prompt and groups of at least 2.")
        self.student = Student(self.catalog, self.parameters)
        watched = WatchedCatalog(self.catalog.arms, self.catalog.pool)
        self.policy = SimulatedPolicy(self.student, watched)
        self.recipe.select.bind(watched)
        self.rng = np.random.default_rng(self.seed)
        self.done, self.tokens = 0, 0
        self._places = [
            (i, arm, arm.rpartition("/")[0], int(level))
            for i, (arm, level) in enumerate(zip(watched.arms, self.student.levels, strict=True))
        ]
        self._place_of = {place[1]: place for place in self._places}
        self._advantages: dict[GRPO.Parameters, dict[tuple, tuple]] = {}

    def step(self) -> tuple[np.ndarray, np.ndarray]:
        """Choose, answer, observe, learn; groups and informative groups of every arm [arms]."""
        spent = self.tokens + self.policy.tokens_generated
        clock = Clock(self.done, min(1.0, self.done / self.steps), spent)
        self.recipe.select.probe(self.policy, clock)
        picks = self.recipe.select.choose(self.prompts, clock)
        groups, arms = self._answers(picks, clock)
        strength = self._set_advantages(groups)
        self.recipe.observe(groups, {})
        count = len(self.catalog.arms)
        prompts = np.bincount(arms, minlength=count)
        informative = np.bincount(arms, [g.informative for g in groups], count).astype(int)
        self.student.learn(np.bincount(arms, strength, count), prompts)
        self.tokens += sum(len(g.rewards) * g.lengths[0] for g in groups)
        self.done += 1
        return prompts, informative

    def _answers(
        self, picks: Sequence[Pick], clock: Clock
    ) -> tuple[list[SimulatedGroup], np.ndarray]:
        """A group for every pick, and the indices of their arms."""
        plan = self.recipe.sample.plan(picks, clock)
        sizes = [self.group_size] * len(picks) if self.group_size else plan.rollouts
        fresh = self.rng.integers(self.catalog.pool or 2**40, size=len(picks)).tolist()
        seeds = [f if p.seed is None else p.seed for p, f in zip(picks, fresh, strict=True)]
        places = [self._place_of[pick.arm] for pick in picks]
        arms = np.array([place[0] for place in places])
        right = self.rng.binomial(sizes, self.student.chances(arms, seeds, plan.temperature))
        rows = zip(picks, places, seeds, sizes, right.tolist(), strict=True)
        groups = []
        for pick, (_, arm, task, level), seed, size, hits in rows:
            problem = LazyProblem(self.catalog, arm, task, level, seed)
            shared = outcome(size, hits, level + TOKENS_BESIDES_LEVEL)
            groups.append(SimulatedGroup(problem, pick, clock.step, shared))
        return groups, arms

    def _set_advantages(self, groups: Sequence[SimulatedGroup]) -> list[float]:
        """Give every group the update's advantages; their mean absolute values."""
        update = self.recipe.update
        if type(update) is not GRPO:
            for group, row in zip(groups, update.advantages(groups), strict=True):
                group.advantages = row
            return [float(np.abs(group.advantages).mean()) for group in groups]
        # GRPO looks at one group at a time, so equal rewards have equal advantages for ever.
        known = self._advantages.setdefault(update.parameters, {})
        strengths = []
        for group in groups:
            if group.rewards not in known:
                row = update.group_advantages(group.rewards)
                known[group.rewards] = row, float(np.abs(row).mean())
            group.advantages, strength = known[group.rewards]
            strengths.append(strength)
        return strengths

    def run(self) -> History:
        """All steps that are left."""
        rates, prompts, informative, tokens = [self.student.pass_rates()], [], [], []
        while self.done < self.steps:
            shown, taught = self.step()
            prompts.append(shown)
            informative.append(taught)
            rates.append(self.student.pass_rates())
            tokens.append(self.tokens + self.policy.tokens_generated)
        arms = self.catalog.arms
        return History(arms, *map(np.array, (rates, prompts, informative, tokens)))


def simulate(
    recipe: Recipe,
    student_parameters: StudentParameters | None = None,
    catalog: Catalog | None = None,
    steps: int = 300,
    prompts: int = 32,
    group_size: int | None = None,
    seed: int = 0,
) -> History:
    """Play a recipe on a student from its first step to its last.

    The recipe is a fresh one and is used up: its strategies have observed this run afterwards. The
    catalog is sorting, levels 1 to 12, unless given; `group_size` overrides the sample dial's plan.

    >>> from currlab.curricula import make_recipe
    >>> history = simulate(make_recipe("sec"), steps=50)
    >>> history.pass_rate.shape
    (51, 12)
    """
    catalog = catalog or Catalog.of({"sorting": range(1, 13)})
    parameters = student_parameters or StudentParameters()
    return Simulation(recipe, catalog, parameters, steps, prompts, group_size, seed).run()
