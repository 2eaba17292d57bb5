"""Losses that GRPO variants put in place of the clipped surrogate: pure functions of tensors.

Symbols are those of `training.loss`: ``log_probabilities``, ``old``, ``mask`` [R, T], ``advantages`` [R];
``d_rt = log pi(token) - log pi_old(token)`` and ``rho_rt = exp(d_rt)``. A strategy imports this module when it
computes its first loss: the dials themselves do without torch.
"""

from __future__ import annotations

import torch
from torch import Tensor


def token_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean over the tokens of the mask; 0 without any."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def nft_loss(
    log_probabilities: Tensor,
    old: Tensor,
    right: Tensor,
    accuracy: Tensor,
    mask: Tensor,
    wrong: float = 1.0,
    floor: float = 1.0,
) -> Tensor:
    """Negative-aware fine-tuning: likelihood of right rollouts, and of what is left without wrong ones.

    With ``q`` [R] the accuracy of the row's group (held in [0.02, 0.98]; rows with 0 or 1 count as
    tokens, nothing else) and `right` [R] true or false, the mean over all tokens of

    ``(1 - q) (-log rho)`` for right rows and ``wrong (1 - q) (-log max(floor, (1 - q rho) / (1 - q)))``
    for wrong ones.

    The maximum bounds the value only: the gradient is that of ``(1 - q rho) / (1 - q)``, divided by the
    bounded value. At ``rho = 1`` row r's token has the gradient ``-(right_r - q) / N``: that of the policy
    gradient with advantages that are not divided by a deviation.

    Source: NFT (arXiv 2505.18116) and its code (`clamp_negative` 1, `normalize` 1).
    """
    q = accuracy.clamp(0.02, 0.98)[:, None]
    told = ((accuracy > 0) & (accuracy < 1))[:, None]
    log_ratio = log_probabilities - old.detach()
    rest = (1 - q * log_ratio.exp()) / (1 - q)
    bounded = rest + (rest.clamp(min=floor) - rest).detach()
    likelihood = torch.where(right[:, None], log_ratio, wrong * bounded.log())
    return -token_mean((1 - q) * likelihood * told, mask)


def regression_loss(
    log_probabilities: Tensor,
    old: Tensor,
    advantages: Tensor,
    mask: Tensor,
    groups: Tensor,
    scale: float = 1.0,
) -> Tensor:
    """How far the change of the rows' log-probabilities is from their advantages, squared.

    ``L = 1/R sum_r (A_r - (D_r - mean of D over r's group) / scale)^2`` with ``D_r = sum_t m_rt d_rt``.
    `groups` [R] numbers the rows' groups from 0. On-policy its gradient is ``-2 / (R scale)`` times
    that of ``sum_r A_r D_r``, if the advantages of a group sum to zero.
    """
    change = ((log_probabilities - old.detach()) * mask).sum(1)
    count = int(groups.max()) + 1
    sums = torch.zeros(count, dtype=change.dtype, device=change.device)
    sizes = torch.bincount(groups, minlength=count)
    means = sums.index_add(0, groups, change) / sizes
    return (advantages - (change - means[groups]) / scale).square().mean()


def log_clipped_loss(
    log_probabilities: Tensor,
    old: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip: float = 0.2,
    drift: float = 0.01,
) -> Tensor:
    """The surrogate with the logarithm of the ratio clipped, and a penalty on drift.

    ``-min(d A, clamp(d, log(1 - clip), log(1 + clip)) A) + drift (rho - 1 - d)``, averaged over the tokens.
    The last bracket is never negative; its mean over tokens that pi_old sampled estimates
    KL(pi_old || pi) without bias.
    """
    change, gain = log_probabilities - old.detach(), advantages[:, None]
    low, high = torch.log(torch.tensor([1 - clip, 1 + clip], dtype=change.dtype)).tolist()
    surrogate = torch.minimum(change * gain, change.clamp(low, high) * gain)
    return token_mean(drift * (change.exp() - 1 - change) - surrogate, mask)


def weighted_likelihood_loss(
    log_probabilities: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, high: float = 5.0
) -> Tensor:
    """CISPO: ``-sg(min(rho, high)) A log pi``, averaged over the tokens; no token loses its gradient.

    As TRL computes it for `loss_type` "cispo", whose `epsilon_high` is the bound itself.
    """
    ratio = (log_probabilities - old).exp().clamp(max=high).detach()
    return -token_mean(ratio * advantages[:, None] * log_probabilities, mask)


def sequence_loss(
    log_probabilities: Tensor,
    old: Tensor,
    advantages: Tensor,
    mask: Tensor,
    low: float = 0.2,
    high: float = 0.2,
) -> Tensor:
    """GSPO: one ratio a row, ``s_r = exp(mean over its tokens of d_rt)``, clipped; the mean over rows.

    ``L = -1/R sum_r min(s_r A_r, clamp(s_r, 1 - low, 1 + high) A_r)``, as TRL computes it for
    `importance_sampling_level` "sequence" and `loss_type` "grpo".
    """
    change = (log_probabilities - old.detach()) * mask
    ratio = (change.sum(1) / mask.sum(1).clamp(min=1)).exp()
    surrogate = torch.minimum(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)
    return -surrogate.mean()


def entropy_band(entropies: Tensor, old: Tensor, width: float) -> Tensor:
    """1 where ``1 - width <= H / H_old <= 1 + width``, [R, T], else 0; no gradient.

    Written as products, so that a certain token (entropy 0 before and after) is inside.
    """
    now, before = entropies.detach(), old.detach()
    inside = (now >= (1 - width) * before) & (now <= (1 + width) * before)
    return inside.to(now.dtype)


def squared_gap(log_probabilities: Tensor, teacher: Tensor) -> Tensor:
    """``(log pi - log pi_teacher)^2 / 2`` of every token, [R, T].

    The k2 estimator of KL(pi || pi_teacher): its gradient's mean over tokens that pi sampled is the
    divergence's gradient.
    """
    return 0.5 * (log_probabilities - teacher.detach()).square()
