"""The GRPO loss and the likelihood loss, pure functions of tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class LossBatch:
    """What an update strategy's own objective gets: all rows of a step, tokens on the right.

    ======================  =========  ======================================================
    Symbol                  Shape      Description
    ======================  =========  ======================================================
    log_probabilities       [R, T]     log pi(token) under the weights that are trained
    old_log_probabilities   [R, T]     under the weights that sampled; no gradient
    advantages              [R]        one a row
    mask                    [R, T]     1 for tokens in the loss
    entropies               [R, T]     of the present distribution, with gradient; or None
    old_entropies           [R, T]     of the sampling distribution; or None
    references              {name:     log pi(token) under each of the recipe's references;
                            [R, T]}    no gradient
    ======================  =========  ======================================================

    Entropies are there if the strategy says that it `needs_entropies`.
    """

    log_probabilities: Tensor
    old_log_probabilities: Tensor
    advantages: Tensor
    mask: Tensor
    entropies: Tensor | None = None
    old_entropies: Tensor | None = None
    references: Mapping[str, Tensor] = field(default_factory=dict)


def grpo_loss(
    log_probabilities: Tensor,
    old_log_probabilities: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    tokens: float | None = None,
) -> Tensor:
    """The clipped surrogate of every completion token, averaged over the batch's tokens.

    ``L = -1/N sum_rt m_rt min(rho_rt A_r, clip(rho_rt, 1 - low, 1 + high) A_r)`` with the ratio
    ``rho_rt = exp(log_probability_rt - old_log_probability_rt)``.

    ======================  ======  ===================================================
    Symbol                  Shape   Description
    ======================  ======  ===================================================
    log_probabilities       [R, T]  log pi(token) under the weights that are trained
    old_log_probabilities   [R, T]  the same under the weights that sampled; no gradient
    advantages              [R]     A_r: how much better row r is than its group
    mask                    [R, T]  m_rt: 1 for tokens in the loss, 0 for all others
    tokens                  ()      N; None counts the mask. Whoever leaves rows out or
                                    splits a batch passes the whole batch's count
    ======================  ======  ===================================================

    Source: GRPO (arXiv 2402.03300, eq. 3, without its KL term); the average over tokens instead of
    rows and the two clip widths are DAPO's (arXiv 2503.14476).

    >>> zero = torch.zeros(1, 2)
    >>> grpo_loss(zero, zero, torch.tensor([0.5]), torch.tensor([[1.0, 0.0]])).item()
    -0.5
    """
    ratio = (log_probabilities - old_log_probabilities.detach()).exp()
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    surrogate = torch.minimum(ratio * advantages[:, None], clipped * advantages[:, None])
    count = mask.sum() if tokens is None else torch.as_tensor(tokens)
    return -(surrogate * mask).sum() / count.clamp(min=1)


def likelihood_loss(
    log_probabilities: Tensor,
    weights: Tensor,
    mask: Tensor,
    tokens: float,
    token_weights: Tensor | None = None,
) -> Tensor:
    """Negative log-likelihood of given tokens, averaged over `tokens`.

    ``L = -1/N sum_rt m_rt w_r v_rt log pi(token_rt)`` with weights ``w_r`` [R] of the rows and ``v_rt``
    [R, T] of their tokens (None: 1), which carry no gradient.
    """
    weighted = log_probabilities * mask * weights[:, None]
    if token_weights is not None:
        weighted = weighted * token_weights.detach()
    return -weighted.sum() / max(1.0, tokens)
