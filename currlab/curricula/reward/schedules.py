"""Criteria that change while training goes on: partial credit, rising thresholds, penalties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from currlab.curricula.core import Reward
from currlab.curricula.data import Clock, Policy, Rollout, Score
from currlab.curricula.registry import knob, register
from currlab.curricula.reward.grading import MEASURES, Judged, judge
from currlab.tasks import Problem

# Vision-R1's bands: below the first number no credit, above the second all of it.
LENIENT, STRICT = (0.5, 0.75), (0.75, 0.9)


def measure() -> Any:
    """The parameter of every reward that grades wrong answers."""
    return knob("distance", "how close a wrong answer is to the right one", choices=[*MEASURES])


def risen(share: float, until: float) -> float:
    """From 0 at the start to 1 once `share` of the budget reaches `until`, in a straight line."""
    return min(1.0, share / until) if until else 1.0


class ByCloseness(Reward):
    """What graded rewards share: `credit` for each answer's closeness to the right one."""

    def credit(self, judged: Judged, closeness: float, clock: Clock) -> float:
        raise NotImplementedError

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        scores = []
        for judged in judge(problem, rollouts):
            closeness = judged.closeness(self.parameters.measure)
            credit = self.credit(judged, closeness, clock)
            scores.append(Score(credit, judged.right, {"closeness": closeness}))
        return scores


@register
class Graded(ByCloseness):
    """Partial credit: a wrong answer earns `most` times its closeness to the right one, a right one 1.

    Closeness is the edit distance (R1-Fuzz grades an input by its distance from the goal), the overlap
    of characters (Visual-RFT: intersection over union), the share of right places (RLVR-World takes
    the task's own metric), or four checks of rising strictness (Shop-R1: a hierarchy of parts).
    Formulas ours. Overlap is blind to order: what it pays for can be had without solving the task.
    """

    name: ClassVar[str] = "graded"
    title: ClassVar[str] = "partial credit by closeness"
    papers: ClassVar[tuple[str, ...]] = ("R1-Fuzz", "Visual-RFT", "RLVR-World", "Shop-R1")
    family: ClassVar[str] = "F07"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        measure: str = measure()
        most: float = knob(0.5, "reward that a wrong answer stays below", 0.0, 1.0)

    def credit(self, judged: Judged, closeness: float, clock: Clock) -> float:
        return 1.0 if judged.right else self.parameters.most * closeness


@register
class VisionR1(ByCloseness):
    """Vision-R1's progressive rule refinement: the band of full and of no credit moves up once.

        reward(x) = 0 if x < low,  1 if x > high,  x between

    with (low, high) = (.5, .75) until `switch` of the budget and (.75, .9) from then on. In the paper
    x is the precision and the overlap of boxes (arXiv 2503.18013; bands from its code, which switches
    at step 1500); here it is the closeness of the answer.
    """

    name: ClassVar[str] = "vision_r1"
    title: ClassVar[str] = "Vision-R1: criteria tighten once"
    papers: ClassVar[tuple[str, ...]] = ("Vision-R1 (criterion)",)
    family: ClassVar[str] = "F07"
    state: ClassVar[str] = "analogue"

    @dataclass(frozen=True)
    class Parameters:
        measure: str = measure()
        switch: float = knob(0.5, "share of the budget with the lenient band", 0.0, 1.0)

    def credit(self, judged: Judged, closeness: float, clock: Clock) -> float:
        low, high = LENIENT if clock.share < self.parameters.switch else STRICT
        if closeness < low:
            return 0.0
        return 1.0 if closeness > high else closeness


@register
class RisingThreshold(ByCloseness):
    """Hit or miss, and what counts as a hit rises to the exact answer.

    Reward 1 if the closeness reaches ``tau = start + (1 - start) min(1, share / until)``, else 0. Close
    to Curr-ReFT (arXiv 2503.07065), whose reward grows stricter from stage to stage together with the
    form of the question; a threshold on one form is ours.
    """

    name: ClassVar[str] = "rising_threshold"
    title: ClassVar[str] = "a threshold that rises to exact"
    papers: ClassVar[tuple[str, ...]] = ("Curr-ReFT",)
    family: ClassVar[str] = "F07"
    state: ClassVar[str] = "analogue"

    @dataclass(frozen=True)
    class Parameters:
        measure: str = measure()
        start: float = knob(0.5, "closeness that is a hit at the start", 0.0, 1.0)
        until: float = knob(0.6, "share of the budget after which only exact hits", 0.0, 1.0)

    def threshold(self, share: float) -> float:
        start = self.parameters.start
        return start + (1 - start) * risen(share, self.parameters.until)

    def credit(self, judged: Judged, closeness: float, clock: Clock) -> float:
        return float(closeness >= self.threshold(clock.share))


@register
class HarshPenalty(Reward):
    """1 for a right answer, ``-wrong`` for a wrong one, ``-silent`` for none in the asked form.

    Where a learner is right with chance p, an answer is worth ``p - wrong (1 - p)``. Is that below
    ``-silent``, the better move is to give no answer at all, and a policy that has learnt it never
    tries again: all its rewards are equal. The job application paper (arXiv 2511.16073) reports that
    aggressive penalties made its model "excessively negative" and that gentler ones cured it; these
    penalties, and silence as the way out, are ours. A gentle one needs the update's `scale` "none":
    divided by the deviation of a group without a right answer, a small fine is as harsh as a large one.
    The other cure is a silence that costs more than an error. `schedule` "eased": `wrong` falls to 0
    over `until` of the budget; "rising": it grows from 0.
    """

    name: ClassVar[str] = "harsh_penalty"
    title: ClassVar[str] = "penalties for wrong answers"
    papers: ClassVar[tuple[str, ...]] = ("Job-application GRPO",)
    family: ClassVar[str] = "F07"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        wrong: float = knob(2.0, "penalty for a wrong answer", 0.0, 10.0)
        silent: float = knob(0.0, "penalty for no answer in the asked form", 0.0, 10.0)
        schedule: str = knob(
            "constant", "how the penalty goes", choices=["constant", "eased", "rising"]
        )
        until: float = knob(0.5, "share of the budget over which it moves", 0.0, 1.0)

    def penalty(self, share: float) -> float:
        """What a wrong answer costs now."""
        p, moved = self.parameters, risen(share, self.parameters.until)
        return p.wrong * {"constant": 1.0, "eased": 1 - moved, "rising": moved}[p.schedule]

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        wrong, scores = self.penalty(clock.share), []
        for judged in judge(problem, rollouts):
            cost = self.parameters.silent if judged.answer is None else wrong
            total = 1.0 if judged.right else -cost
            scores.append(
                Score(total, judged.right, {"answered": float(judged.answer is not None)})
            )
        return scores
