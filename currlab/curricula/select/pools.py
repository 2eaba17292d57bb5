"""Choosing by what became of a problem at its last visits: split it, retire it, bring it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.data import Clock, Group, Pick
from currlab.curricula.registry import knob, register
from currlab.curricula.select.items import ItemSelect, best, cycle
from currlab.errors import CurrlabError


@register
class DifficultySplit(ItemSelect):
    """Easy, medium and hard by recent pass rates, each class with its share of the batch.

    Inspired by CLPO (arXiv 2509.25004), which calls a problem hard up to a pass rate of .3, medium
    up to .7 and easy above, and lets the policy rewrite the hard and the medium ones; the rewriting
    belongs to the present dial. As a selector, the rule is ours: a class is drawn by its share, then
    an item of it uniformly. The pass rate is a running mean over visits; items never visited count
    as medium. The share of an empty class goes to the others.

    DAPO (arXiv 2503.14476) throws groups away that all or none solve, after paying for them. Its
    split, guessed beforehand: `hard_up_to` 0, `medium_up_to` .99, weights 0, 1 and 0.
    """

    name: ClassVar[str] = "difficulty_split"
    title: ClassVar[str] = "easy, medium, hard by recent pass rates"
    papers: ClassVar[tuple[str, ...]] = ("CLPO",)
    family: ClassVar[str] = "F02"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        hard_up_to: float = knob(0.3, "highest pass rate of a hard item", 0.0, 1.0, paper=0.3)
        medium_up_to: float = knob(0.7, "highest pass rate of a medium item", 0.0, 1.0, paper=0.7)
        easy: float = knob(0.1, "weight of the easy class", 0.0, 1.0)
        medium: float = knob(0.7, "weight of the medium class", 0.0, 1.0)
        hard: float = knob(0.2, "weight of the hard class", 0.0, 1.0)
        learning_rate: float = knob(0.5, "weight of a new visit in the pass rate", 0.01, 1.0)

    def fresh_values(self) -> dict[str, np.ndarray]:
        # -1: never visited.
        return {"pass_rate": np.full(self.size, -1.0)}

    def classes(self) -> np.ndarray:
        """0, 1 or 2 for hard, medium or easy items."""
        rate, p = self.values["pass_rate"], self.parameters
        split = (rate > p.hard_up_to).astype(np.int8) + (rate > p.medium_up_to)
        split[rate < 0] = 1
        return split

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        classes, p = self.classes(), self.parameters
        # A class of weight 0 is still drawn when nothing else is left.
        shares = np.maximum([p.hard, p.medium, p.easy], 1e-12)
        members = np.maximum(np.bincount(classes, minlength=3), 1)
        return self.draw((shares / members)[classes], n)

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        rate, alpha = self.values["pass_rate"], self.parameters.learning_rate
        for item, new, _ in zip(*self.evidence(groups), strict=True):
            rate[item] = new if rate[item] < 0 else (1 - alpha) * rate[item] + alpha * new

    def snapshot(self) -> dict[str, Any]:
        counts = np.bincount(self.classes(), minlength=3).tolist()
        return dict(zip(("hard_items", "medium_items", "easy_items"), counts, strict=True))


@register
class RewardPool(ItemSelect):
    """Retire what is mastered, keep probing it, and bring it back once it is forgotten.

    Pools of this kind usually retire problems for good; what the learner then forgets is never
    noticed. The rule here is ours. An item is retired after `visits` visits in a row with a pass rate
    of at least `retire_above`. A share `probe_share` of every batch goes to retired items, those
    that waited longest first, so none goes unchecked for more than (retired items) / (probes a step)
    steps. One visit with a pass rate below `return_below` brings an item back and starts its count
    anew. The gap between the two thresholds keeps items at the edge from flickering. Everything else
    is drawn uniformly from the active items; if there are none, all go to the longest waiting.

    Only verified success counts, never a reward. The probes are training groups, so they cost nothing
    beyond their share of the batch; most of them have zero advantage, which is the price of knowing.
    """

    name: ClassVar[str] = "reward_pool"
    title: ClassVar[str] = "retire mastered problems, bring forgotten ones back"
    family: ClassVar[str] = "F02"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        retire_above: float = knob(0.9, "pass rate that counts as mastered", 0.0, 1.0)
        visits: int = knob(3, "mastered visits in a row until an item is retired", 1, 1000)
        return_below: float = knob(0.6, "pass rate of a retired item that brings it back", 0.0, 1.0)
        probe_share: float = knob(0.1, "share of a batch that goes to retired items", 0.0, 1.0)

    def __init__(self, parameters: Any = None, seed: int = 0) -> None:
        super().__init__(parameters, seed)
        low, high = self.parameters.return_below, self.parameters.retire_above
        if low > high:
            raise CurrlabError(
                f"'return_below' must not be above 'retire_above'; got {low} and {high}."
            )

    def fresh_memory(self) -> dict[str, Any]:
        return {"returned": 0}

    def fresh_values(self) -> dict[str, np.ndarray]:
        zeros = np.zeros(self.size, dtype=int)
        # Mastered visits in a row; retired or not; the step of the last visit (-1: none).
        return {"streak": zeros.copy(), "retired": zeros.copy(), "last_visit": zeros - 1}

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        retired = np.flatnonzero(self.values["retired"])
        probes = int(self.rng.binomial(n, self.parameters.probe_share)) if len(retired) else 0
        if len(retired) == self.size:
            probes = n
        elif self.pool is not None:
            probes = min(probes, len(retired))
        active = 1.0 - self.values["retired"]
        return [self.pick(i) for i in self.longest_waiting(retired, probes)] + self.draw(
            active, n - probes
        )

    def longest_waiting(self, retired: np.ndarray, n: int) -> np.ndarray:
        """`n` of the retired items, those whose last visit is longest ago first."""
        if n == 0:
            return retired[:0]
        # One number a place in the queue: the last visit, and among equals the item.
        waited = -(self.values["last_visit"][retired] * self.size + retired)
        return cycle(retired[best(waited, n)], n)

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        p, values = self.parameters, self.values
        step = groups[0].step if groups else 0
        for item, rate, _ in zip(*self.evidence(groups), strict=True):
            values["last_visit"][item] = step
            if values["retired"][item] and rate < p.return_below:
                values["retired"][item] = values["streak"][item] = 0
                self.memory["returned"] += 1
            elif not values["retired"][item]:
                values["streak"][item] = values["streak"][item] + 1 if rate >= p.retire_above else 0
                values["retired"][item] = int(values["streak"][item] >= p.visits)

    def snapshot(self) -> dict[str, Any]:
        return {
            "retired_share": self.by_arm(self.values["retired"].astype(float)),
            "returned": self.memory["returned"],
        }
