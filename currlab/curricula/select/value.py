"""A value model that predicts, from the prompt alone, how often the policy will succeed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from currlab.curricula.data import Catalog, Clock, Group, Pick, Policy
from currlab.curricula.registry import knob, register
from currlab.curricula.select.items import ItemSelect
from currlab.errors import CurrlabError
from currlab.tasks import Key, Problem

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
    ``V(x) = sigmoid(w . phi(x))``, and step 5 is one pass of gradient steps, problem by problem.
    `reads` says what phi is. "prompt": (1, one-hot of the arm, standardised prompt length), which
    costs no tokens. "hidden": (1, h / |h|) with h the policy's own hidden state of the prompt's last
    token, detached, which costs a forward pass of every candidate. The paper also has its own policy
    update (no division by the deviation): that is the update dial's `scale`.
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
        reads: str = knob(
            "prompt", "what the value model reads: features or states", choices=["prompt", "hidden"]
        )

    def __init__(self, parameters: Any = None, seed: int = 0) -> None:
        super().__init__(parameters, seed)
        # The learner, and phi of the problems that wait for their outcomes: both are new each step.
        self._policy: Policy | None = None
        self._waiting: dict[Key, np.ndarray] = {}

    def fresh_memory(self) -> dict[str, Any]:
        return {"weights": None, "value": {}}

    def bind(self, catalog: Catalog) -> None:
        super().bind(catalog)
        lengths = [
            len(catalog.problem(arm, seed).prompt)
            for arm in catalog.arms
            for seed in range(min(SAMPLES_FOR_SCALE, self.pool or SAMPLES_FOR_SCALE))
        ]
        # Equal lengths would divide by zero.
        self._mean_length, self._length_scale = np.mean(lengths), np.std(lengths) or 1.0

    def probe(self, policy: Policy, clock: Clock) -> None:
        if self.parameters.reads == "hidden" and not hasattr(policy, "hidden"):
            raise CurrlabError(
                "PCL with reads='hidden' needs a learner that has hidden states, and this one has "
                "none; use reads='prompt'."
            )
        self._policy = policy

    def features(self, problems: Sequence[Problem]) -> np.ndarray:
        """phi(x) of every problem, [problems, features]."""
        if self.parameters.reads == "prompt" or not problems:
            return self._of_prompts(problems)
        unread = [problem for problem in problems if problem.key not in self._waiting]
        rows = self._of_states(unread) if unread else []
        phi = self._waiting | dict(zip([p.key for p in unread], rows, strict=True))
        return np.array([phi[problem.key] for problem in problems])

    def _of_states(self, problems: Sequence[Problem]) -> np.ndarray:
        """[problems, 1 + hidden size]: bias, the last layer's state scaled to length 1."""
        if self._policy is None:
            raise CurrlabError(
                "PCL with reads='hidden' must `probe` the learner before it chooses."
            )
        states = self._policy.hidden([problem.prompt for problem in problems])[:, -1]
        unit = states / np.linalg.norm(states, axis=1, keepdims=True)
        return np.column_stack([np.ones(len(unit)), unit])

    def _weights(self, phi: np.ndarray) -> np.ndarray:
        """The weights, all 0 at first: one for each column of phi."""
        known = self.memory["weights"]
        return np.zeros(phi.shape[1]) if known is None else np.array(known)

    def _of_prompts(self, problems: Sequence[Problem]) -> np.ndarray:
        """[problems, arms + 2]: bias, one-hot of the arm, standardised prompt length."""
        phi = np.zeros((len(problems), len(self.catalog.arms) + 2))
        phi[:, 0] = 1.0
        arms = [self._arm_index[problem.arm] for problem in problems]
        phi[np.arange(len(problems)), 1 + np.array(arms, dtype=int)] = 1.0
        lengths = np.array([len(problem.prompt) for problem in problems])
        phi[:, -1] = (lengths - self._mean_length) / self._length_scale
        return phi

    def values_of(self, problems: Sequence[Problem]) -> np.ndarray:
        """V(x), the predicted success rate of each problem."""
        phi = self.features(problems)
        return expit(phi @ self._weights(phi))

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        candidates = self.candidates(n * self.parameters.candidates)
        problems = [self.catalog.problem(pick.arm, pick.seed) for pick in candidates]
        self._waiting = {}
        phi = self.features(problems)
        values = expit(phi @ self._weights(phi))
        # The candidates are in random order, so a stable sort breaks ties at random.
        nearest = np.argsort(np.abs(values - self.parameters.target), kind="stable")[:n]
        if self.parameters.reads == "hidden":
            self._waiting = {problems[i].key: phi[i] for i in nearest}
            self.memory["value"] = {
                arm: float(
                    np.mean([v for v, p in zip(values, problems, strict=True) if p.arm == arm])
                )
                for arm in dict.fromkeys(p.arm for p in problems)
            }
        return [candidates[i] for i in nearest]

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        known = [g for g in groups if not g.hinted and g.problem.arm in self._arm_index]
        phis = self.features([group.problem for group in known])
        weights = self._weights(phis)
        for phi, group in zip(phis, known, strict=True):
            value = expit(phi @ weights)
            slope = 2 * (value - group.pass_rate) * value * (1 - value)
            weights = weights - self.parameters.learning_rate * slope * phi
        if known:
            self.memory["weights"] = weights.tolist()

    def snapshot(self) -> dict[str, Any]:
        """V of each arm's first problem; read from states, the mean of the last candidates."""
        if self.parameters.reads == "hidden":
            return {"value": dict(self.memory["value"])}
        problems = [self.catalog.problem(arm, 0) for arm in self.catalog.arms]
        return {
            "value": dict(zip(self.catalog.arms, self.values_of(problems).tolist(), strict=True))
        }
