"""A value model that predicts, from the prompt alone, how often the policy will succeed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from currlab.curricula.data import Catalog, Clock, Group, Pick
from currlab.curricula.registry import knob, register
from currlab.curricula.select.items import FRESH_SEEDS, ItemSelect
from currlab.tasks import Problem

# Problems of each arm whose prompt lengths set the scale of the length feature.
SAMPLES_FOR_SCALE = 4


@register
class PCL(ItemSelect):
    """Prompt curriculum learning: of many candidates, keep those whose value is nearest the target.

    Source: PCL (arXiv 2510.01135).
    1. Draw k m candidate prompts uniformly.
    2. One forward pass of the value model: V(x), the predicted success of the current policy.
    3. Keep the m prompts with the smallest ``|V(x) - tau|``.
    4. Roll out and update the policy.
    5. Regression on the same rollouts: minimise ``sum_i (V(x_i) - pass rate_i)^2``. V lags one step.

    What differs here: the paper's V is a language model; this one is logistic,
    ``V(x) = sigmoid(w . phi(x))``, with phi = (1, one-hot of the arm, standardised prompt length), and
    step 5 is one pass of gradient steps, problem by problem. It costs no tokens. The paper also has
    its own policy update (no division by the deviation): that is the update dial's `scale`.
    """

    name: ClassVar[str] = "pcl"
    title: ClassVar[str] = "PCL: a value model picks intermediate prompts"
    papers: ClassVar[tuple[str, ...]] = ("PCL",)
    family: ClassVar[str] = "F02"

    @dataclass(frozen=True)
    class Parameters:
        target: float = knob(0.5, "tau: predicted success to aim at", 0.0, 1.0, paper=0.5)
        candidates: int = knob(4, "k: candidates for each prompt that is kept", 1, 64, paper=4)
        learning_rate: float = knob(1.0, "step size of the value model's regression", 0.001, 2.0)

    def fresh_memory(self) -> dict[str, Any]:
        return {"weights": None}

    def bind(self, catalog: Catalog) -> None:
        super().bind(catalog)
        lengths = [
            len(catalog.problem(arm, seed).prompt)
            for arm in catalog.arms
            for seed in range(min(SAMPLES_FOR_SCALE, self.pool or SAMPLES_FOR_SCALE))
        ]
        # Equal lengths would divide by zero.
        self._mean_length, self._length_scale = np.mean(lengths), np.std(lengths) or 1.0
        if self.memory["weights"] is None:
            self.memory["weights"] = [0.0] * (len(catalog.arms) + 2)

    def features(self, problems: Sequence[Problem]) -> np.ndarray:
        """phi [problems, arms + 2]: bias, one-hot of the arm, standardised prompt length."""
        phi = np.zeros((len(problems), len(self.catalog.arms) + 2))
        phi[:, 0] = 1.0
        arms = [self._arm_index[problem.arm] for problem in problems]
        phi[np.arange(len(problems)), 1 + np.array(arms, dtype=int)] = 1.0
        lengths = np.array([len(problem.prompt) for problem in problems])
        phi[:, -1] = (lengths - self._mean_length) / self._length_scale
        return phi

    def values_of(self, problems: Sequence[Problem]) -> np.ndarray:
        """V(x), the predicted success rate of each problem."""
        return expit(self.features(problems) @ np.array(self.memory["weights"]))

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        candidates = self._candidates(n * self.parameters.candidates)
        problems = [self.catalog.problem(pick.arm, pick.seed) for pick in candidates]
        gaps = np.abs(self.values_of(problems) - self.parameters.target)
        # The candidates are in random order, so a stable sort breaks ties at random.
        nearest = np.argsort(gaps, kind="stable")[:n]
        return [candidates[i] for i in nearest]

    def _candidates(self, count: int) -> list[Pick]:
        """Uniform problems: of the pool, different ones as far as it reaches; else fresh ones."""
        if self.pool is not None:
            repeats = -(-count // self.size)
            items = np.concatenate(
                [self.rng.permutation(self.size) for _ in range(repeats - 1)]
                + [self.rng.choice(self.size, count - (repeats - 1) * self.size, replace=False)]
            )
            return [self.pick(item) for item in items]
        arms = self.rng.integers(len(self.catalog.arms), size=count)
        seeds = self.rng.integers(FRESH_SEEDS, size=count)
        return [Pick(self.catalog.arms[a], int(s)) for a, s in zip(arms, seeds, strict=True)]

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        known = [g for g in groups if not g.hinted and g.problem.arm in self._arm_index]
        weights = np.array(self.memory["weights"])
        for phi, group in zip(self.features([g.problem for g in known]), known, strict=True):
            value = expit(phi @ weights)
            slope = 2 * (value - group.pass_rate) * value * (1 - value)
            weights = weights - self.parameters.learning_rate * slope * phi
        self.memory["weights"] = weights.tolist()

    def snapshot(self) -> dict[str, Any]:
        problems = [self.catalog.problem(arm, 0) for arm in self.catalog.arms]
        return {
            "value": dict(zip(self.catalog.arms, self.values_of(problems).tolist(), strict=True))
        }
