"""A teacher beside the reward: stay close to another model on one's own rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from currlab.curricula.data import Group
from currlab.curricula.registry import knob, register
from currlab.curricula.update.grpo import GRPO
from currlab.curricula.update.parts import Paced, each_row

if TYPE_CHECKING:
    from torch import Tensor

    from currlab.training.loss import LossBatch

TEACHER, START = "teacher", "start"


@register
class KDRL(Paced):
    """GRPO plus a pull towards a teacher, on the student's own rollouts.

    ``L = L_GRPO + b KL(student || teacher)``, the divergence estimated by k2, ``(log pi - log pi_teacher)^2 / 2``
    averaged over the sampled tokens; b falls from 5e-3 to 1e-3 (KDRL, arXiv 2506.02208). `where` "wrong"
    pulls in rollouts that are not right only; the average is still over all tokens.

    Ours: b falls linearly with the share of the budget, whose course we do not know. `teacher` is one
    of the shipped models or "start", a frozen copy of the policy: that one teaches nothing, it only
    holds. For a model in a folder a subclass overrides `references`. The teacher must share the
    student's tokenizer.
    """

    name: ClassVar[str] = "kdrl"
    title: ClassVar[str] = "KDRL: GRPO with a teacher"
    papers: ClassVar[tuple[str, ...]] = ("KDRL",)
    family: ClassVar[str] = "F11"

    @dataclass(frozen=True)
    class Parameters(GRPO.Parameters):
        first: float = knob(5e-3, "weight of the divergence at the start", 0.0, 100.0, paper=5e-3)
        last: float = knob(1e-3, "weight of the divergence at the end", 0.0, 100.0, paper=1e-3)
        where: str = knob("all", "rollouts that the teacher corrects", choices=["all", "wrong"])
        teacher: str = knob(
            START, "the model to stay close to", choices=[START, "tiny-base", "tiny-warm"]
        )

    def references(self) -> dict[str, float | str]:
        teacher = self.parameters.teacher
        return {TEACHER: 1.0 if teacher == START else teacher}

    @property
    def weight(self) -> float:
        """The divergence's weight b in the coming step."""
        p = self.parameters
        return p.first + (p.last - p.first) * self.memory["share"]

    def objective(self, batch: LossBatch, groups: Sequence[Group]) -> Tensor:
        from currlab.curricula.update.losses import squared_gap, token_mean
        from currlab.training.loss import grpo_loss

        new, mask = batch.log_probabilities, batch.mask
        gap = squared_gap(new, batch.references[TEACHER])
        if self.parameters.where == "wrong":
            wrong = each_row(groups, lambda _, rollout: not rollout.score.correct)
            gap = gap * mask.new_tensor(wrong)[:, None]
        reinforced = grpo_loss(new, batch.old_log_probabilities, batch.advantages, mask)
        return reinforced + self.weight * token_mean(gap, mask)

    def snapshot(self) -> dict[str, Any]:
        return {"weight of the teacher": self.weight}
