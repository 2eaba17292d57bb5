"""Success rates of items never asked, from those of similar ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.data import Catalog, Clock, Group, Pick
from currlab.curricula.registry import knob, register
from currlab.curricula.select.items import ItemSelect

ITERATIONS, TOLERANCE = 10, 1e-4


def propagate(
    kernel: np.ndarray, observed: np.ndarray, seen: np.ndarray, share: float
) -> np.ndarray:
    """Spread observed values [n] over a graph with row-normalised weights `kernel` [n, n].

    ``A <- a K A + (1 - a) A_observed``, at most 10 times or until nothing changes by 1e-4 (Wiki-R1,
    a = `share`). Where nothing was `seen` there is no observation: the line is then ``A <- K A``,
    and A starts at the mean of what was seen.
    """
    values = np.where(seen, observed, observed[seen].mean())
    for _ in range(ITERATIONS):
        spread = kernel @ values
        new = np.where(seen, share * spread + (1 - share) * observed, spread)
        settled = np.abs(new - values).max() < TOLERANCE
        values = new
        if settled:
            break
    return values


def level_kernel(tasks: Sequence[str], levels: Sequence[int], reach: float) -> np.ndarray:
    """Similarity of arms: ``exp(-|level - level'| / reach)`` inside a task, 0 across; rows sum to 1.

    An arm is no neighbour of its own, unless it has no other.
    """
    same = np.asarray(tasks)[:, None] == np.asarray(tasks)
    kernel = same * np.exp(-np.abs(np.subtract.outer(levels, levels)) / reach)
    np.fill_diagonal(kernel, 0.0)
    kernel += np.diag(kernel.sum(1) == 0).astype(float)
    return kernel / kernel.sum(1, keepdims=True)


@register
class LabelPropagation(ItemSelect):
    """Draw near one half, with the success rates of unseen items propagated from similar ones.

    An analogue of Wiki-R1's sampling curriculum (knowledge-based visual questions). Items that were
    asked keep a running pass rate; the others get theirs by `propagate`; an item is drawn with
    weight ``exp(-(rate - target)^2 / (2 width^2))``.

    What differs here: neighbours are the arms of the same task at near levels (there: 100 nearest
    neighbours in TF-IDF space), an unseen problem of an arm that was asked gets the arm's mean, and
    the width is ours.
    """

    name: ClassVar[str] = "label_propagation"
    title: ClassVar[str] = "success rates propagated to unseen items"
    papers: ClassVar[tuple[str, ...]] = ("Wiki-R1",)
    family: ClassVar[str] = "F02"
    state: ClassVar[str] = "analogue"

    @dataclass(frozen=True)
    class Parameters:
        target: float = knob(0.5, "success rate to aim at", 0.0, 1.0, paper=0.5)
        width: float = knob(0.2, "standard deviation of the window around the target", 0.02, 2.0)
        share: float = knob(
            0.8, "a: how much neighbours count against an observation", 0.0, 0.99, paper=0.8
        )
        reach: float = knob(1.0, "levels over which similarity falls to 1/e", 0.1, 20.0)
        learning_rate: float = knob(0.3, "weight of a new visit in an item's pass rate", 0.01, 1.0)

    def fresh_values(self) -> dict[str, np.ndarray]:
        # -1: never asked.
        return {"pass_rate": np.full(self.size, -1.0)}

    def bind(self, catalog: Catalog) -> None:
        super().bind(catalog)
        self.tasks = [arm.rpartition("/")[0] for arm in catalog.arms]

    def asked(self) -> np.ndarray:
        """The items that have a pass rate of their own."""
        return np.flatnonzero(self.values["pass_rate"] >= 0)

    def of_arms(self) -> np.ndarray:
        """The success rate to expect of an arm's unseen items, [arms]."""
        asked, count = self.asked(), len(self.tasks)
        arms, rates = asked // (self.pool or 1), self.values["pass_rate"][asked]
        if not len(asked):
            return np.full(count, self.parameters.target)
        visits = np.bincount(arms, minlength=count)
        seen = visits > 0
        observed = np.bincount(arms, rates, count) / np.maximum(visits, 1)
        kernel = level_kernel(self.tasks, self.arm_levels, self.parameters.reach)
        return np.where(seen, observed, propagate(kernel, observed, seen, self.parameters.share))

    def everywhere(self, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """`function` of every item's success rate: its own, its arm's, or propagated."""
        values = np.repeat(function(self.of_arms()), self.pool or 1)
        values[self.asked()] = function(self.values["pass_rate"][self.asked()])
        return values

    def estimates(self) -> np.ndarray:
        """The success rate of every item."""
        return self.everywhere(lambda rates: rates)

    def window(self, rates: np.ndarray) -> np.ndarray:
        """The weight of items with these success rates."""
        exponents = -((rates - self.parameters.target) ** 2) / (2 * self.parameters.width**2)
        # Far outside a narrow window weights are tiny, but not zero: something must be drawn.
        return np.exp(np.maximum(exponents, -700))

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        return self.draw(self.everywhere(self.window), n)

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        rate, alpha = self.values["pass_rate"], self.parameters.learning_rate
        for item, new, _ in zip(*self.evidence(groups), strict=True):
            rate[item] = new if rate[item] < 0 else (1 - alpha) * rate[item] + alpha * new

    def snapshot(self) -> dict[str, Any]:
        return {"pass_rate": self.by_arm(self.estimates())}
