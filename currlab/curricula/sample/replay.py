"""Problems that were solved once in many tries come back before the success is forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from currlab.curricula.core import Present
from currlab.curricula.data import Clock, Group, Pick, View
from currlab.curricula.registry import knob, register
from currlab.curricula.sample.fixed import FixedGroup
from currlab.tasks import Problem


@register
class RareSuccesses(FixedGroup, Present):
    """Keep rare successes and put a few of them back into every step.

    A group in which at least one and at most `rare` of the rollouts are right leaves its problem and
    one right answer in a buffer (the newest `buffer` of them). Every step adds groups for the `extra`
    oldest. On the sample dial alone they are fresh rollouts of the same problem. On the present dial,
    too, one rollout of each is the old answer, forced and credited as if the policy wrote it now: off
    policy, without correction, so that a success is never lost to bad luck. Formulas ours.
    """

    name: ClassVar[str] = "rare_successes"
    title: ClassVar[str] = "rare successes come back"
    family: ClassVar[str] = "F02"
    state: ClassVar[str] = "inspired"
    max_rounds: ClassVar[int] = 1
    growth: ClassVar[int] = 2

    @dataclass(frozen=True)
    class Parameters(FixedGroup.Parameters):
        rare: float = knob(0.25, "share of right rollouts up to which a success is rare", 0.0, 1.0)
        extra: int = knob(4, "groups added to a step", 0, 64)
        buffer: int = knob(256, "successes that are kept", 1, 100_000)

    def fresh_memory(self) -> dict[str, Any]:
        return {"successes": [], "replayed": 0}

    def after(self, groups: Sequence[Group], clock: Clock) -> tuple[list[Group], list[Pick]]:
        """Extras once a step, never more than the step's own groups; none after them."""
        if any(group.pick.parent is not None for group in groups):
            return list(groups), []
        count = min(self.parameters.extra, len(groups))
        chosen = self.memory["successes"][:count]
        self.memory["successes"] = self.memory["successes"][count:]
        self.memory["replayed"] += len(chosen)
        return list(groups), [
            Pick(arm, seed, {"success": text}, rollouts=self.parameters.size, parent=i)
            for i, (arm, seed, text) in enumerate(chosen)
        ]

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View | list[View]:
        plain = View(problem.prompt)
        if "success" not in pick.view:
            return plain
        old = View(
            problem.prompt, prefix=pick.view["success"], prefix_credit="all", kind="old success"
        )
        return [old, *[plain] * (n - 1)]

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        for group in groups:
            own = [r for r in group.rollouts if not r.view.hinted]
            right = [r.text for r in own if r.score.correct]
            if right and len(right) <= self.parameters.rare * len(own):
                entry = [group.arm, group.problem.seed, right[0]]
                self.memory["successes"].append(entry)
        self.memory["successes"] = self.memory["successes"][-self.parameters.buffer :]

    def snapshot(self) -> dict[str, Any]:
        return {
            "successes kept": len(self.memory["successes"]),
            "successes replayed": self.memory["replayed"],
        }
