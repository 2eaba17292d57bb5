"""Sampling completions: a fast forward for Llama models, and a plain one for everything else.

What makes it fast on a CPU: one prefill per different prompt, shared by its rollouts; a key/value
cache allocated once; one matrix product for q, k, v and one for the MLP's two inputs; rows that
have ended leave the batch. `model.generate` does none of the first, third and fourth.

Which token a row draws is a function of (its logits, its seed, the position) alone: the random
number comes from a counter, not from a generator that other rows advance. So a row's completion
does not depend on the batch it is in (but for float rounding: a matrix product's last bit may
change with its size, which moves a draw once in about a million tokens).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from currlab.errors import CurrlabError
from currlab.memory import free_memory, sampled_rows
from currlab.training.decoders import decoder_for

if TYPE_CHECKING:
    from currlab.training.decoders import Decoder

# On a CPU: more rows no longer speed up a matrix product, but leave the processor's cache.
ROWS_AT_A_TIME = 256
MOST_ROWS_ON_GPU = 2048  # a graph keeps the cache of its rows
# Finished rows are dropped once they are this share of the batch: each drop copies the cache.
DROP_SHARE = 0.125
# Where no rows are dropped: to look whether all have ended makes the CPU wait for the GPU.
LOOK_EVERY = 8


@dataclass(frozen=True)
class Completion:
    """Sampled ids (with the end-of-sequence id unless cut short), and what the model thought.

    `entropy` is the mean entropy of the sampled positions' distributions and `log_probability` the
    sum of the sampled tokens' log-probabilities; both in nats, at temperature 1.
    """

    token_ids: tuple[int, ...]
    entropy: float
    log_probability: float


def sample_completions(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    max_new_tokens: int,
    temperature: float,
    end_id: int,
) -> list[Completion]:
    """One completion a row. Temperature 0 takes the most likely token.

    The model is used in evaluation mode, without gradients, and left in the mode it was in. Prompts
    are id sequences of any lengths; equal ones are computed once.
    """
    if not temperature >= 0:  # a NaN fails too
        raise CurrlabError(f"The temperature must be 0 (greedy) or more; got {temperature}.")
    _check_lengths(model, prompts, max_new_tokens)
    by_length = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    completions: dict[int, Completion] = {}
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            size = rows_at_a_time(model, prompts, max_new_tokens)
            for start in range(0, len(prompts), size):
                rows = by_length[start : start + size]
                sampled = _sample_batch(
                    model,
                    [tuple(prompts[i]) for i in rows],
                    [seeds[i] for i in rows],
                    max_new_tokens,
                    temperature,
                    end_id,
                )
                completions.update(zip(rows, sampled, strict=True))
    finally:
        model.train(was_training)
    return [completions[i] for i in range(len(prompts))]


def rows_at_a_time(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], max_new_tokens: int
) -> int:
    """How many rows are sampled at once: on a GPU as many as its memory holds the cache of."""
    if model.device.type != "cuda":
        return ROWS_AT_A_TIME
    length = max(map(len, prompts), default=1) + max_new_tokens
    dtype = str(model.dtype).removeprefix("torch.")
    fitting = sampled_rows(model.config, length, dtype, free_memory(model.device))
    return min(MOST_ROWS_ON_GPU, fitting)


def uniform_numbers(seeds: np.ndarray, position: int) -> np.ndarray:
    """One number in (0, 1) a seed, a pure function of (seed, position): splitmix64, 52 bits kept.

    Source: Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

    >>> uniform_numbers(np.array([1, 2], dtype=np.uint64), 0).round(3).tolist()
    [0.75, 0.254]
    """
    with np.errstate(over="ignore"):
        state = _mix(seeds) + np.uint64(position + 1) * np.uint64(0x9E3779B97F4A7C15)
        return ((_mix(state) >> np.uint64(12)) + 0.5) * 2.0**-52


def _mix(bits: np.ndarray) -> np.ndarray:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _uniform(seeds: Sequence[int], positions: int, device: torch.device) -> Tensor:
    """The numbers of all rows at all positions, [positions, rows], float64."""
    numbers = np.array([seed & 0xFFFFFFFFFFFFFFFF for seed in seeds], dtype=np.uint64)
    every = np.stack([uniform_numbers(numbers, position) for position in range(positions)])
    return torch.from_numpy(every).to(device)


def draw(logits: Tensor, uniform: Tensor, temperature: float) -> Tensor:
    """One token id a row: inverse CDF of softmax(logits / temperature), argmax at 0.

    `uniform` [rows] are numbers in (0, 1), float64.
    """
    if temperature == 0:
        return logits.argmax(-1)
    # float64, so that the sum over a large vocabulary keeps its small probabilities.
    cumulative = (logits / temperature).softmax(-1).double().cumsum(-1)
    target = uniform[:, None] * cumulative[:, -1:]
    # uniform > 0 and "left" together: a token of probability 0 is never drawn.
    return torch.searchsorted(cumulative, target, side="left")[:, 0]


def _sample_batch(
    model: PreTrainedModel,
    prompts: list[tuple[int, ...]],
    seeds: list[int],
    max_new_tokens: int,
    temperature: float,
    end_id: int,
) -> list[Completion]:
    decoder, logits = _read(model, prompts, max_new_tokens)
    device, n = logits.device, len(prompts)
    uniform = _uniform(seeds, max_new_tokens, device)
    tokens = torch.full((n, max_new_tokens), -1, device=device)
    entropy, log_probability = torch.zeros(2, n, max_new_tokens, device=device)
    rows = torch.arange(n, device=device)  # the row of `tokens` that each row of the batch fills
    ended = torch.zeros(n, dtype=torch.bool, device=device)
    for position in range(max_new_tokens):
        logits = logits.float()
        drawn = draw(logits, uniform[position], temperature)
        log_p = logits.log_softmax(-1)
        tokens[rows, position] = drawn.masked_fill(ended, -1)
        entropy[rows, position] = torch.special.entr(log_p.exp()).sum(-1)
        log_probability[rows, position] = log_p.gather(1, drawn[:, None])[:, 0]
        ended = ended | (drawn == end_id)
        if position == max_new_tokens - 1:
            break
        if decoder.drops_rows or position % LOOK_EVERY == 0:
            done = int(ended.sum())
            if done == len(rows):
                break
            if decoder.drops_rows and done > DROP_SHARE * len(rows):
                going = _without(ended)
                decoder.keep(going)
                rows, drawn, ended = rows[going], drawn[going], ended[going]
                uniform = uniform[:, going]
        logits = decoder.step(drawn)
    return _completions(tokens, entropy, log_probability)


def _read(
    model: PreTrainedModel, prompts: list[tuple[int, ...]], max_new_tokens: int
) -> tuple[Decoder, Tensor]:
    """Read each different prompt once, then repeat it for its rows; next-token logits [rows, V]."""
    different = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
    decoder = decoder_for(model, max_new_tokens)
    logits = decoder.prefill(list(different))
    rows = torch.tensor([different[prompt] for prompt in prompts], device=logits.device)
    decoder.expand(rows)
    return decoder, logits[rows]


def _completions(tokens: Tensor, entropy: Tensor, log_probability: Tensor) -> list[Completion]:
    """From [rows, positions] to rows; positions after a row's end hold the token -1."""
    mask = tokens >= 0
    lengths = mask.sum(1)
    means = ((entropy * mask).sum(1) / lengths).tolist()
    sums = (log_probability * mask).sum(1).tolist()
    ids = [
        tuple(row[:length]) for row, length in zip(tokens.tolist(), lengths.tolist(), strict=True)
    ]
    return [Completion(*parts) for parts in zip(ids, means, sums, strict=True)]


def _without(ended: Tensor) -> Tensor:
    """The rows that go on, in an order that moves few: the last ones fill the gaps of the first."""
    going = (~ended).nonzero()[:, 0]
    gaps = ended[: len(going)].nonzero()[:, 0]
    order = torch.arange(len(going), device=ended.device)
    order[gaps] = going[len(going) - len(gaps) :]
    return order


def _check_lengths(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], max_new_tokens: int
) -> None:
    if max_new_tokens < 1:
        raise CurrlabError(f"'max_new_tokens' must be at least 1; got {max_new_tokens}.")
    context = getattr(model.config, "max_position_embeddings", None)
    longest, shortest = (f(map(len, prompts), default=1) for f in (max, min))
    if shortest == 0:
        raise CurrlabError("A prompt has no tokens; every prompt needs at least one.")
    if context is not None and longest + max_new_tokens > context:
        raise CurrlabError(
            f"A prompt of {longest} tokens and {max_new_tokens} new ones do not fit the model's "
            f"context of {context} tokens."
        )
