"""Rewards made of parts: of a call, of a verdict and a soft score, of a checklist."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import eq
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.core import Reward
from currlab.curricula.data import Clock, Group, Policy, Rollout, Score
from currlab.curricula.registry import knob, register
from currlab.curricula.reward.grading import LONGEST, Judged, judge, overlap
from currlab.curricula.reward.schedules import measure
from currlab.tasks import Problem
from currlab.tasks.base import CLOSE

# Keeps the stretching of equal scores from dividing by zero.
EPSILON = 1e-6


@register
class ToolParts(Reward):
    """ToolRL's reward for a call, on an answer that is read as one: form, names, parameters.

        reward = form + largest (2 S / S_max - 1)

    form is 1 for exactly one answer block. S compares a call with the right one: how well the sets of
    names match (intersection over union, each counted as often as it occurs), then every parameter
    with its value; S_max is the most that S can be. An exact call has ``S = S_max``, an unreadable one
    ``S = 0``. (ToolRL, arXiv 2504.13958; `largest` 3; the sums from copies of its code.) A digit string
    is no call: here the characters are the names, and a parameter is the character of each place.
    """

    name: ClassVar[str] = "tool_parts"
    title: ClassVar[str] = "ToolRL: form, names, parameters"
    papers: ClassVar[tuple[str, ...]] = ("ToolRL",)
    family: ClassVar[str] = "F07"
    state: ClassVar[str] = "analogue"

    @dataclass(frozen=True)
    class Parameters:
        largest: float = knob(
            3.0, "reward of an exact call, without its form", 0.0, 10.0, paper=3.0
        )

    def matches(self, judged: Judged) -> tuple[float, float]:
        """How well the names match (0 to 1), and the share of the parameters that are right."""
        answer, wanted = judged.answer, judged.wanted
        if judged.right:
            return 1.0, 1.0
        if answer is None or len(answer) > LONGEST * max(1, len(wanted)):
            return 0.0, 0.0
        return overlap(answer, wanted), sum(map(eq, answer, wanted)) / max(1, len(wanted))

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        largest, scores = self.parameters.largest, []
        for judged in judge(problem, rollouts):
            names, values = self.matches(judged)
            size = len(judged.wanted)
            call = largest * (2 * (names + size * values) / (1 + size) - 1)
            form = float(judged.answer is not None)
            parts = {"form": form, "names": names, "parameters": values}
            scores.append(Score(form + call, judged.right, parts))
        return scores


@register
class Hero(Reward):
    """HERO: a soft score refines the verifier's verdict and can never overrule it.

    1. Every rollout has a verdict and a soft score s (in the paper a reward model's).
    2. Within the wrong ones s is stretched to [-alpha, alpha], within the right ones to
       [1 - beta, 1 + beta]: ``n = (s - min s) / (max s - min s + 1e-6)``.
    3. All rewards of the group are multiplied by a weight that grows with the spread of its scores,
       ``w_min + (w_max - w_min) / (1 + exp(-k (sigma - mean sigma)))``, sigma being the standard
       deviation of s in the group and its mean that of the groups of the last step.

    (HERO, arXiv 2510.07242, equations 3 to 5, known from two reproductions that agree.) Our soft score
    is the answer's closeness to the right one, less `brevity` times its length as a share of the
    longest in the group. The weight cancels where the update divides by the group's deviation: set its
    `scale` to "none" to see it.
    """

    name: ClassVar[str] = "hero"
    title: ClassVar[str] = "HERO: soft scores within the verdict"
    papers: ClassVar[tuple[str, ...]] = ("HERO",)
    family: ClassVar[str] = "F07"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        alpha: float = knob(0.05, "half the width of the band of the wrong", 0.0, 0.5, paper=0.05)
        beta: float = knob(0.05, "half the width of the band of the right", 0.0, 0.5, paper=0.05)
        lightest: float = knob(0.4, "least weight of a group", 0.0, 10.0, paper=0.4)
        heaviest: float = knob(3.0, "largest weight of a group", 0.0, 10.0, paper=3.0)
        steepness: float = knob(6.0, "how sharply weight follows spread", 0.0, 100.0, paper=6.0)
        measure: str = measure()
        brevity: float = knob(0.1, "what length costs in the soft score", 0.0, 1.0)

    def fresh_memory(self) -> dict[str, Any]:
        return {"spread": None}

    def soft(self, judged: Sequence[Judged], rollouts: Sequence[Rollout]) -> np.ndarray:
        """The soft scores, which know nothing of verdicts but through the closeness."""
        lengths = np.array([len(rollout.token_ids) for rollout in rollouts], dtype=float)
        close = np.array([j.closeness(self.parameters.measure) for j in judged])
        return close - self.parameters.brevity * lengths / max(1.0, lengths.max())

    def weight(self, spread: float) -> float:
        p, usual = self.parameters, self.memory["spread"]
        above = p.steepness * (spread - (spread if usual is None else usual))
        return p.lightest + (p.heaviest - p.lightest) / (1 + math.exp(-above))

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        if not rollouts:
            return []
        judged = judge(problem, rollouts)
        right, soft = np.array([j.right for j in judged]), self.soft(judged, rollouts)
        bands = np.zeros(len(soft))
        for stratum, centre, half in (
            (~right, 0.0, self.parameters.alpha),
            (right, 1.0, self.parameters.beta),
        ):
            if stratum.any():
                s = soft[stratum]
                stretched = (s - s.min()) / (np.ptp(s) + EPSILON)
                bands[stratum] = centre - half + 2 * half * stretched
        spread = float(soft.std())
        weight = self.weight(spread)
        return [
            Score(
                weight * float(b), j.right, {"soft": float(s), "weight": weight, "spread": spread}
            )
            for j, b, s in zip(judged, bands, soft, strict=True)
        ]

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        spreads = [g.rollouts[0].score.parts.get("spread") for g in groups]
        known = [spread for spread in spreads if spread is not None]
        if known:
            self.memory["spread"] = float(np.mean(known))

    def snapshot(self) -> dict[str, Any]:
        usual = self.memory["spread"]
        return {} if usual is None else {"spread of soft scores": usual}


def as_long(judged: Judged) -> bool:
    """Is the answer right, or at least as long as the right one?"""
    return judged.right or (judged.answer is not None and len(judged.answer) == len(judged.wanted))


# The items of the checklist: their weights (RaR's for essential, important, optional and pitfall),
# and what each asks of an answer and of the whole completion.
Check = Callable[[Judged, str], bool]
CHECKLIST: dict[str, tuple[float, Check]] = {
    "right": (1.0, lambda judged, text: judged.right),
    "one answer": (1.0, lambda judged, text: judged.answer is not None),
    "length": (0.7, lambda judged, text: as_long(judged)),
    "characters": (0.3, lambda judged, text: judged.closeness("overlap") == 1),
    "ends there": (0.9, lambda judged, text: text.rstrip().endswith(CLOSE)),
}


@register
class Rubric(Reward):
    """A checklist of weighted items, each judged yes or no.

    `rule` "weighted": ``sum of w_j c_j / sum of w_j`` (RaR, arXiv 2507.17746, explicit aggregation;
    weights 1 for an essential item, .7 important, .3 optional, .9 for a pitfall that was avoided).
    "all": 1 only if every item holds, which tells excellent from merely good (the aim of Chasing the
    Tail, arXiv 2509.21500). There a judge writes and checks the items for every prompt; here they are
    five checks by program, the same for all: right; exactly one answer; as long as the right one; of
    the same characters; nothing behind it.
    """

    name: ClassVar[str] = "rubric"
    title: ClassVar[str] = "a checklist"
    papers: ClassVar[tuple[str, ...]] = ("RaR", "RIFL", "Chasing the Tail")
    family: ClassVar[str] = "F07"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        rule: str = knob("weighted", "how items make a reward", choices=["weighted", "all"])

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        scores = []
        for rollout, judged in zip(rollouts, judge(problem, rollouts), strict=True):
            held = {n: float(check(judged, rollout.text)) for n, (_, check) in CHECKLIST.items()}
            if self.parameters.rule == "all":
                total = min(held.values())
            else:
                total = sum(w * held[n] for n, (w, _) in CHECKLIST.items())
                total /= sum(w for w, _ in CHECKLIST.values())
            scores.append(Score(total, judged.right, held))
        return scores
