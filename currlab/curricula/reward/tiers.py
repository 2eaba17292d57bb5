"""Rewards by tiers of tests: the same problems all the time, and the tests that count change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from currlab.curricula.core import Reward
from currlab.curricula.data import Clock, Group, Policy, Rollout, Score
from currlab.curricula.registry import knob, register
from currlab.curricula.reward.grading import checks, judge
from currlab.tasks import Problem, extract_answer, get_task
from currlab.tasks.program_tests import TIERS, passed_all

# Shares of the budget at which the next stage begins.
CUTS = (0.2, 0.4, 0.6)
EASY_FIRST = (TIERS[:1], TIERS[:2], TIERS[:3], TIERS)
HARD_FIRST = (TIERS[2:3], TIERS[2:], TIERS[1:], TIERS)


@dataclass(frozen=True)
class Schedule:
    """The weight of each tier, from basic to edge, and the tiers that count in each stage."""

    weights: tuple[float, float, float, float]
    stages: tuple[tuple[str, ...], ...]

    def at(self, share: float) -> dict[str, float]:
        """The weights of the tiers that count once `share` of the budget is spent.

        >>> PORTFOLIO["uni"].at(0.2)
        {'basic': 0.25, 'intermediate': 0.25}
        """
        stage = min(sum(share >= cut for cut in CUTS), len(self.stages) - 1)
        weights = dict(zip(TIERS, self.weights, strict=True))
        return {tier: weights[tier] for tier in self.stages[stage]}


def only(tier: str) -> Schedule:
    return Schedule((1.0, 1.0, 1.0, 1.0), ((tier,),))


PORTFOLIO = {
    "uni": Schedule((0.25, 0.25, 0.25, 0.25), EASY_FIRST),
    "var": Schedule((0.35, 0.35, 0.15, 0.15), EASY_FIRST),
    "var_asce_normal": Schedule((0.15, 0.15, 0.35, 0.35), EASY_FIRST),
    "var_asce_rev": Schedule((0.15, 0.15, 0.35, 0.35), HARD_FIRST),
    "basic_only": only("basic"),
    "complex_only": only("complex"),
    "edge_only": only("edge"),
}


def tier_results(problem: Problem, rollouts: Sequence[Rollout]) -> list[dict[str, float]]:
    """The share of each tier that each rollout passes; all of them exactly if it is verified.

    Tiers are those of the task's tests. A task without tests, and a view that asks for an answer of
    its own, have the four `grading.checks` of one answer instead, which are ours.
    """
    run = getattr(get_task(problem.task), "tier_results_all", None)
    if run and all(rollout.view.answer is None for rollout in rollouts):
        return run(problem, [rollout.text for rollout in rollouts])
    found = []
    for judged in judge(problem, rollouts):
        if judged.right or judged.answer is None:
            found.append(dict.fromkeys(TIERS, float(judged.right)))
        else:
            found.append(checks(judged.answer, judged.wanted))
    return found


class Tiered(Reward):
    """What rewards by tiers share: the weighted sum over the tiers that count now, and the form.

        reward = sum over tiers t that count of weight_t * share of t's tests passed
                 + format * (the completion holds exactly one answer)

    With `normalised` the sum is divided by the weights that count, so that its scale stays.
    """

    @dataclass(frozen=True)
    class Parameters:
        normalised: bool = knob(False, "divide by the weights of the tiers that count", paper=False)
        format: float = knob(1.0, "reward for an answer in the asked form", 0.0, 10.0, paper=1.0)

    def weights(self, clock: Clock) -> dict[str, float]:
        """The weights of the tiers that count now."""
        raise NotImplementedError

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        p, weights, scores = self.parameters, self.weights(clock), []
        scale = sum(weights.values()) if p.normalised else 1.0
        for rollout, passed in zip(rollouts, tier_results(problem, rollouts), strict=True):
            tests = sum(weight * passed[tier] for tier, weight in weights.items()) / scale
            form = float(extract_answer(rollout.text) is not None)
            parts = {"tests": tests, "format": form, **passed}
            scores.append(Score(tests + p.format * form, passed_all(passed), parts))
        return scores


@register
class Tarot(Tiered):
    """TAROT: four tiers of tests, let in one after the other while training goes on.

    Stages begin at .2, .4 and .6 of the budget; weights stand for basic, intermediate, complex, edge:

        uni              basic first, .25 each
        var              basic first, .35 .35 .15 .15
        var_asce_normal  basic first, .15 .15 .35 .35
        var_asce_rev     hard first (complex; then edge; then intermediate; all), .15 .15 .35 .35
        basic_only, complex_only, edge_only  one tier, 1.0

    (TAROT, arXiv 2602.15449; the table, the undivided sum and the format reward of weight 1 from its
    code, whose three-epoch variants cut at the same shares.) There every passed test adds its tier's
    weight; here a tier's tests share it, so that their number does not matter.
    """

    name: ClassVar[str] = "tarot"
    title: ClassVar[str] = "TAROT: tiers of tests by schedule"
    papers: ClassVar[tuple[str, ...]] = ("TAROT",)
    family: ClassVar[str] = "F07"

    @dataclass(frozen=True)
    class Parameters(Tiered.Parameters):
        schedule: str = knob("var_asce_normal", "of the portfolio", choices=[*PORTFOLIO])

    def weights(self, clock: Clock) -> dict[str, float]:
        return PORTFOLIO[self.parameters.schedule].at(clock.share)


@register
class CapabilityTiers(Tiered):
    """TAROT's choice by capability: a weak learner starts with the easy tiers, a strong one hard.

    The paper finds that weak models gain more from easy tiers first and able ones from hard tiers
    first; the rule by which it picks was not found, so this one is ours. During the first `watch`
    groups all four tiers count, .25 each, and the pass rate is measured. Below `threshold` the
    schedule is then var_asce_normal, else var_asce_rev: equal weights, so that only the order
    differs. Groups with a hint say nothing of ability and are not counted.
    """

    name: ClassVar[str] = "capability_tiers"
    title: ClassVar[str] = "tiers in the order that suits the learner"
    papers: ClassVar[tuple[str, ...]] = ("TAROT",)
    family: ClassVar[str] = "F07"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters(Tiered.Parameters):
        threshold: float = knob(0.3, "pass rate from which a learner is strong", 0.0, 1.0)
        watch: int = knob(64, "groups over which the pass rate is measured", 1, 100_000)

    def fresh_memory(self) -> dict[str, Any]:
        return {"groups": 0, "right": 0, "tries": 0}

    @property
    def baseline(self) -> float | None:
        """The pass rate over the first `watch` groups; None until then."""
        known = self.memory["groups"] >= self.parameters.watch
        return self.memory["right"] / self.memory["tries"] if known else None

    def weights(self, clock: Clock) -> dict[str, float]:
        if self.baseline is None:
            return PORTFOLIO["uni"].at(1.0)
        weak = self.baseline < self.parameters.threshold
        return PORTFOLIO["var_asce_normal" if weak else "var_asce_rev"].at(clock.share)

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        for group in groups:
            if self.baseline is None and not group.hinted:
                self.memory["groups"] += 1
                self.memory["right"] += sum(group.correct)
                self.memory["tries"] += len(group.correct)

    def snapshot(self) -> dict[str, Any]:
        if self.baseline is None:
            return {}
        strong = self.baseline >= self.parameters.threshold
        return {"baseline pass rate": self.baseline, "hard tiers first": float(strong)}
