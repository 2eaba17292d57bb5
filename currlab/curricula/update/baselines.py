"""Other advantages under the common loss: each rollout against the others, or bundles against risk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.core import Update
from currlab.curricula.data import Group
from currlab.curricula.registry import knob, register
from currlab.curricula.update.grpo import EPSILON


@register
class LeaveOneOut(Update):
    """A rollout's baseline is the mean reward of the others of its group.

    ``A_i = r_i - sum_{j != i} r_j / (n - 1)``, which is ``n / (n - 1)`` times GRPO's advantage without the
    division by the deviation (REINFORCE leave-one-out). The baseline does not depend on the rollout,
    so that the gradient has no bias; it is the common clipped loss that uses the advantages, not the
    whole-answer policy gradient of the method's first paper.
    """

    name: ClassVar[str] = "rloo"
    title: ClassVar[str] = "leave-one-out baseline"
    family: ClassVar[str] = "F13"

    def advantages(self, groups: Sequence[Group]) -> list[tuple[float, ...]]:
        return [self.group_advantages(group.rewards) for group in groups]

    def group_advantages(self, rewards: Sequence[float]) -> tuple[float, ...]:
        """The advantages of one group's rewards.

        >>> LeaveOneOut().group_advantages((1.0, 0.0, 0.0))
        (1.0, -0.5, -0.5)
        """
        r = np.asarray(rewards, dtype=float)
        # Equal rewards in floating point can leave a rest of 1e-17, which would be trained on.
        if len(r) < 2 or np.ptp(r) <= 1e-12:
            return (0.0,) * len(r)
        return tuple(((len(r) * r - r.sum()) / (len(r) - 1)).tolist())


@register
class RiskPO(Update):
    """Risk in place of the mean: the low end of the scores of whole bundles of problems counts most.

    `bundle` problems make a bundle, and their j-th rollouts the bundle's j-th paper, with the sum of
    their rewards as score s. With q_l and q_h the quantiles of the scores at `low` and `high`:

    middle    ``M = (max(s - q_l, 0) - max(s - q_h, 0) + q_l - q_h) / (high - low)``
    low end   ``C = -max(q_l - s, 0) / low``

    ``A = (w C + M) / (w + 1)`` with w 1.5, divided by the deviation, is given to all rollouts of the
    paper (RiskPO, arXiv 2510.00911, and its code: bundles of 5, quantiles 0.2 and 0.8, or 0.9 on easy
    data; each is the mean of the step's and of a tracked one, which follows by gradient steps of 0.1).
    All advantages are 0 or negative: bad papers are pushed away, good ones left alone.

    Ours where the source leaves it open: the step's quantiles are over all of its papers; the tracked ones
    start at the first step's and take one step along the mean quantile loss a training step; the score
    of a bundle that is not full is scaled up to a full one's; groups of other sizes are bundled apart;
    without any deviation the advantages are 0.
    """

    name: ClassVar[str] = "risk_po"
    title: ClassVar[str] = "RiskPO: risk over bundles"
    papers: ClassVar[tuple[str, ...]] = ("RiskPO",)
    family: ClassVar[str] = "F13"

    @dataclass(frozen=True)
    class Parameters:
        bundle: int = knob(5, "problems in a bundle", 1, 1000, paper=5)
        low: float = knob(0.2, "level of the lower quantile", 0.01, 0.49, paper=0.2)
        high: float = knob(0.8, "level of the upper quantile", 0.5, 0.99, paper=0.8)
        risk: float = knob(1.5, "weight of the low end", 0.0, 100.0, paper=1.5)
        rate: float = knob(0.1, "step of the tracked quantiles", 0.0, 10.0, paper=0.1)

    def fresh_memory(self) -> dict[str, Any]:
        return {"quantiles": None}

    @property
    def levels(self) -> np.ndarray:
        return np.array([self.parameters.low, self.parameters.high])

    def bundles(self, groups: Sequence[Group]) -> list[list[int]]:
        """The places of the groups of each bundle: neighbours of equal size."""
        size, made = self.parameters.bundle, []
        order = sorted(range(len(groups)), key=lambda i: len(groups[i].rollouts))
        for _, alike in groupby(order, key=lambda i: len(groups[i].rollouts)):
            places = list(alike)
            made += [places[start : start + size] for start in range(0, len(places), size)]
        return made

    def scores(self, groups: Sequence[Group]) -> list[np.ndarray]:
        """For each bundle the scores of its papers."""
        size = self.parameters.bundle
        return [
            size * np.mean([groups[i].rewards for i in b], axis=0) for b in self.bundles(groups)
        ]

    def quantiles(self, scores: np.ndarray) -> np.ndarray:
        """The two quantiles that a step is judged by."""
        now = np.quantile(scores, self.levels)
        tracked = self.memory["quantiles"]
        return now if tracked is None else (now + np.array(tracked)) / 2

    def risk(self, scores: np.ndarray, low: float, high: float) -> np.ndarray:
        """A of each paper, not yet divided by the deviation, given the two quantiles."""
        p = self.parameters
        above_low, above_high = np.maximum(scores - low, 0), np.maximum(scores - high, 0)
        middle = (above_low - above_high + low - high) / (p.high - p.low)
        tail = -np.maximum(low - scores, 0) / p.low
        return (p.risk * tail + middle) / (p.risk + 1)

    def advantages(self, groups: Sequence[Group]) -> list[tuple[float, ...]]:
        if not groups:
            return []
        scores = self.scores(groups)
        every = np.concatenate(scores)
        quantiles = self.quantiles(every)
        spread = self.risk(every, *quantiles).std()
        rows: list[tuple[float, ...]] = [(0.0,) * len(group.rollouts) for group in groups]
        if spread <= 1e-12:
            return rows
        for places, papers in zip(self.bundles(groups), scores, strict=True):
            given = tuple((self.risk(papers, *quantiles) / (spread + EPSILON)).tolist())
            for place in places:
                rows[place] = given
        return rows

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        """Move the tracked quantiles along ``level - share of scores below``."""
        if not groups:
            return
        scores = np.concatenate(self.scores(groups))
        tracked = self.memory["quantiles"]
        moved = np.quantile(scores, self.levels)
        if tracked is not None:
            below = (scores[:, None] < np.array(tracked)).mean(axis=0)
            moved = np.array(tracked) + self.parameters.rate * (self.levels - below)
        self.memory["quantiles"] = moved.tolist()

    def snapshot(self) -> dict[str, Any]:
        low, high = self.memory["quantiles"] or (0.0, 0.0)
        return {"lower quantile": low, "upper quantile": high}
