"""Rollouts and demonstrations as the loss sees them: rows of token ids, then padded tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from currlab.curricula.data import Demonstration, Group, Rollout
from currlab.errors import CurrlabError
from currlab.models.tokenizer import prompt_ids, text_ids

if TYPE_CHECKING:
    from currlab.training.policy import LanguagePolicy


@dataclass(frozen=True)
class Row:
    """One completion as the update sees it; `mask` is 1 for its tokens that are in the loss.

    `advantage` is the weight of a row without rewards: raising a likelihood is the policy gradient
    with a weight in place of the advantage.
    """

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    mask: tuple[int, ...]
    advantage: float
    temperature: float

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.completion)


# ---------------------------------------------------------------- rows for the policy loss


def kept_rollouts(groups: Sequence[Group]) -> list[tuple[Rollout, float]]:
    """The kept rollouts of groups and their advantages, in order; CurrlabError without advantages."""
    kept = []
    for group in groups:
        if group.advantages is None:
            raise CurrlabError(f"The group of {group.problem.key} has no advantages yet.")
        pairs = zip(group.rollouts, group.advantages, strict=True)
        kept += [(rollout, advantage) for rollout, advantage in pairs if rollout.kept]
    return kept


def training_rows(
    groups: Sequence[Group],
    tokenizer: PreTrainedTokenizerBase,
    policy: LanguagePolicy | None = None,
) -> list[Row]:
    """The kept rollouts of groups whose advantages are set, in order; see `policy_rows`."""
    return policy_rows(kept_rollouts(groups), tokenizer, policy)


def policy_rows(
    kept: Sequence[tuple[Rollout, float]],
    tokenizer: PreTrainedTokenizerBase,
    policy: LanguagePolicy | None = None,
) -> list[Row]:
    """Rows of the policy loss. The prompt is the view's `train_prompt` where it has one.

    Where a view credits a share of its prefix, `policy` says which tokens have the highest entropy.
    """
    views = {rollout.view for rollout, _ in kept}
    questions = {view: prompt_ids(view.trained_prompt, tokenizer) for view in views}
    masks = _masks([rollout for rollout, _ in kept], policy)
    return [
        Row(questions[r.view], r.token_ids, mask, advantage, r.temperature or 1.0)
        for (r, advantage), mask in zip(kept, masks, strict=True)
    ]


def _masks(rollouts: Sequence[Rollout], policy: LanguagePolicy | None) -> list[tuple[int, ...]]:
    """The loss mask of every rollout; those that credit a share of a prefix share one forward."""
    partly = [i for i, r in enumerate(rollouts) if _credits_a_share(r)]
    entropies: dict[int, np.ndarray] = {}
    if partly:
        if policy is None:
            raise CurrlabError("Crediting a share of a prefix needs the policy's entropies.")
        asked = [rollouts[i] for i in partly]
        read = policy.prefix_entropies(asked)
        entropies = dict(zip(partly, read, strict=True))
    return [loss_mask(rollout, entropies.get(i)) for i, rollout in enumerate(rollouts)]


def _credits_a_share(rollout: Rollout) -> bool:
    return bool(rollout.prefix_len) and not isinstance(rollout.view.prefix_credit, str)


def loss_mask(rollout: Rollout, entropies: np.ndarray | None = None) -> tuple[int, ...]:
    """1 for every completion token that takes part in the policy loss, 0 for the others.

    `entropies` are those of the prefix's tokens. A share s of n tokens keeps the round(s n) with the
    highest entropy, at least one; of equal ones the first.
    """
    credit, n = rollout.view.prefix_credit, rollout.prefix_len
    if _credits_a_share(rollout):
        if not 0 <= credit <= 1:
            raise CurrlabError(f"A prefix's credit must lie between 0 and 1; got {credit}.")
        kept = np.zeros(n, dtype=int)
        count = max(1, round(credit * n)) if credit else 0
        kept[np.argsort(-entropies, kind="stable")[:count]] = 1
        prefix = tuple(kept.tolist())
    elif credit in ("none", "all") or not n:
        prefix = (int(credit == "all"),) * n
    else:
        raise CurrlabError(
            f"A prefix's credit is 'none', 'all' or a share of its tokens; got {credit!r}."
        )
    return prefix + (1,) * (len(rollout.token_ids) - n)


# ---------------------------------------------------------------- rows for a likelihood loss


def prefix_rows(groups: Sequence[Group], tokenizer: PreTrainedTokenizerBase) -> list[Row]:
    """The forced prefixes whose likelihood their views want raised, once a kept rollout."""
    return [
        Row(
            prompt_ids(rollout.view.trained_prompt, tokenizer),
            rollout.token_ids[: rollout.prefix_len],
            (1,) * rollout.prefix_len,
            rollout.view.prefix_nll,
            1.0,
        )
        for group in groups
        for rollout in group.rollouts
        if rollout.kept and rollout.view.prefix_nll and rollout.prefix_len
    ]


def demonstration_rows(
    demonstrations: Sequence[Demonstration], tokenizer: PreTrainedTokenizerBase
) -> list[Row]:
    """Worked answers as rows, the end-of-text token included."""
    rows = []
    for shown in demonstrations:
        ids = (*text_ids(shown.text, tokenizer), tokenizer.eos_token_id)
        prompt = prompt_ids(shown.problem.prompt, tokenizer)
        rows.append(Row(prompt, ids, (1,) * len(ids), shown.weight, 1.0))
    return rows


# ---------------------------------------------------------------- tensors


@dataclass(frozen=True)
class TokenBatch:
    """Rows as tensors, padded on the right: a causal model then needs no attention mask.

    ===========  ==============  ==========================================================
    Symbol       Shape           Description
    ===========  ==============  ==========================================================
    ids          [R, T]          prompt, completion, padding
    first        ()              time of the earliest completion token of any row
    mask         [R, T - first]  1 where token `first + t` takes part in the policy loss
    advantages   [R]             one a row
    temperature  [R, 1]          what the row was sampled at
    ===========  ==============  ==========================================================
    """

    ids: Tensor
    first: int
    mask: Tensor
    advantages: Tensor
    temperature: Tensor


def token_batch(rows: Sequence[Row], device: torch.device | str = "cpu") -> TokenBatch:
    """Collate rows; the padding's id (0) stands after everything that counts."""
    width, first = max(row.length for row in rows), min(len(row.prompt) for row in rows)
    ids = [[*row.prompt, *row.completion] + [0] * (width - row.length) for row in rows]
    mask = [
        [0] * (len(row.prompt) - first) + list(row.mask) + [0] * (width - row.length)
        for row in rows
    ]
    return TokenBatch(
        torch.tensor(ids, device=device),
        first,
        torch.tensor(mask, device=device, dtype=torch.float32),
        torch.tensor([row.advantage for row in rows], device=device),
        torch.tensor([[row.temperature] for row in rows], device=device),
    )


def token_logits(model: nn.Module, batch: TokenBatch) -> Tensor:
    """Logits [R, T - first, V] that predict token `first + t`, at the rows' temperatures."""
    logits = model(
        input_ids=batch.ids[:, :-1],
        use_cache=False,
        logits_to_keep=batch.ids.shape[1] - batch.first,
    ).logits.float()
    return logits / batch.temperature[:, :, None]


def of_tokens(logits: Tensor, batch: TokenBatch) -> Tensor:
    """log p of the batch's own tokens, [R, T - first], from `token_logits`."""
    return logits.log_softmax(-1).gather(2, batch.ids[:, batch.first :, None])[:, :, 0]


def token_entropies(logits: Tensor) -> Tensor:
    """Entropy of every next-token distribution, [R, T - first], in nats."""
    return torch.distributions.Categorical(logits=logits).entropy()


def log_probabilities(model: nn.Module, batch: TokenBatch) -> Tensor:
    """log pi(token `first + t`), [R, T - first], at the rows' temperatures, with gradient.

    Entries outside `batch.mask` mean nothing.
    """
    return of_tokens(token_logits(model, batch), batch)
