"""Budgets that follow what rollouts show: more for the undecided, hotter when all agree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.core import Plan
from currlab.curricula.data import Clock, Group, Pick
from currlab.curricula.registry import knob, register
from currlab.curricula.sample.fixed import FixedGroup


@register
class ReinforceAda(FixedGroup):
    """Reinforce-Ada: go on sampling a problem until rights and wrongs are both there.

    Rounds of `size` rollouts, `rounds` of them at most. A problem is finished once its rollouts hold

    - balanced: at least keep/2 positive and keep/2 negative ones,
    - positive: at least one positive one,

    positive meaning a reward above `threshold`. Of all its rollouts `keep` are trained on, half of
    each kind, filled up from the other side where one is short; a problem that never finishes keeps
    what it has. The baseline is the mean over *all* its rollouts: set the update dial's `scale` to
    "none", as the paper does (Reinforce-Ada, arXiv 2510.04996, algorithm 1; constants from its code).
    """

    name: ClassVar[str] = "reinforce_ada"
    title: ClassVar[str] = "Reinforce-Ada: until rights and wrongs are there"
    papers: ClassVar[tuple[str, ...]] = ("Reinforce-Ada",)
    family: ClassVar[str] = "F02"

    @dataclass(frozen=True)
    class Parameters(FixedGroup.Parameters):
        rounds: int = knob(4, "rounds of rollouts a problem at most", 1, 8, paper=4)
        keep: int = knob(4, "rollouts of a problem that are trained on", 2, 64, paper=4)
        stop: str = knob("balanced", "when a problem is finished", choices=["balanced", "positive"])
        threshold: float = knob(
            0.7, "reward above which a rollout is positive", 0.0, 1.0, paper=0.7
        )

    def fresh_memory(self) -> dict[str, Any]:
        return {"finished": 0.0, "rollouts": float(self.parameters.size)}

    @property
    def max_rounds(self) -> int:
        return self.parameters.rounds - 1

    def after(self, groups: Sequence[Group], clock: Clock) -> tuple[list[Group], list[Pick]]:
        finished = [self._finished(self._positive(group)) for group in groups]
        self.memory = {
            "finished": float(np.mean(finished)) if finished else 0.0,
            "rollouts": sum(len(g.rollouts) for g in groups) / max(1, len(groups)),
        }
        more = [
            replace(group.pick, rollouts=self.parameters.size, parent=i, merge=True)
            for i, (group, done) in enumerate(zip(groups, finished, strict=True))
            if not done
        ]
        return [self._chosen(group) for group in groups], more

    def _positive(self, group: Group) -> list[bool]:
        return [reward > self.parameters.threshold for reward in group.rewards]

    def _finished(self, positive: Sequence[bool]) -> bool:
        hits = sum(positive)
        if self.parameters.stop == "positive":
            return hits >= 1
        half = self.parameters.keep // 2
        return hits >= half and len(positive) - hits >= half

    def _chosen(self, group: Group) -> Group:
        """Flags on the `keep` rollouts that are trained on, the earliest of each kind."""
        positive = self._positive(group)
        rights = [i for i, hit in enumerate(positive) if hit]
        wrongs = [i for i, hit in enumerate(positive) if not hit]
        keep = self.parameters.keep
        n_right = min(len(rights), max(keep // 2, keep - len(wrongs)))
        kept = {*rights[:n_right], *wrongs[: keep - n_right]}
        flagged = (replace(r, kept=i in kept) for i, r in enumerate(group.rollouts))
        return replace(group, rollouts=tuple(flagged))

    def snapshot(self) -> dict[str, Any]:
        return {
            "share of problems finished": self.memory["finished"],
            "rollouts a problem": self.memory["rollouts"],
        }


@register
class UncertaintyBudget(FixedGroup):
    """The same number of rollouts as ever, but more of them where the outcome is open.

    The variance of a group's mean is p (1 - p) / n. For a fixed total it is smallest, summed over
    problems, when n is in proportion to sqrt(p (1 - p)) (Neyman's allocation, 1934). p is estimated
    for every arm from all rollouts so far, older ones weighing less by `decay` a step, with one
    imagined right and one wrong answer at the start. Every problem gets at least `least` rollouts.
    """

    name: ClassVar[str] = "uncertainty_budget"
    title: ClassVar[str] = "more rollouts where the outcome is open"
    family: ClassVar[str] = "F02"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters(FixedGroup.Parameters):
        least: int = knob(2, "rollouts that every problem gets", 2, 64)
        decay: float = knob(0.9, "weight of the past in every step", 0.0, 1.0)

    def fresh_memory(self) -> dict[str, Any]:
        return {"right": {}, "tries": {}}

    def plan(self, picks: Sequence[Pick], clock: Clock) -> Plan:
        open_ = [pick for pick in picks if pick.rollouts is None]
        rest = iter(self._shares([pick.arm for pick in open_]))
        sizes = tuple(pick.rollouts or next(rest) for pick in picks)
        return Plan(sizes, self.parameters.temperature)

    def _shares(self, arms: Sequence[str]) -> list[int]:
        """size x problems rollouts, handed out in whole numbers by largest remainder."""
        size = self.parameters.size
        least = min(self.parameters.least, size)
        spread = np.sqrt([self.rate(arm) * (1 - self.rate(arm)) for arm in arms])
        ideal = least + (size - least) * len(arms) * spread / spread.sum() if arms else spread
        whole = np.floor(ideal).astype(int)
        missing = size * len(arms) - whole.sum()
        whole[np.argsort(whole - ideal, kind="stable")[:missing]] += 1
        return whole.tolist()

    def rate(self, arm: str) -> float:
        """The believed pass rate of an arm, never 0 or 1."""
        return (self.memory["right"].get(arm, 0.0) + 1) / (self.memory["tries"].get(arm, 0.0) + 2)

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        if not groups:
            return
        for counts in self.memory.values():
            for arm in counts:
                counts[arm] *= self.parameters.decay
        for group in groups:
            if not group.hinted:
                for name, count in (("right", sum(group.correct)), ("tries", len(group.correct))):
                    self.memory[name][group.arm] = self.memory[name].get(group.arm, 0.0) + count

    def snapshot(self) -> dict[str, Any]:
        return {"believed pass rate": {arm: self.rate(arm) for arm in self.memory["tries"]}}


@register
class EntropyTemperature(FixedGroup):
    """Hotter when the policy grows sure of itself, cooler when it grows wild.

    ``T <- T exp(gain (target - H) / target)`` after every step, within [lowest, highest], with H the
    mean token entropy of the step's rollouts. The paper finds that the temperature should keep the
    entropy in a middle range (AceReason-Nemotron 1.1, arXiv 2506.13284, names about 0.3 for its
    temperature-adjusted entropy); the controller is ours, and H here is that at temperature 1.
    """

    name: ClassVar[str] = "entropy_temperature"
    title: ClassVar[str] = "temperature that holds an entropy"
    papers: ClassVar[tuple[str, ...]] = ("AceReason-Nemotron 1.1",)
    family: ClassVar[str] = "F12"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters(FixedGroup.Parameters):
        target: float = knob(0.3, "mean token entropy to hold, in nats", 0.01, 3.0)
        gain: float = knob(0.1, "how strongly one step's gap moves the temperature", 0.0, 1.0)
        lowest: float = knob(0.5, "lowest temperature", 0.05, 3.0)
        highest: float = knob(1.5, "highest temperature", 0.05, 3.0)

    def fresh_memory(self) -> dict[str, Any]:
        return {"temperature": None, "entropy": None}

    def temperature(self) -> float:
        """The next step's; at first the one that is set."""
        now = self.memory["temperature"]
        return self.parameters.temperature if now is None else now

    def plan(self, picks: Sequence[Pick], clock: Clock) -> Plan:
        return replace(super().plan(picks, clock), temperature=self.temperature())

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        entropies = [rollout.entropy for group in groups for rollout in group.rollouts]
        if not entropies:
            return
        p, entropy = self.parameters, float(np.mean(entropies))
        moved = self.temperature() * math.exp(p.gain * (p.target - entropy) / p.target)
        top = max(p.lowest, p.highest)
        self.memory = {"temperature": min(max(moved, p.lowest), top), "entropy": entropy}

    def snapshot(self) -> dict[str, Any]:
        known = {"entropy": self.memory["entropy"], "temperature": self.temperature()}
        return {name: value for name, value in known.items() if value is not None}
