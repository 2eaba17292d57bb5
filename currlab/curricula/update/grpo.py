"""The default update: group-relative advantages and the token-normalised clipped loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.core import Update
from currlab.curricula.data import Group
from currlab.curricula.registry import knob, register

# TRL adds the same constant, so both engines give the same advantages.
EPSILON = 1e-4


@register
class GRPO(Update):
    """Group Relative Policy Optimization: a rollout is as good as it beats its own group.

    ``A_i = (r_i - mean(r)) / (std(r) + 1e-4)``, std with n - 1 (arXiv 2402.03300, eq. 4; the "n - 1"
    is TRL's). With `scale` "none" the division is left out (Dr. GRPO, arXiv 2503.20783): |A| is then
    about half as large, and a bandit's temperature must follow. The loss is the clipped surrogate,
    averaged over all completion tokens of the batch (DAPO, arXiv 2503.14476).
    """

    name: ClassVar[str] = "grpo"
    title: ClassVar[str] = "GRPO"
    family: ClassVar[str] = "F13"

    @dataclass(frozen=True)
    class Parameters:
        scale: str = knob(
            "group", "divide by the group's standard deviation, or not", choices=["group", "none"]
        )

    def advantages(self, groups: Sequence[Group]) -> list[tuple[float, ...]]:
        return [self.group_advantages(group.rewards) for group in groups]

    def group_advantages(self, rewards: Sequence[float]) -> tuple[float, ...]:
        """The advantages of one group's rewards.

        >>> [round(a, 4) for a in GRPO().group_advantages((1.0, 0.0))]
        [0.707, -0.707]
        """
        r = np.asarray(rewards, dtype=float)
        centred = r - r.mean()
        # Equal rewards in floating point can leave a rest of 1e-17, which must not be blown up.
        if len(r) < 2 or np.ptp(r) <= 1e-12:
            return (0.0,) * len(r)
        if self.parameters.scale == "group":
            centred = centred / (r.std(ddof=1) + EPSILON)
        return tuple(centred.tolist())

    def trainer_settings(self) -> dict[str, Any]:
        return {"loss_type": "dapo", "scale_rewards": self.parameters.scale, "beta": 0.0}
