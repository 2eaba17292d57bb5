"""The verifier's word as reward, and the control that ignores it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from currlab.curricula.core import Reward
from currlab.curricula.data import Clock, Policy, Rollout, Score
from currlab.curricula.registry import knob, register
from currlab.tasks import Problem, extract_answer, get_task


def is_correct(problem: Problem, rollouts: Sequence[Rollout]) -> list[bool]:
    """The verdict on each rollout's whole completion, forced prefix included.

    The task verifies, unless the view says which answer it asks for.
    """
    asked_openly = [rollout.text for rollout in rollouts if rollout.view.answer is None]
    verified = iter(get_task(problem.task).verify_all(problem, asked_openly))

    def right(rollout: Rollout) -> bool:
        if rollout.view.answer is None:
            return next(verified)
        answer = extract_answer(rollout.text)
        return answer is not None and answer.strip() == rollout.view.answer

    return [right(rollout) for rollout in rollouts]


@register
class Exact(Reward):
    """1 for a verified answer, 0 for anything else."""

    name: ClassVar[str] = "exact"
    title: ClassVar[str] = "1 if verified, else 0"

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        return [Score(float(right), right) for right in is_correct(problem, rollouts)]


@register
class Random(Reward):
    """A coin flip that never looks at the answer: the control that no curriculum may beat by luck.

    What still "improves" under it is not learning from the reward.
    """

    name: ClassVar[str] = "random"
    title: ClassVar[str] = "coin flips (a control)"

    @dataclass(frozen=True)
    class Parameters:
        chance: float = knob(0.5, "probability of reward 1", 0.0, 1.0)

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        draws = self.local_rng(problem, clock).random(len(rollouts))
        flips = (draws < self.parameters.chance).tolist()
        return [
            Score(float(flip), right)
            for flip, right in zip(flips, is_correct(problem, rollouts), strict=True)
        ]
