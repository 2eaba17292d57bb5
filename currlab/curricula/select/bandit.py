"""Bandits over arms: the value of an arm is how much its last batches moved the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.core import ArmSelect, Catalog, Clock, Group
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
    """Self-Evolving Curriculum: TD(0) on the mean absolute advantage of each arm, then softmax.

    Source: SEC (arXiv 2505.14970) and its released code. For every arm a in the batch, with g_a the
    mean of \\|A\\| over its rollouts:  ``Q_a <- (1 - alpha) Q_a + alpha g_a``;  the next arms are drawn
    from ``softmax(Q / tau)``. The released code also updates absent arms with g = 0
    (`decay_absent`); the paper's text does not say that, and neither is the default here.

    The paper ran alpha .5 with tau 1.0, .4 and .2; the defaults here suit the lead example.
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

    def fresh_memory(self) -> dict[str, Any]:
        return {"Q": {}}

    def bind(self, catalog: Catalog) -> None:
        super().bind(catalog)
        for arm in catalog.arms:
            self.memory["Q"].setdefault(arm, 0.0)

    def probabilities(self, clock: Clock) -> dict[str, float]:
        values = [self.memory["Q"][arm] for arm in self.catalog.arms]
        chances = softmax(values, self.parameters.temperature)
        return dict(zip(self.catalog.arms, chances.tolist(), strict=True))

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        if not groups:
            return
        gains = mean_by_arm(groups, [np.abs(group.advantages or (0.0,)) for group in groups])
        alpha, values = self.parameters.learning_rate, self.memory["Q"]
        for arm in self.catalog.arms:
            if arm in gains or self.parameters.decay_absent:
                values[arm] = (1 - alpha) * values[arm] + alpha * gains.get(arm, 0.0)

    def snapshot(self) -> dict[str, Any]:
        return {"Q": dict(self.memory["Q"])}
