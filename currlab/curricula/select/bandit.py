"""Bandits over arms: the value of an arm is how much its last batches moved the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.core import ArmSelect
from currlab.curricula.data import Catalog, Clock, Group
from currlab.curricula.registry import knob, register


def mean_by_arm(groups: Sequence[Group], values: Sequence[Sequence[float]]) -> dict[str, float]:
    """The mean of one value per rollout over all rollouts of each arm that occurs."""
    pooled: dict[str, list[float]] = {}
    for group, row in zip(groups, values, strict=True):
        pooled.setdefault(group.arm, []).extend(row)
    return {arm: float(np.mean(row)) for arm, row in pooled.items()}


def softmax(values: Sequence[float], temperature: float) -> np.ndarray:
    """exp(v / temperature), normalised; shifted by the maximum so that it never overflows."""
    scaled = np.asarray(values, dtype=float) / temperature
    weights = np.exp(scaled - scaled.max())
    return weights / weights.sum()


@register
class SEC(ArmSelect):
    r"""Self-Evolving Curriculum: TD(0) on what each arm's last batch was worth, then a draw.

    Source: SEC (arXiv 2505.14970) and its released code. For every arm a in the batch, with g_a the
    mean of \|A\| over its rollouts:  ``Q_a <- (1 - alpha) Q_a + alpha g_a``;  the next arms are drawn
    from ``softmax(Q / tau)``. The released code also updates absent arms with g = 0
    (`decay_absent`); the paper's text does not say that, and neither is the default here. The paper
    ran alpha .5 with tau 1.0, .4 and .2; the defaults here suit the lead example.

    The released code's variants. `policy` "epsilon_greedy": the best arm, but with probability
    epsilon any arm; "normalised": in proportion to ``max(Q_a, .01)``. `objective` "unscaled": g_a is
    the mean ``|r - mean(r)|``, whatever the update does; "progress": the change of the arm's mean
    success since its last batch (0 at its first).

    What differs here: progress is measured on the pass rate and not on the reward, so that no bonus
    can pose as progress; arms of equal value share the greedy draw.
    """

    name: ClassVar[str] = "sec"
    title: ClassVar[str] = "SEC: a bandit on absolute advantages"
    papers: ClassVar[tuple[str, ...]] = ("SEC",)
    family: ClassVar[str] = "F02"

    @dataclass(frozen=True)
    class Parameters:
        temperature: float = knob(
            0.15, "softmax temperature tau: low is greedy, high is uniform", 0.01, 10.0, paper=1.0
        )
        learning_rate: float = knob(
            0.3, "TD(0) step size alpha: how fast old evidence fades", 0.01, 1.0, paper=0.5
        )
        decay_absent: bool = knob(
            False,
            "update arms that were not sampled with g = 0 (the released code does)",
            paper=True,
        )
        policy: str = knob(
            "softmax",
            "how arms are drawn from their values",
            choices=["softmax", "epsilon_greedy", "normalised"],
            paper="softmax",
        )
        epsilon: float = knob(0.1, "epsilon_greedy: share of random draws", 0.0, 1.0, paper=0.1)
        objective: str = knob(
            "advantage",
            "what an arm is paid for",
            choices=["advantage", "unscaled", "progress"],
            paper="advantage",
        )

    def fresh_memory(self) -> dict[str, Any]:
        return {"Q": {}, "pass_rate": {}}

    def bind(self, catalog: Catalog) -> None:
        super().bind(catalog)
        for arm in catalog.arms:
            self.memory["Q"].setdefault(arm, 0.0)

    def probabilities(self, clock: Clock) -> dict[str, float]:
        values = np.array([self.memory["Q"][arm] for arm in self.catalog.arms])
        if self.parameters.policy == "softmax":
            chances = softmax(values, self.parameters.temperature)
        elif self.parameters.policy == "normalised":
            chances = np.maximum(values, 0.01) / np.maximum(values, 0.01).sum()
        else:
            greedy, epsilon = values == values.max(), self.parameters.epsilon
            chances = (1 - epsilon) * greedy / greedy.sum() + epsilon / len(values)
        return dict(zip(self.catalog.arms, chances.tolist(), strict=True))

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        if not groups:
            return
        gains, values, alpha = self.gains(groups), self.memory["Q"], self.parameters.learning_rate
        for arm in self.catalog.arms:
            if arm in gains or self.parameters.decay_absent:
                values[arm] = (1 - alpha) * values[arm] + alpha * gains.get(arm, 0.0)

    def gains(self, groups: Sequence[Group]) -> dict[str, float]:
        """g_a of every arm in the batch."""
        if self.parameters.objective == "advantage":
            return mean_by_arm(groups, [np.abs(group.advantages or (0.0,)) for group in groups])
        if self.parameters.objective == "unscaled":
            return mean_by_arm(
                groups, [np.abs(np.array(g.rewards) - np.mean(g.rewards)) for g in groups]
            )
        unaided = [group for group in groups if not group.hinted]
        now = mean_by_arm(unaided, [group.correct for group in unaided])
        last = self.memory["pass_rate"]
        gains = {arm: rate - last.get(arm, rate) for arm, rate in now.items()}
        last.update(now)
        return gains

    def snapshot(self) -> dict[str, Any]:
        return {"Q": dict(self.memory["Q"])}


@register
class DUMP(ArmSelect):
    """DUMP: an upper confidence bound on the mean absolute advantage of each distribution.

    Source: DUMP (arXiv 2504.09710) and its released code. For every distribution j: mu_j = mean
    \\|A\\| over its last `window` rollouts, n_j = all its rollouts so far, N = sum of n_j,
    ``UCB_j = mu_j + sqrt(2 ln(N + 1) / (n_j + 1))``; draws from ``softmax(UCB / temperature)``.

    What differs here: a distribution is an arm (task and level). The released code also fed
    validation rewards to this update as if they were advantages; that leak is left out. `count`
    "prompts" makes n_j count groups: at small scale the bonus of rollouts is gone in a few steps.
    """

    name: ClassVar[str] = "dump"
    title: ClassVar[str] = "DUMP: an upper confidence bound on advantages"
    papers: ClassVar[tuple[str, ...]] = ("DUMP",)
    family: ClassVar[str] = "F02"

    @dataclass(frozen=True)
    class Parameters:
        window: int = knob(
            300, "rollouts of an arm that its mean is taken over", 1, 100_000, paper=300
        )
        temperature: float = knob(0.1, "softmax temperature", 0.01, 10.0, paper=0.1)
        count: str = knob(
            "rollouts",
            "what n_j counts: slower counting means longer exploration",
            choices=["rollouts", "prompts"],
            paper="rollouts",
        )

    def fresh_memory(self) -> dict[str, Any]:
        return {"window": {}, "n": {}}

    def bind(self, catalog: Catalog) -> None:
        super().bind(catalog)
        for arm in catalog.arms:
            self.memory["window"].setdefault(arm, [])
            self.memory["n"].setdefault(arm, 0)

    def bounds(self) -> dict[str, float]:
        """The upper confidence bound of every arm."""
        total = sum(self.memory["n"].values())
        return {
            arm: float(np.mean(self.memory["window"][arm] or [0.0]))
            + float(np.sqrt(2 * np.log(total + 1) / (self.memory["n"][arm] + 1)))
            for arm in self.catalog.arms
        }

    def probabilities(self, clock: Clock) -> dict[str, float]:
        chances = softmax(list(self.bounds().values()), self.parameters.temperature)
        return dict(zip(self.catalog.arms, chances.tolist(), strict=True))

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        for group in groups:
            if group.arm not in self.memory["n"]:
                continue
            sizes = np.abs(group.advantages or ()).tolist()
            window = self.memory["window"][group.arm] + sizes
            self.memory["window"][group.arm] = window[-self.parameters.window :]
            self.memory["n"][group.arm] += len(sizes) if self.parameters.count == "rollouts" else 1

    def snapshot(self) -> dict[str, Any]:
        means = {arm: float(np.mean(rows or [0.0])) for arm, rows in self.memory["window"].items()}
        return {"mean_advantage": means, "upper_bound": self.bounds()}
