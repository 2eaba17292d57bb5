"""Adaptive difficulty: the next block of problems is sorted anew by what the learner can do now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.data import Clock, Pick, Policy
from currlab.curricula.registry import knob, register
from currlab.curricula.select.items import PoolSelect, ask, problems_per_arm, window


@register
class ADCL(PoolSelect):
    """Adaptive difficulty curriculum: sorted blocks, each re-sorted just before it is trained on.

    Source: ADCL (arXiv 2505.08364).
    1. Estimate the difficulty of all problems with the initial model; sort from easy to hard.
    2. Cut the order into K blocks; problems never move between blocks.
    3. Train on block 1. Before every later block, estimate the difficulty of that block only with
       the current model, and sort inside it. Repeat.

    What differs here: difficulty is 1 - pass rate over `rollouts` probes of each problem, because the
    paper's score and number of blocks are not known to us; block i takes the i-th of K equal shares
    of the budget. `initial` "level" trusts the task's own levels in step 1, which costs no tokens.
    """

    name: ClassVar[str] = "adcl"
    title: ClassVar[str] = "ADCL: blocks re-sorted as the learner changes"
    papers: ClassVar[tuple[str, ...]] = ("ADCL + EGSR",)
    family: ClassVar[str] = "F02"

    @dataclass(frozen=True)
    class Parameters:
        blocks: int = knob(5, "number of blocks K", 1, 100)
        rollouts: int = knob(4, "probe rollouts of each problem", 1, 64)
        initial: str = knob(
            "probe", "what the first sort goes by", choices=["probe", "level"], paper="probe"
        )
        problems_per_arm: int = problems_per_arm()

    def fresh_memory(self) -> dict[str, Any]:
        # Blocks sorted by a probe so far, and problems probed in all.
        return {"sorted_blocks": 0, "probed": 0}

    def fresh_values(self) -> dict[str, np.ndarray]:
        shuffled = self.rng.permutation(self.size)
        return {"order": shuffled[np.argsort(self.levels[shuffled], kind="stable")]}

    def block(self, clock: Clock) -> tuple[int, np.ndarray, float]:
        """The block that is due: its number from 0, its items (a view), the share of it done."""
        blocks = np.array_split(self.values["order"], min(self.parameters.blocks, self.size))
        number = min(int(clock.share * len(blocks) + 1e-9), len(blocks) - 1)
        return number, blocks[number], clock.share * len(blocks) - number

    def probe(self, policy: Policy, clock: Clock) -> None:
        if self.memory["sorted_blocks"] == 0:
            if self.parameters.initial == "probe":
                self.values["order"] = self._sorted(policy, self.values["order"])
            self.memory["sorted_blocks"] = 1
        number, block, _ = self.block(clock)
        if number >= self.memory["sorted_blocks"]:
            block[:] = self._sorted(policy, block)
            self.memory["sorted_blocks"] = number + 1

    def _sorted(self, policy: Policy, items: np.ndarray) -> np.ndarray:
        """The items from easy to hard for the current policy; ties stay as they were."""
        problems = [self.problem(item) for item in items]
        solved, _ = ask(policy, problems, self.parameters.rollouts, self.rng)
        self.memory["probed"] += len(items)
        return items[np.argsort(-solved.mean(1), kind="stable")]

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        _, block, done = self.block(clock)
        return [self.pick(item) for item in window(block, done, n)]

    def snapshot(self) -> dict[str, Any]:
        return {"problems_probed": self.memory["probed"]}
