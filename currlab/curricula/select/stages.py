"""Stages: the levels cut into a few blocks, taught one block after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.core import ArmSelect
from currlab.curricula.data import Catalog, Clock, Group, Pick
from currlab.curricula.registry import knob, register
from currlab.curricula.select.items import ItemSelect


def stage_of_level(levels: Sequence[int], stages: int) -> dict[int, int]:
    """The stage (0, 1, ...) of every different level, in nearly equal blocks, easiest first."""
    blocks = np.array_split(sorted(set(levels)), min(stages, len(set(levels))))
    return {int(level): number for number, block in enumerate(blocks) for level in block}


@register
class Stages(ArmSelect):
    """A few stages from easy to hard; the next begins by the budget or once this one is learnt.

    Inspired by SARI, Trading-R1 and CRAFT-GUI, which train in such stages; their abstracts give
    no rule, so this one is ours. The levels are cut into `stages` blocks; stage k draws uniformly
    from the arms of block k and from nothing else. `advance` "share": stage ``floor(share * S)``.
    "pass_rate": the next stage begins once the mean pass rate of the last `window` groups of this
    stage reaches `threshold`; a stage that is hopeless is then never left.
    """

    name: ClassVar[str] = "stages"
    title: ClassVar[str] = "stages, by budget or by pass rate"
    papers: ClassVar[tuple[str, ...]] = ("SARI", "Trading-R1", "CRAFT-GUI")
    family: ClassVar[str] = "F01"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        # Three in Trading-R1.
        stages: int = knob(3, "number of stages", 1, 20, paper=3)
        advance: str = knob(
            "pass_rate", "what begins the next stage", choices=["share", "pass_rate"]
        )
        threshold: float = knob(0.7, "mean pass rate at which a stage is learnt", 0.0, 1.0)
        window: int = knob(64, "groups that this mean is taken over", 1, 10_000)

    def fresh_memory(self) -> dict[str, Any]:
        return {"stage": 0, "recent": []}

    def bind(self, catalog: Catalog) -> None:
        super().bind(catalog)
        self.levels = [catalog.level(arm) for arm in catalog.arms]

    def stage_of_arm(self) -> dict[str, int]:
        stage = stage_of_level(self.levels, self.parameters.stages)
        return {
            arm: stage[level] for arm, level in zip(self.catalog.arms, self.levels, strict=True)
        }

    def stage(self, clock: Clock) -> int:
        """The stage that is being taught."""
        last = max(self.stage_of_arm().values())
        if self.parameters.advance == "pass_rate":
            return min(self.memory["stage"], last)
        return min(int(clock.share * (last + 1) + 1e-9), last)

    def probabilities(self, clock: Clock) -> dict[str, float]:
        of_arm, now = self.stage_of_arm(), self.stage(clock)
        members = sum(stage == now for stage in of_arm.values())
        return {arm: (stage == now) / members for arm, stage in of_arm.items()}

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        of_arm, memory = self.stage_of_arm(), self.memory
        if self.parameters.advance == "share":
            # Remembered, so that a change of rule in mid-run goes on from the present stage.
            memory["stage"] = max([memory["stage"], *(of_arm.get(g.arm, 0) for g in groups)])
            return
        now = min(memory["stage"], max(of_arm.values()))
        rates = [g.pass_rate for g in groups if of_arm.get(g.arm) == now and not g.hinted]
        memory["recent"] = (memory["recent"] + rates)[-self.parameters.window :]
        enough = len(memory["recent"]) == self.parameters.window
        if enough and np.mean(memory["recent"]) >= self.parameters.threshold:
            memory["stage"], memory["recent"] = now + 1, []

    def snapshot(self) -> dict[str, Any]:
        recent = self.memory["recent"]
        shot = {"stage": self.memory["stage"]}
        return shot | ({"stage_pass_rate": float(np.mean(recent))} if recent else {})


@register
class Retrospective(ItemSelect):
    """Stages by budget, with a share of every batch taken from the hardest of what was seen before.

    Inspired by QwenLong-L1 (arXiv 2505.17667): phases of growing context length, each phase with
    its own lengths, and problems of low mean reward carried over from the phases before. Here the
    phases are blocks of levels. Our formula: a carried item of pass rate p (its last visit) is
    drawn with weight ``1.05 - p``, so that mastered ones return rarely and none is lost.
    """

    name: ClassVar[str] = "retrospective"
    title: ClassVar[str] = "stages that carry the hardest along"
    papers: ClassVar[tuple[str, ...]] = ("QwenLong-L1",)
    family: ClassVar[str] = "F05"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        stages: int = knob(2, "number of stages, of equal shares of the budget", 1, 20, paper=2)
        carried: float = knob(0.25, "share of a batch that comes from earlier stages", 0.0, 1.0)

    def fresh_values(self) -> dict[str, np.ndarray]:
        # -1: never visited.
        return {"pass_rate": np.full(self.size, -1.0)}

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        blocks = stage_of_level(self.arm_levels, self.parameters.stages)
        last = max(blocks.values())
        now = min(int(clock.share * (last + 1) + 1e-9), last)
        stage, rate = np.array([blocks[v] for v in self.arm_levels]), self.values["pass_rate"]
        seen_before = np.repeat(stage < now, self.pool or 1) & (rate >= 0)
        old = int(self.rng.binomial(n, self.parameters.carried)) if seen_before.any() else 0
        if self.pool is not None:
            old = min(old, int(seen_before.sum()))
        current = np.repeat((stage == now).astype(float), self.pool or 1)
        carried = np.where(seen_before, 1.05 - rate, 0.0)
        return self.draw(carried, old) + self.draw(current, n - old)

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        items, rates, _ = self.evidence(groups)
        self.values["pass_rate"][items] = rates

    def snapshot(self) -> dict[str, Any]:
        seen = np.maximum(self.values["pass_rate"], 0.0)
        return {"pass_rate": self.by_arm(seen)}
