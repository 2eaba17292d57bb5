"""What a step's loss is made of besides the common GRPO loss; both engines use the same code.

An update strategy may have an objective of its own, may imitate demonstrations, and a view may want
the likelihood of its forced prefix raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from currlab.curricula.core import Recipe
from currlab.curricula.data import Catalog, Clock, Group
from currlab.memory import free_memory, update_rows
from currlab.training.loss import LossBatch, likelihood_loss
from currlab.training.references import References
from currlab.training.rows import (
    Row,
    TokenBatch,
    demonstration_rows,
    log_probabilities,
    of_tokens,
    prefix_rows,
    token_batch,
    token_entropies,
    token_logits,
)

# On a CPU: few pads, and activations stay in the processor's cache.
ROWS_AT_A_TIME = 64


def batches(rows: Sequence[Row], model: nn.Module) -> Iterator[TokenBatch]:
    """Rows of similar length together, on the model's device; as many as its memory holds."""
    network = getattr(model, "module", model)  # what DDP has wrapped
    by_length = sorted(rows, key=lambda row: row.length)
    size = rows_at_a_time(network, by_length[-1].length) if rows else 1
    for start in range(0, len(by_length), size):
        yield token_batch(by_length[start : start + size], network.device)


def rows_at_a_time(model: PreTrainedModel, length: int) -> int:
    """How many rows of at most `length` tokens go through the model, forward and back, at once."""
    if model.device.type != "cuda":
        return ROWS_AT_A_TIME
    dtype = str(model.dtype).removeprefix("torch.")
    return update_rows(model.config, length, dtype, free_memory(model.device))


# ---------------------------------------------------------------- an objective of its own


@dataclass(frozen=True)
class Sampled:
    """The sampling policy's view of a batch, kept for several updates on the same rollouts."""

    log_probabilities: Tensor
    entropies: Tensor | None
    references: dict[str, Tensor]


@torch.no_grad()
def sampled(
    model: nn.Module, batch: TokenBatch, entropies: bool, references: References
) -> Sampled:
    """What the weights that sampled the batch, and the references, say of its tokens."""
    logits = token_logits(model, batch)
    return Sampled(
        of_tokens(logits, batch),
        token_entropies(logits) if entropies else None,
        {name: log_probabilities(other, batch) for name, other in references.kept.items()},
    )


def loss_batch(
    model: nn.Module, batch: TokenBatch, entropies: bool, old: Sampled | None
) -> LossBatch:
    """The batch as an update strategy's objective gets it; without `old`, `model` sampled it."""
    logits = token_logits(model, batch)
    new, spread = of_tokens(logits, batch), token_entropies(logits) if entropies else None
    if old is None:
        old = Sampled(new.detach(), None if spread is None else spread.detach(), {})
    return LossBatch(
        new,
        old.log_probabilities,
        batch.advantages,
        batch.mask,
        spread,
        old.entropies,
        old.references,
    )


# ---------------------------------------------------------------- likelihood


@dataclass(frozen=True)
class LikelihoodTerm:
    """Rows whose likelihood a step raises: this process's share of them.

    `tokens` divides the loss; `factor` multiplies it; `token_weights` maps log-probabilities [R, T]
    to weights, or is None.
    """

    rows: Sequence[Row]
    tokens: float
    factor: float = 1.0
    token_weights: Callable[[Tensor], Tensor | None] | None = None


def likelihood_terms(
    recipe: Recipe,
    groups: Sequence[Group],
    catalog: Catalog,
    clock: Clock,
    tokenizer: PreTrainedTokenizerBase,
    rank: int = 0,
    processes: int = 1,
) -> list[LikelihoodTerm]:
    """The demonstrations that the update dial imitates, and the prefixes that views want likelier.

    Each is averaged over its own tokens; with several processes, whose gradients are averaged, each
    takes its share of the rows.
    """
    update = recipe.update
    shown = demonstration_rows(update.imitate(groups, catalog, clock), tokenizer)
    factor = update.weights(clock)[1]
    kinds = [(shown, factor, update.token_weights), (prefix_rows(groups, tokenizer), 1.0, None)]
    return [
        LikelihoodTerm(
            rows[rank::processes], sum(sum(r.mask) for r in rows) / processes, scale, weigh
        )
        for rows, scale, weigh in kinds
        if rows and scale
    ]


def likelihood_losses(model: nn.Module, terms: Sequence[LikelihoodTerm]) -> Iterator[Tensor]:
    """The terms' losses in parts whose sum is the whole, so that each can go backward at once."""
    for term in terms:
        for batch in batches(term.rows, model):
            log_p = log_probabilities(model, batch)
            weights = term.token_weights and term.token_weights(log_p.detach())
            yield term.factor * likelihood_loss(
                log_p, batch.advantages, batch.mask, term.tokens, weights
            )
