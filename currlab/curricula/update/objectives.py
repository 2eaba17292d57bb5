"""Losses that are no clipped surrogate: supervised learning with negatives, and regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from currlab.curricula.core import Update
from currlab.curricula.data import Group
from currlab.curricula.registry import knob, register
from currlab.curricula.update.grpo import GRPO
from currlab.curricula.update.parts import each_row

if TYPE_CHECKING:
    from torch import Tensor

    from currlab.training.loss import LossBatch


@register
class NFT(Update):
    """Negative-aware fine-tuning: imitate right rollouts, and push wrong ones away by what they imply.

    A wrong rollout comes from a negative policy which, mixed with the right one, makes up the policy
    that sampled; its likelihood, written in terms of the policy that is trained, can be raised like
    any other. The loss of a token, with q the group's share of right rollouts held in [0.02, 0.98],
    rho the ratio to the sampling policy: right ``-(1 - q) log rho``; wrong
    ``-wrong (1 - q) log max(floor, (1 - q rho) / (1 - q))``, where the bound keeps its gradient. Groups that
    are all right or all wrong are left out (NFT, arXiv 2505.18116, and its code). `wrong` 0 is rejection
    sampling fine-tuning. Only verified correctness counts, whatever the reward.

    The advantages that groups show are ``right - q``, of which this loss has exactly the gradient
    while the policy is the one that sampled. Ours: the average over all tokens of the step, those of
    left-out groups included, as in the common loss.
    """

    name: ClassVar[str] = "nft"
    title: ClassVar[str] = "NFT: implicit negative policy"
    papers: ClassVar[tuple[str, ...]] = ("NFT",)
    family: ClassVar[str] = "F11"

    @dataclass(frozen=True)
    class Parameters:
        wrong: float = knob(1.0, "weight of wrong rollouts", 0.0, 10.0, paper=1.0)
        floor: float = knob(1.0, "least value of the implied ratio", 0.001, 1.0, paper=1.0)

    def advantages(self, groups: Sequence[Group]) -> list[tuple[float, ...]]:
        return [tuple(right - group.pass_rate for right in group.correct) for group in groups]

    def objective(self, batch: LossBatch, groups: Sequence[Group]) -> Tensor:
        from currlab.curricula.update.losses import nft_loss

        like = batch.advantages
        right = like.new_tensor(each_row(groups, lambda _, r: r.score.correct)) > 0
        accuracy = like.new_tensor(each_row(groups, lambda group, _: group.pass_rate))
        new, old, p = batch.log_probabilities, batch.old_log_probabilities, self.parameters
        return nft_loss(new, old, right, accuracy, batch.mask, p.wrong, p.floor)


@register
class RegGRPO(GRPO):
    """Regress the advantages on the change of log-probabilities, instead of clipping ratios.

    Inspired by Reg-GRPO of DeepVideo-R1 (arXiv 2506.07464): with D the change of a rollout's summed
    log-probability since it was sampled, ``(A - (D - mean(D)) / std(D))^2``, mean and deviation over the
    group, plus a divergence term whose sign is not sure in what we know. At the first update on a
    batch every D is 0 and the division is 0 / 0; how the paper handles that is not known to us. Ours:
    a constant `scale` takes the place of std(D), and there is no divergence term. On-policy this is
    the policy gradient of whole answers; later it pulls back what has moved further than its
    advantage asks.
    """

    name: ClassVar[str] = "reg_grpo"
    title: ClassVar[str] = "Reg-GRPO: regression on advantages"
    papers: ClassVar[tuple[str, ...]] = ("DeepVideo-R1",)
    family: ClassVar[str] = "F13"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters(GRPO.Parameters):
        change: float = knob(1.0, "log-probability, in nats, for an advantage of 1", 0.001, 1000.0)

    def objective(self, batch: LossBatch, groups: Sequence[Group]) -> Tensor:
        import torch

        from currlab.curricula.update.losses import regression_loss

        numbers = {id(group): number for number, group in enumerate(groups)}
        places = torch.tensor(each_row(groups, lambda group, _: numbers[id(group)]))
        return regression_loss(
            batch.log_probabilities,
            batch.old_log_probabilities,
            batch.advantages,
            batch.mask,
            places.to(batch.advantages.device),
            self.parameters.change,
        )
