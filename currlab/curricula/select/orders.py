"""Orders of a data set by category and difficulty, as people are taught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.data import Clock, Pick
from currlab.curricula.registry import knob, register
from currlab.curricula.select.items import ItemSelect, window

ORDERS = [
    "random",
    "curriculum_strict",
    "curriculum_emh",
    "blocked",
    "blocked_curriculum",
    "blocked_emh",
    "interleaved",
    "interleaved_curriculum",
    "interleaved_emh",
]
PARTS = 3
# With fresh problems the order is laid over this many places of each arm.
PLACES_PER_ARM = 64


def thirds(difficulty: np.ndarray) -> np.ndarray:
    """0, 1 or 2 for easy, medium or hard: the different difficulties cut in three."""
    values, index = np.unique(difficulty, return_inverse=True)
    return index * PARTS // len(values)


def arrange(
    order: str, category: Sequence[int], difficulty: Sequence[float], rng: np.random.Generator
) -> np.ndarray:
    """A permutation of the items: which is taught first, second, ...

    Items are shuffled at first, and every sort is stable: what an order leaves open is random.

    >>> arrange("blocked_curriculum", [0, 1, 0, 1], [2, 1, 1, 2], np.random.default_rng(0)).tolist()
    [2, 0, 1, 3]
    """
    shuffled = rng.permutation(len(category))
    category, difficulty = np.asarray(category)[shuffled], np.asarray(difficulty)[shuffled]
    structure, _, inner = order.partition("_")
    # The rank of an item inside its category (or inside everything): 0 means shuffled.
    rank = np.zeros(len(category))
    if inner:
        rank = thirds(difficulty) if inner == "emh" else difficulty
    if structure in ("random", "curriculum"):
        return shuffled[np.argsort(rank, kind="stable")]
    by_category = np.lexsort((rank, category))
    if structure == "blocked":
        return shuffled[by_category]
    part = rank if inner == "emh" else _parts(category, by_category)
    return shuffled[np.lexsort((rank, category, part))]


def _parts(category: np.ndarray, by_category: np.ndarray) -> np.ndarray:
    """For each item, which third of its category it falls into when taken in the order given."""
    part = np.empty(len(category), dtype=int)
    for one in np.unique(category):
        members = by_category[category[by_category] == one]
        for number, piece in enumerate(np.array_split(members, PARTS)):
            part[piece] = number
    return part


@register
class HumanInspired(ItemSelect):
    """Nine orders in which people are taught: blocked, interleaved, easy first, and their crossings.

    Source: Human-inspired strategies (arXiv 2408.07888) and its released code. The category is the
    task, the difficulty is the level. `curriculum`: by difficulty; `emh`: three bins (easy, medium,
    hard), shuffled inside; `blocked`: category after category; `interleaved`: every category cut in
    three parts, all first parts, then all second parts, then all third parts.

    What differs here: one pass over the order is stretched over the budget, whatever the pool's
    size; the bins are thirds of the levels (there: two thresholds of a rated difficulty). Where
    problems are fresh, the order is laid over equally many places of each arm.
    """

    name: ClassVar[str] = "human_inspired"
    title: ClassVar[str] = "human-inspired orders"
    papers: ClassVar[tuple[str, ...]] = ("Human-inspired strategies",)
    family: ClassVar[str] = "F01"

    @dataclass(frozen=True)
    class Parameters:
        order: str = knob("interleaved", "how problems follow each other", choices=ORDERS)

    def pool_size(self) -> int:
        return self.catalog.pool or PLACES_PER_ARM

    def fresh_memory(self) -> dict[str, Any]:
        return {"arranged": None}

    def _arrange(self) -> None:
        """Lay the order out, at the start and whenever another order is asked for."""
        tasks = [arm.rpartition("/")[0] for arm in self.catalog.arms]
        first_seen = list(dict.fromkeys(tasks))
        category = np.repeat([first_seen.index(task) for task in tasks], self.pool)
        self.values["order"] = arrange(self.parameters.order, category, self.levels, self.rng)
        self.memory["arranged"] = self.parameters.order

    def pick(self, item: int) -> Pick:
        pick = super().pick(item)
        return pick if self.catalog.pool else Pick(pick.arm)

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        if self.memory["arranged"] != self.parameters.order:
            self._arrange()
        return [self.pick(i) for i in window(self.values["order"], clock.share, n)]
