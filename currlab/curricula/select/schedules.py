"""Schedules: the chance of each level as a function of the share of the budget, and nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from currlab.curricula.core import ArmSelect
from currlab.curricula.data import Catalog, Clock
from currlab.curricula.registry import knob, register
from currlab.curricula.select.static import EasyToHard


class LevelSchedule(ArmSelect):
    """Arms drawn by level: subclasses give the chance of each level, easiest first.

    With several tasks, arms of equal level share the level's chance equally.
    """

    def bind(self, catalog: Catalog) -> None:
        super().bind(catalog)
        self.level_of = [catalog.level(arm) for arm in catalog.arms]
        self.levels = sorted(set(self.level_of))

    def level_chances(self, share: float) -> np.ndarray:
        """Chances of the levels [K] once `share` of the budget is spent; sums to 1."""
        raise NotImplementedError

    def probabilities(self, clock: Clock) -> dict[str, float]:
        chances = dict(zip(self.levels, self.level_chances(clock.share).tolist(), strict=True))
        return {
            arm: chances[level] / self.level_of.count(level)
            for arm, level in zip(self.catalog.arms, self.level_of, strict=True)
        }


def one_level(k: int, levels: int) -> np.ndarray:
    """All weight on level index `k`, kept inside 0 .. levels - 1."""
    return np.eye(levels)[min(max(k, 0), levels - 1)]


def classic(share: float, levels: int) -> np.ndarray:
    """One level at a time: level index floor(share * K)."""
    return one_level(int(share * levels + 1e-9), levels)


def balanced(share: float, levels: int) -> np.ndarray:
    """Every level alike: 1 / K."""
    return np.full(levels, 1 / levels)


def cosine(share: float, levels: int) -> np.ndarray:
    """From weights that fall with the level to weights that rise with it, along half a cosine.

    ``early_i = 2 (K - i) / (K (K + 1))``, ``late_i = 2 (i + 1) / (K (K + 1))``, i = 0 .. K - 1,
    ``a = (1 + cos(pi share)) / 2``, ``p_i = a early_i + (1 - a) late_i``. The released code also
    raises p_i to at least 2 / (K (K + 1)), which these formulas never fall below.
    """
    i = np.arange(levels)
    norm = levels * (levels + 1) / 2
    a = 0.5 * (1 + math.cos(math.pi * share))
    return a * (levels - i) / norm + (1 - a) * (i + 1) / norm


def gaussian(
    share: float, levels: int, exponent: float, sigma: float, floor: bool = True
) -> np.ndarray:
    """A bell that moves from the easiest to the hardest level, above a floor.

    ``mu = share^exponent (K - 1)``, ``q_i`` proportional to ``exp(-(i - mu)^2 / (2 sigma^2))``,
    ``p_i = p_min + (1 - K p_min) q_i`` with ``p_min = 2 / (K (K + 1))``, or 0 without the floor.
    """
    mu = share**exponent * (levels - 1)
    bell = np.exp(-((np.arange(levels) - mu) ** 2) / (2 * sigma**2))
    lowest = 2 / (levels * (levels + 1)) if floor else 0.0
    return lowest + (1 - levels * lowest) * bell / bell.sum()


@register
class E2H(LevelSchedule):
    """E2H Reasoner: four schedules from easy to hard levels.

    Source: E2H (arXiv 2506.06632) and its released code; the formulas stand at `classic`,
    `balanced`, `cosine` and `gaussian` above, with t / T = share of the budget. What differs here:
    the released default of the Gaussian's floor (none) raises an error there; here it is on.
    """

    name: ClassVar[str] = "e2h"
    title: ClassVar[str] = "E2H: schedules from easy to hard"
    family: ClassVar[str] = "F01"

    @dataclass(frozen=True)
    class Parameters:
        schedule: str = knob(
            "gaussian",
            "how the chances move from easy to hard levels",
            choices=["classic", "balanced", "cosine", "gaussian"],
        )
        exponent: float = knob(
            0.5,
            "gaussian: below 1 the bell hurries at first, above 1 it lingers",
            0.1,
            5.0,
            paper=0.5,
        )
        sigma: float = knob(0.5, "gaussian: width of the bell, in levels", 0.1, 10.0, paper=0.5)
        floor: bool = knob(
            True, "gaussian: no level falls below 2 / (K (K + 1)); off means 0", paper=True
        )

    def level_chances(self, share: float) -> np.ndarray:
        p, k = self.parameters, len(self.levels)
        if p.schedule == "gaussian":
            return gaussian(share, k, p.exponent, p.sigma, p.floor)
        return {"classic": classic, "balanced": balanced, "cosine": cosine}[p.schedule](share, k)


@register
class HardToEasy(EasyToHard):
    """Strict stages from the hardest level down: the control that easy-to-hard is held against.

    Stage t of K shows level ``K - 1 - min(floor(share * K), K - 1)`` and nothing else. It is the
    reverse-sorted baseline of SEC (arXiv 2505.14970).
    """

    name: ClassVar[str] = "hard_to_easy"
    title: ClassVar[str] = "hard to easy, one level at a time"

    def bind(self, catalog: Catalog) -> None:
        super().bind(catalog)
        self.levels.reverse()


@register
class RAGRL(LevelSchedule):
    """RAG-RL: always the hardest level, one level after the other, or the easiest and then the hardest.

    Inspired by RAG-RL (arXiv 2503.12759), whose levels are numbers of distracting passages. Of K
    levels, with s the share of the budget: `max` shows K; `linear` shows ceil(K s), at least 1;
    `min_max` shows 1 while s <= 1/2 and then K. The definitions are ours in wording and detail.
    With `shuffled` every draw takes a random s: equal amounts of each level, no order.
    """

    name: ClassVar[str] = "rag_rl"
    title: ClassVar[str] = "RAG-RL: max, linear or min-max levels"
    papers: ClassVar[tuple[str, ...]] = ("RAG-RL",)
    family: ClassVar[str] = "F05"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        order: str = knob("linear", "which level is due when", choices=["max", "linear", "min_max"])
        shuffled: bool = knob(False, "the control: the same levels in random order")

    def level_chances(self, share: float) -> np.ndarray:
        if self.parameters.shuffled:
            return self._shuffled()
        k = len(self.levels)
        if self.parameters.order == "max":
            return one_level(k - 1, k)
        if self.parameters.order == "linear":
            return one_level(math.ceil(k * share - 1e-9) - 1, k)
        return one_level(0 if share <= 0.5 else k - 1, k)

    def _shuffled(self) -> np.ndarray:
        """The mean of the ordered chances over the whole budget."""
        k = len(self.levels)
        first, last = one_level(0, k), one_level(k - 1, k)
        return {"max": last, "linear": balanced(0, k), "min_max": (first + last) / 2}[
            self.parameters.order
        ]
