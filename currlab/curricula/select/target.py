"""Draw the arms whose success rate is nearest a target: learning is fastest near one half."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.core import ArmSelect
from currlab.curricula.data import Catalog, Clock, Group
from currlab.curricula.registry import knob, register
from currlab.curricula.select.bandit import mean_by_arm


@register
class Target(ArmSelect):
    """A Gaussian window around a target success rate, over a running estimate of each arm's rate.

    The estimate is an exponential average of the share of *correct* rollouts, p_a; the weight of
    an arm is ``exp(-(p_a - target)^2 / (2 width^2))``, mixed with a small uniform `floor` so that
    no arm goes unmeasured. The idea is shared by PCL, BOTS and Wiki-R1, which estimate p in other
    ways; this formula is our own.
    """

    name: ClassVar[str] = "target"
    title: ClassVar[str] = "success rate nearest one half"
    family: ClassVar[str] = "F02"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        target: float = knob(0.5, "success rate to aim at", 0.0, 1.0)
        width: float = knob(0.2, "standard deviation of the window around the target", 0.02, 2.0)
        learning_rate: float = knob(
            0.3, "weight of a new batch in an arm's running success rate", 0.01, 1.0
        )
        floor: float = knob(0.05, "share of draws that is uniform over all arms", 0.0, 1.0)

    def fresh_memory(self) -> dict[str, Any]:
        return {"pass_rate": {}}

    def bind(self, catalog: Catalog) -> None:
        super().bind(catalog)
        # An arm never seen counts as on target, so that every arm is tried early.
        for arm in catalog.arms:
            self.memory["pass_rate"].setdefault(arm, self.parameters.target)

    def probabilities(self, clock: Clock) -> dict[str, float]:
        arms, p = self.catalog.arms, self.parameters
        gaps = np.array([self.memory["pass_rate"][arm] - p.target for arm in arms])
        # The smallest gap is subtracted so that a narrow window never underflows to all zeros.
        exponents = -(gaps**2) / (2 * p.width**2)
        weights = np.exp(exponents - exponents.max())
        chances = (1 - p.floor) * weights / weights.sum() + p.floor / len(arms)
        return dict(zip(arms, chances.tolist(), strict=True))

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        rates, alpha = self.memory["pass_rate"], self.parameters.learning_rate
        for arm, rate in mean_by_arm(groups, [group.correct for group in groups]).items():
            rates[arm] = (1 - alpha) * rates[arm] + alpha * rate

    def snapshot(self) -> dict[str, Any]:
        return {"pass_rate": dict(self.memory["pass_rate"])}
