"""The simulated learner itself: chances of success, and what a training step does to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri

from currlab.curricula import Catalog
from currlab.curricula.registry import check_parameters, knob
from currlab.training.collect import derive_seed

# Nodes that average over the problems of an arm (Gauss-Hermite, for a standard normal).
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class StudentParameters:
    """What the student is like. Abilities and difficulties are in logits, 0 is the ability at first.

    The defaults make it like the tiny model on sorting: rounded results of `currlab.student.fit`
    on seed 0 of uniform, staged and sec of `currlab study foundations`. Only `heat` is a guess, as
    those runs sample at temperature 1.
    """

    edge: float = knob(4.6, "level of which a middling problem has even odds at first", 0.0, 30.0)
    steepness: float = knob(1.75, "logits by which a level is harder than the one below", 0.0, 10.0)
    spread: float = knob(3.0, "standard deviation of difficulty inside a level, logits", 0.0, 6.0)
    ceiling: float = knob(0.96, "highest chance of a right answer", 0.05, 1.0)
    learning_rate: float = knob(
        0.006, "logits that one group of mean |advantage| 1 adds to its arm", 0.0, 2.0
    )
    transfer: float = knob(
        0.8, "share of a gain that reaches the next level; its square two levels on", 0.0, 0.99
    )
    forgetting: float = knob(
        0.2, "logits a step that a solved arm without practice loses", 0.0, 5.0
    )
    memory: float = knob(3.8, "steps that a rehearsal protects an arm", 1.0, 200.0)
    heat: float = knob(0.5, "logits lost per unit of sampling temperature", 0.0, 5.0)


class Student:
    """The learner: chances of success, and what a step does to them.

    Answering, problem i of arm a, at temperature T::

        P(right) = ceiling * sigmoid(ability_a - difficulty_i - heat * (T - 1))
        difficulty_i = steepness * (level_a - edge) + spread * z_i,   z_i ~ N(0, 1) by the seed

    Learning, with s_a the sum of the mean \\|A\\| of the arm's groups (0 for equal rewards, largest
    near p = 1/2) and K_ab = transfer^\\|level_a - level_b\\| inside a task, 0 across tasks::

        ability_a += learning_rate * sum_b K_ab s_b - forgetting * p_a * exp(-r_a)
        r_a <- (1 - 1 / memory) r_a + min(1, prompts of a in this step)

    So an arm that every step shows is safe (r_a tends to `memory`); one that is left alone is safe
    for a while, then loses what it can do, the faster the more that is.
    """

    name: ClassVar[str] = "student"
    Parameters: ClassVar[type] = StudentParameters

    def __init__(self, catalog: Catalog, parameters: StudentParameters | None = None) -> None:
        p = check_parameters(Student, asdict(parameters or StudentParameters()))
        self.parameters, self.catalog = p, catalog
        self.levels = np.array([catalog.level(arm) for arm in catalog.arms])
        tasks = np.array([arm.rpartition("/")[0] for arm in catalog.arms])
        distance = np.abs(self.levels[:, None] - self.levels)
        self.kernel = np.where(tasks[:, None] == tasks, p.transfer**distance, 0.0)
        self.difficulty = p.steepness * (self.levels - p.edge)
        self.ability = np.zeros(len(tasks))
        self.rehearsal = np.full(len(tasks), p.memory)

    def chances(
        self, arms: np.ndarray, seeds: Sequence[int], temperature: float = 1.0
    ) -> np.ndarray:
        """The chance of a right answer to each problem, given by the index of its arm and its seed."""
        p = self.parameters
        gap = (self.ability - self.difficulty)[arms] - p.heat * (temperature - 1)
        if p.spread:
            levels = self.levels[arms].tolist()
            hashes = [derive_seed(*place) for place in zip(levels, seeds, strict=True)]
            gap = gap - p.spread * ndtri((np.array(hashes, dtype=float) + 0.5) / 2.0**63)
        return p.ceiling * expit(gap)

    def pass_rates(self, temperature: float = 1.0) -> np.ndarray:
        """The mean chance of a right answer on each arm, over all its problems."""
        return self.average(self.node_chances(temperature))

    def greedy_rates(self) -> np.ndarray:
        """The share of each arm's problems that greedy decoding solves.

        Greedy decoding is not a matter of luck: it solves what has a chance above one half at
        temperature 0.
        """
        p = self.parameters
        if p.ceiling <= 0.5:
            return np.zeros(len(self.ability))
        gap = self.ability - self.difficulty + p.heat - logit(0.5 / p.ceiling)
        return ndtr(gap / max(p.spread, 1e-9))

    @staticmethod
    def average(values: np.ndarray) -> np.ndarray:
        """The mean [arms] over the problems of each arm, of values at the nodes [arms, nodes]."""
        return values @ _WEIGHTS

    def node_chances(self, temperature: float = 1.0) -> np.ndarray:
        """Chances [arms, nodes] at the quadrature's nodes of the difficulty inside each arm."""
        p = self.parameters
        gap = self.ability - self.difficulty - p.heat * (temperature - 1)
        return p.ceiling * expit(gap[:, None] - p.spread * _NODES)

    def learn(self, signal: np.ndarray, prompts: np.ndarray) -> None:
        """One step: `signal` [arms] sums mean \\|A\\| over the arm's groups, `prompts` counts those."""
        p = self.parameters
        self.rehearsal = (1 - 1 / p.memory) * self.rehearsal + np.minimum(prompts, 1.0)
        lost = p.forgetting * self.pass_rates() * np.exp(-self.rehearsal)
        self.ability = self.ability + p.learning_rate * (self.kernel @ signal) - lost
