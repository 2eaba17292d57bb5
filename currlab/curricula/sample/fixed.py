"""The default rollout budget: the same number for every problem, one temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from currlab.curricula.core import Plan, Sample
from currlab.curricula.data import Clock, Pick
from currlab.curricula.registry import knob, register


@register
class FixedGroup(Sample):
    """`size` rollouts a problem at one temperature; a pick's own wish (`rollouts`) comes first."""

    name: ClassVar[str] = "fixed_group"
    title: ClassVar[str] = "equal groups"

    @dataclass(frozen=True)
    class Parameters:
        size: int = knob(8, "rollouts per problem (the group of GRPO)", 2, 256)
        temperature: float = knob(1.0, "sampling temperature; 0 would be greedy", 0.05, 3.0)

    def plan(self, picks: Sequence[Pick], clock: Clock) -> Plan:
        sizes = tuple(pick.rollouts or self.parameters.size for pick in picks)
        return Plan(sizes, self.parameters.temperature)
