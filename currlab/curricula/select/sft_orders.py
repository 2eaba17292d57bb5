"""Orders of worked problems for the SFT warm-up: by difficulty, and by a vocabulary that grows.

Both choose without looking at the learner, so they serve `warm_up(select=...)` and GRPO alike.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.core import Select
from currlab.curricula.data import Clock, Pick
from currlab.curricula.registry import knob, register
from currlab.curricula.select.items import FRESH_SEEDS, ItemSelect, window
from currlab.curricula.select.orders import PLACES_PER_ARM, arrange

# Problems of each arm that are read to count characters, and draws until one fits the vocabulary.
PROBLEMS_READ, DRAWS = 64, 16


@register
class EasyToHardImitation(ItemSelect):
    """Worked problems sorted from easy to hard, gone through once.

    Source: iTool (arXiv 2501.09766), whose warm-up imitates tool calls from easy to hard. Only the
    idea is known to us; our formula: a stable sort by level of a shuffled pool, one pass over it
    stretched over the budget. Where problems are fresh, every arm has equally many places.
    """

    name: ClassVar[str] = "itool"
    title: ClassVar[str] = "easy-to-hard imitation"
    papers: ClassVar[tuple[str, ...]] = ("iTool",)
    family: ClassVar[str] = "F01"
    state: ClassVar[str] = "inspired"

    def pool_size(self) -> int:
        return self.catalog.pool or PLACES_PER_ARM

    def pick(self, item: int) -> Pick:
        pick = super().pick(item)
        return pick if self.catalog.pool else Pick(pick.arm)

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        if "order" not in self.values:
            same = np.zeros(self.size)
            order = arrange("curriculum_strict", same, self.levels, self.rng)
            self.values["order"] = order
        return [self.pick(item) for item in window(self.values["order"], clock.share, n)]


@register
class GrowingVocabulary(Select):
    """Problems written with the commonest characters first; the vocabulary grows until it is whole.

    Source: the vocabulary curriculum of CLIMB (Curriculum Learning for Infant-inspired Model
    Building), which orders the words of a small model's pre-training from simple to hard. Only the
    idea is known to us; our formula: characters of prompts and worked answers are ranked by the
    number of problems that hold them; at share t of the budget the first
    ``ceil(V (start + (1 - start) min(1, t / finish)))`` of V are known; a problem is drawn uniformly
    over arms until all of its characters are known, at most 16 times, and then the one with the
    fewest unknown characters is taken.
    """

    name: ClassVar[str] = "climb"
    title: ClassVar[str] = "growing vocabulary"
    papers: ClassVar[tuple[str, ...]] = ("CLIMB",)
    family: ClassVar[str] = "F01"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        start: float = knob(0.5, "share of the vocabulary that is known at first", 0.0, 1.0)
        finish: float = knob(0.5, "share of the budget after which all is known", 0.01, 1.0)

    def fresh_memory(self) -> dict[str, Any]:
        return {"ranked": [], "known": 0}

    def characters(self, arm: str, seed: int) -> set[str]:
        """What has to be read and written to solve a problem."""
        problem = self.catalog.problem(arm, seed)
        return set(problem.prompt + self.catalog.worked(problem, False))

    def ranked(self) -> list[str]:
        """All characters, the commonest first; equally common ones in the order of their codes."""
        counts: Counter[str] = Counter()
        for arm in self.catalog.arms:
            for seed in range(min(PROBLEMS_READ, self.catalog.pool or PROBLEMS_READ)):
                counts.update(self.characters(arm, seed))
        return sorted(counts, key=lambda character: (-counts[character], character))

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        if not self.memory["ranked"]:
            self.memory["ranked"] = self.ranked()
        start, grown = self.parameters.start, min(1.0, clock.share / self.parameters.finish)
        ranked = self.memory["ranked"]
        # The small number heals products such as 10 * 0.7 = 7.000...1.
        self.memory["known"] = math.ceil(len(ranked) * (start + (1 - start) * grown) - 1e-9)
        unknown = set(ranked[self.memory["known"] :])
        return [self._draw(unknown) for _ in range(n)]

    def _draw(self, unknown: set[str]) -> Pick:
        best, fewest = None, math.inf
        for _ in range(DRAWS):
            arm = self.catalog.arms[self.rng.integers(len(self.catalog.arms))]
            seed = int(self.rng.integers(self.catalog.pool or FRESH_SEEDS))
            strange = len(self.characters(arm, seed) & unknown)
            if strange < fewest:
                best, fewest = Pick(arm, seed), strange
            if not strange:
                break
        return best

    def snapshot(self) -> dict[str, Any]:
        return {"known characters": self.memory["known"]}
