"""The policy gradient held in check in other ways than by clipping each token's ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from currlab.curricula.data import Group
from currlab.curricula.registry import knob, register
from currlab.curricula.update.grpo import GRPO

if TYPE_CHECKING:
    from torch import Tensor

    from currlab.training.loss import LossBatch


@register
class CPGD(GRPO):
    """Clip the logarithm of the ratio, and pay for drift from the policy that sampled.

    Inspired by CPGD (arXiv 2505.12504), whose abstract names both parts. Our formula, a token's:
    ``-min(d A, clamp(d, log(1 - clip), log(1 + clip)) A) + drift (exp(d) - 1 - d)`` with
    ``d = log pi - log pi_old``; the last bracket is an estimate of KL(pi_old || pi). A ratio cannot
    blow the first part up: its gradient is A or nothing, where GRPO's is the ratio times A.
    """

    name: ClassVar[str] = "cpgd"
    title: ClassVar[str] = "CPGD: clipped log ratio, paid drift"
    papers: ClassVar[tuple[str, ...]] = ("CPGD",)
    family: ClassVar[str] = "F13"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters(GRPO.Parameters):
        clip: float = knob(0.2, "how far a ratio may go before its gradient ends", 0.001, 0.999)
        drift: float = knob(0.01, "price of a nat of drift", 0.0, 100.0)

    def objective(self, batch: LossBatch, groups: Sequence[Group]) -> Tensor:
        from currlab.curricula.update.losses import log_clipped_loss

        new, old, p = batch.log_probabilities, batch.old_log_probabilities, self.parameters
        return log_clipped_loss(new, old, batch.advantages, batch.mask, p.clip, p.drift)


@register
class ERC(GRPO):
    """Tokens whose distribution has become much surer or much less sure are left out.

    Inspired by entropy ratio clipping (arXiv 2512.05591), a limit on both sides of the ratio of the
    present policy's entropy to the sampling policy's. Our formula: GRPO's clipped loss over the tokens
    with ``1 - width <= H / H_old <= 1 + width`` only, still averaged over all tokens. At the first
    update on a batch every ratio is 1 and nothing is left out.
    """

    name: ClassVar[str] = "erc"
    title: ClassVar[str] = "ERC: tokens within a band of entropy"
    papers: ClassVar[tuple[str, ...]] = ("ERC",)
    family: ClassVar[str] = "F13"
    state: ClassVar[str] = "inspired"
    needs_entropies: ClassVar[bool] = True

    @dataclass(frozen=True)
    class Parameters(GRPO.Parameters):
        width: float = knob(0.1, "how far the entropy's ratio to the old one may leave 1", 0.0, 1.0)

    def objective(self, batch: LossBatch, groups: Sequence[Group]) -> Tensor:
        from currlab.curricula.update.losses import entropy_band
        from currlab.training.loss import grpo_loss

        inside = entropy_band(batch.entropies, batch.old_entropies, self.parameters.width)
        return grpo_loss(
            batch.log_probabilities,
            batch.old_log_probabilities,
            batch.advantages,
            batch.mask * inside,
            tokens=batch.mask.sum(),
        )


@register
class EntropyBonus(GRPO):
    """GRPO's loss minus `coefficient` times the mean entropy of the tokens' distributions.

    The bonus of PPO and of many recipes since; TRL's `entropy_coef` is the same.
    """

    name: ClassVar[str] = "entropy_bonus"
    title: ClassVar[str] = "GRPO with an entropy bonus"
    family: ClassVar[str] = "F13"
    needs_entropies: ClassVar[bool] = True

    @dataclass(frozen=True)
    class Parameters(GRPO.Parameters):
        coefficient: float = knob(0.001, "what a nat of entropy earns", 0.0, 10.0)

    def objective(self, batch: LossBatch, groups: Sequence[Group]) -> Tensor:
        from currlab.curricula.update.losses import token_mean
        from currlab.training.loss import grpo_loss

        new, old = batch.log_probabilities, batch.old_log_probabilities
        loss = grpo_loss(new, old, batch.advantages, batch.mask)
        return loss - self.parameters.coefficient * token_mean(batch.entropies, batch.mask)

    def trainer_settings(self) -> dict[str, Any]:
        return super().trainer_settings() | {"entropy_coef": self.parameters.coefficient}


@register
class RatioKind(GRPO):
    """Which ratio is clipped, and what becomes of a clipped token.

    `kind` "sequence" has one ratio a rollout, the geometric mean of its tokens' (GSPO), and averages
    over rollouts; "cispo" bounds the ratio by `bound` as a mere weight of the log-likelihood, so that
    every token keeps a gradient. Both formulas are those of TRL, whose settings are in
    `trainer_settings`; "sequence" has narrower clips there as here: `clip` is the width on both sides.
    """

    name: ClassVar[str] = "ratio_kind"
    title: ClassVar[str] = "other ratios: GSPO, CISPO"
    family: ClassVar[str] = "F13"

    @dataclass(frozen=True)
    class Parameters(GRPO.Parameters):
        kind: str = knob(
            "sequence", "the ratio that is held in check", choices=["sequence", "cispo"]
        )
        clip: float = knob(0.2, "width of the clip of a sequence's ratio", 0.00001, 0.999)
        bound: float = knob(5.0, "largest weight of a token (cispo)", 1.0, 1000.0)

    def objective(self, batch: LossBatch, groups: Sequence[Group]) -> Tensor:
        from currlab.curricula.update.losses import sequence_loss, weighted_likelihood_loss

        new, old, p = batch.log_probabilities, batch.old_log_probabilities, self.parameters
        if p.kind == "cispo":
            return weighted_likelihood_loss(new, old, batch.advantages, batch.mask, p.bound)
        return sequence_loss(new, old, batch.advantages, batch.mask, p.clip, p.clip)

    def trainer_settings(self) -> dict[str, Any]:
        p, common = self.parameters, super().trainer_settings()
        if p.kind == "cispo":
            return common | {"loss_type": "cispo", "epsilon_high": p.bound}
        level = {"loss_type": "grpo", "importance_sampling_level": "sequence"}
        return common | level | {"epsilon": p.clip, "epsilon_high": p.clip}
