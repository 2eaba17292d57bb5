"""Imitation where reinforcement has nothing to learn from: decisions problem by problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from currlab.curricula.data import Catalog, Clock, Demonstration, Group
from currlab.curricula.present.hints import thought
from currlab.curricula.registry import knob, register
from currlab.curricula.update.grpo import GRPO
from currlab.curricula.update.parts import worked_answers


def coefficient() -> Any:
    """The parameter of every strategy that adds a likelihood loss to GRPO's."""
    return knob(1.0, "factor of the imitation loss", 0.0, 100.0, paper=1.0)


def unscaled() -> Any:
    """GRPO's `scale`, off by default, as in the papers here."""
    return knob(
        "none",
        "divide by the group's standard deviation, or not",
        choices=["group", "none"],
        paper="none",
    )


@register
class HPT(GRPO):
    """A problem that too few rollouts solve is imitated, every other one is reinforced.

    With s right rollouts in a group: if ``s <= gate`` its rollouts are dropped and its worked answer is
    imitated, else they are learnt from as in GRPO, without the division by the deviation (HPT, arXiv
    2509.04419, and its code; gate 0 for Qwen models and 2 for Llama, of 8 rollouts; imitation's factor
    1, 0.3 for its smallest model).

    Ours: reinforcement is averaged over the step's sampled tokens, dropped ones included, and
    imitation over the tokens of the worked answers; the paper's code does not clip, which is the same
    at one update a step; a group with hints tells nothing of the plain problem and is reinforced.
    The paper's small entropy bonus is not here.
    """

    name: ClassVar[str] = "hpt"
    title: ClassVar[str] = "HPT: imitate what is not solved"
    papers: ClassVar[tuple[str, ...]] = ("HPT",)
    family: ClassVar[str] = "F11"

    @dataclass(frozen=True)
    class Parameters(GRPO.Parameters):
        scale: str = unscaled()
        gate: int = knob(0, "right rollouts up to which a problem is imitated", 0, 256, paper=0)
        coefficient: float = coefficient()
        thought: bool = thought()

    def is_imitated(self, group: Group) -> bool:
        """Did too few of its rollouts solve the plain problem?"""
        return not group.hinted and sum(group.correct) <= self.parameters.gate

    def advantages(self, groups: Sequence[Group]) -> list[tuple[float, ...]]:
        return [
            (0.0,) * len(group.rollouts)
            if self.is_imitated(group)
            else self.group_advantages(group.rewards)
            for group in groups
        ]

    def imitate(
        self, groups: Sequence[Group], catalog: Catalog, clock: Clock
    ) -> list[Demonstration]:
        failed = [group for group in groups if self.is_imitated(group)]
        return worked_answers(failed, catalog, self.parameters.thought)

    def weights(self, clock: Clock) -> tuple[float, float]:
        return 1.0, self.parameters.coefficient


@register
class ReLIFT(GRPO):
    """Reinforce always; collect problems that nobody solved, and imitate them once there are enough.

    A problem none of whose rollouts is right goes into a buffer. As soon as that holds `buffer`
    problems, exactly so many, the oldest, are imitated once and leave it; a surplus stays (ReLIFT, arXiv
    2506.07527, and its code, with a buffer of 128; GRPO without the division by the deviation).

    Ours: the imitation is a term of the next step's loss. In the paper it is an epoch of its own with
    a second optimiser (learning rate 1e-6, its own gradient clipping, an entropy bonus of 0.001);
    here there is one optimiser. Groups with hints are not collected.
    """

    name: ClassVar[str] = "relift"
    title: ClassVar[str] = "ReLIFT: imitate collected failures"
    papers: ClassVar[tuple[str, ...]] = ("ReLIFT",)
    family: ClassVar[str] = "F11"

    @dataclass(frozen=True)
    class Parameters(GRPO.Parameters):
        scale: str = unscaled()
        buffer: int = knob(32, "failed problems that are imitated at once", 1, 100000, paper=128)
        coefficient: float = coefficient()
        thought: bool = thought()

    def fresh_memory(self) -> dict[str, Any]:
        return {"failed": []}

    def due(self) -> list[tuple[str, int]]:
        """Arm and seed of the problems that the coming step imitates."""
        failed, size = self.memory["failed"], self.parameters.buffer
        return failed[:size] if len(failed) >= size else []

    def imitate(
        self, groups: Sequence[Group], catalog: Catalog, clock: Clock
    ) -> list[Demonstration]:
        problems = [catalog.problem(arm, seed) for arm, seed in self.due()]
        return [Demonstration(p, catalog.worked(p, self.parameters.thought)) for p in problems]

    def weights(self, clock: Clock) -> tuple[float, float]:
        return 1.0, self.parameters.coefficient

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        if not groups:
            return
        left = self.memory["failed"][len(self.due()) :]
        new = [[g.arm, g.problem.seed] for g in groups if not g.hinted and not any(g.correct)]
        self.memory["failed"] = left + new

    def snapshot(self) -> dict[str, Any]:
        return {"problems collected": len(self.memory["failed"])}


@register
class ViSurf(GRPO):
    """The true answer takes part in its group like one more rollout.

    Inspired by ViSurf, which puts the true answer among a group's rollouts; its three rules that hold
    the reward in check are not known to us. Our formula: to a group of n rollouts the worked answer is
    added with reward 1, and all n + 1 advantages are GRPO's. The rollouts keep theirs. The worked
    answer's likelihood is raised with its own advantage over n as weight, as if it were a row as long
    as the others; never with a negative one. In a group without a right rollout every rollout is pushed
    away and the true answer is pulled; in one that is all right nothing happens. Groups with hints are
    left as they are.
    """

    name: ClassVar[str] = "visurf"
    title: ClassVar[str] = "the true answer as a rollout"
    papers: ClassVar[tuple[str, ...]] = ("ViSurf",)
    family: ClassVar[str] = "F11"
    state: ClassVar[str] = "inspired"
    TRUE: ClassVar[float] = 1.0

    @dataclass(frozen=True)
    class Parameters(GRPO.Parameters):
        thought: bool = thought()

    def joined(self, group: Group) -> tuple[float, ...]:
        """The advantages of the rollouts and, last, of the true answer."""
        return self.group_advantages((*group.rewards, self.TRUE))

    def advantages(self, groups: Sequence[Group]) -> list[tuple[float, ...]]:
        return [
            self.group_advantages(group.rewards) if group.hinted else self.joined(group)[:-1]
            for group in groups
        ]

    def imitate(
        self, groups: Sequence[Group], catalog: Catalog, clock: Clock
    ) -> list[Demonstration]:
        shown = []
        for group in groups:
            weight = 0.0 if group.hinted else self.joined(group)[-1] / len(group.rollouts)
            if weight > 0:
                shown += worked_answers([group], catalog, self.parameters.thought, weight)
        return shown
