"""Each problem has a rung of its own, and climbs when it is solved there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.core import Select
from currlab.curricula.data import Catalog, Clock, Group, Pick
from currlab.curricula.ladder import promoted
from currlab.curricula.registry import knob, register
from currlab.curricula.select.items import cycle, problems_per_arm


@register
class Promotion(Select):
    """A ladder for every problem: one rung up as soon as it is solved often enough, never down.

    Inspired by Cog-DRIFT (arXiv 2604.04767), whose rungs are answer formats of one question, from
    four choices to the open form (`present.formats.CogDrift`). As a selector, the rungs are ours: the
    levels of a task, the problem with seed s of each level being the rungs of ladder s. The rule is
    the released code's:

    1. Every ladder starts on its easiest rung; batches are uniform over ladders.
    2. After each visit, its mean goes into a window of the ladder's last visits.
    3. If the window is full and its mean is above the threshold, the ladder moves up for good, and
       its window is cleared. The last rung is never left.

    The mean is that of verified successes, not of rewards: a bonus for the format would count
    towards promotion.
    """

    name: ClassVar[str] = "promotion"
    title: ClassVar[str] = "promotion, problem by problem"
    family: ClassVar[str] = "F03"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        threshold: float = knob(0.5, "mean success that must be exceeded", 0.0, 1.0, paper=0.5)
        window: int = knob(1, "visits that the mean is taken over", 1, 100, paper=1)
        problems_per_arm: int = problems_per_arm()

    def fresh_memory(self) -> dict[str, Any]:
        # The rung of every ladder; the visits of the ladders that wait for promotion.
        return {"rungs": [], "visits": {}}

    def bind(self, catalog: Catalog) -> None:
        super().bind(catalog)
        self.pool = catalog.pool or self.parameters.problems_per_arm
        by_task: dict[str, list[str]] = {}
        for arm in sorted(catalog.arms, key=catalog.level):
            by_task.setdefault(arm.rpartition("/")[0], []).append(arm)
        self.ladders = list(by_task.values())
        # Where each arm stands: its ladder's number and its rung.
        self._place = {
            arm: (number, rung)
            for number, arms in enumerate(self.ladders)
            for rung, arm in enumerate(arms)
        }
        if not self.memory["rungs"]:
            self.memory["rungs"] = [0] * (len(self.ladders) * self.pool)

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        order = self.rng.permutation(len(self.memory["rungs"]))
        return [self._pick(int(problem)) for problem in cycle(order, n)]

    def _pick(self, problem: int) -> Pick:
        arms = self.ladders[problem // self.pool]
        return Pick(arms[self.memory["rungs"][problem]], problem % self.pool)

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        for group in groups:
            number, rung = self._place.get(group.problem.arm, (0, -1))
            problem = number * self.pool + group.problem.seed
            seen = rung >= 0 and 0 <= group.problem.seed < self.pool and not group.hinted
            if not seen or self.memory["rungs"][problem] != rung:
                continue
            learnt, self.memory["visits"][str(problem)] = promoted(
                self.memory["visits"].get(str(problem), []),
                group.pass_rate,
                self.parameters.window,
                self.parameters.threshold,
            )
            if learnt:
                self.memory["rungs"][problem] = min(rung + 1, len(self.ladders[number]) - 1)

    def snapshot(self) -> dict[str, Any]:
        """The share of a task's ladders that stand on each arm."""
        standing = {}
        rungs = np.reshape(self.memory["rungs"], (len(self.ladders), self.pool))
        for arms, row in zip(self.ladders, rungs, strict=True):
            counts = np.bincount(row, minlength=len(arms)) / self.pool
            standing |= dict(zip(arms, counts.tolist(), strict=True))
        return {"standing": {arm: standing[arm] for arm in self.catalog.arms}}
