"""Orders that do not look at the learner: uniform, and strict easy-to-hard stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from currlab.curricula.core import ArmSelect
from currlab.curricula.data import Catalog, Clock
from currlab.curricula.registry import knob, register


@register
class Uniform(ArmSelect):
    """Every arm equally likely, for ever: the baseline of every comparison."""

    name: ClassVar[str] = "uniform"
    title: ClassVar[str] = "uniform over all arms"
    family: ClassVar[str] = "F01"

    def probabilities(self, clock: Clock) -> dict[str, float]:
        return dict.fromkeys(self.catalog.arms, 1 / len(self.catalog.arms))


@register
class EasyToHard(ArmSelect):
    """Strict stages: the budget is cut into one equal slice per level, easiest first.

    Stage t of K shows level ``min(floor(share * K), K - 1)`` and nothing else, so every earlier
    level is left unpractised (E2H "classic", arXiv 2506.06632). With several tasks, the arms of
    equal level share a stage.
    """

    name: ClassVar[str] = "easy_to_hard"
    title: ClassVar[str] = "easy to hard, one level at a time"
    family: ClassVar[str] = "F01"

    @dataclass(frozen=True)
    class Parameters:
        finish: float = knob(
            1.0, "share of the budget at which the last level's slice ends", 0.05, 1.0
        )

    def bind(self, catalog: Catalog) -> None:
        super().bind(catalog)
        self.levels = sorted({catalog.level(arm) for arm in catalog.arms})

    def level(self, clock: Clock) -> int:
        """The level of the current stage."""
        stage = int(clock.share / self.parameters.finish * len(self.levels) + 1e-9)
        return self.levels[min(stage, len(self.levels) - 1)]

    def probabilities(self, clock: Clock) -> dict[str, float]:
        now = self.level(clock)
        stage = [arm for arm in self.catalog.arms if self.catalog.level(arm) == now]
        return {arm: (arm in stage) / len(stage) for arm in self.catalog.arms}

    def observe(self, groups: Any, metrics: Any) -> None:
        if groups:
            self.memory["level"] = max(self.catalog.level(group.arm) for group in groups)

    def snapshot(self) -> dict[str, Any]:
        return {"level": self.memory["level"]} if "level" in self.memory else {}
