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

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from transformers import DynamicCache, LlamaForCausalLM, PreTrainedModel

from currlab.errors import CurrlabError

logger = logging.getLogger(__name__)

# Rows sampled at a time: more of them no longer speed up a matrix product, but leave the cache.
ROWS_AT_A_TIME = 256
# Finished rows are dropped once they are this share of the batch: each drop copies the cache.
DROP_SHARE = 0.125


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
            for start in range(0, len(prompts), ROWS_AT_A_TIME):
                rows = by_length[start : start + ROWS_AT_A_TIME]
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


def uniform_numbers(seeds: np.ndarray, position: int) -> np.ndarray:
    """One number in (0, 1) a seed, a pure function of (seed, position): splitmix64, 52 bits kept.

    Source: Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

    >>> uniform_numbers(np.array([1, 2], dtype=np.uint64), 0).round(3).tolist()
    [0.384, 0.972]
    """
    with np.errstate(over="ignore"):
        state = _mix(seeds) + np.uint64(position + 1) * np.uint64(0x9E3779B97F4A7C15)
        return ((_mix(state) >> np.uint64(12)) + 0.5) * 2.0**-52


def _mix(bits: np.ndarray) -> np.ndarray:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def draw(logits: Tensor, uniform: np.ndarray, temperature: float) -> Tensor:
    """One token id a row: inverse CDF of softmax(logits / temperature), argmax at 0."""
    if temperature == 0:
        return logits.argmax(-1)
    # float64, so that the sum over a large vocabulary keeps its small probabilities.
    cumulative = (logits / temperature).softmax(-1).double().cumsum(-1)
    target = torch.from_numpy(uniform).to(logits.device)[:, None] * cumulative[:, -1:]
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
    different = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
    decoder = _decoder(model, max_new_tokens)
    logits = decoder.prefill(list(different))
    device, n = logits.device, len(prompts)
    shared = torch.tensor([different[prompt] for prompt in prompts], device=device)
    decoder.expand(shared)
    logits = logits[shared]
    numbers = np.array([seed & 0xFFFFFFFFFFFFFFFF for seed in seeds], dtype=np.uint64)
    tokens = torch.full((n, max_new_tokens), -1, device=device)
    entropy, log_probability = torch.zeros(2, n, max_new_tokens, device=device)
    rows = torch.arange(n, device=device)  # the row of `tokens` that each row of the batch fills
    ended = torch.zeros(n, dtype=torch.bool, device=device)
    for position in range(max_new_tokens):
        logits = logits.float()
        drawn = draw(logits, uniform_numbers(numbers, position), temperature)
        log_p = logits.log_softmax(-1)
        tokens[rows, position] = drawn.masked_fill(ended, -1)
        entropy[rows, position] = -(log_p.exp() * log_p).sum(-1)
        log_probability[rows, position] = log_p.gather(1, drawn[:, None])[:, 0]
        ended = ended | (drawn == end_id)
        done = int(ended.sum())
        if done == len(rows) or position == max_new_tokens - 1:
            break
        if done > DROP_SHARE * len(rows):
            going = _without(ended)
            decoder.keep(going)
            rows, drawn, ended = rows[going], drawn[going], ended[going]
            numbers = numbers[going.cpu().numpy()]
        logits = decoder.step(drawn)
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


# ---------------------------------------------------------------- the two ways through the model


def is_fast(model: PreTrainedModel) -> bool:
    """Can `LlamaDecoder` run this model? A Llama without adapters, quantisation or dynamic RoPE."""
    if type(model) is not LlamaForCausalLM:
        return False
    rope = model.config.rope_parameters["rope_type"]
    linears = [m for name, m in model.named_modules() if name.endswith("_proj")]
    return rope in ("default", "linear", "llama3") and all(type(m) is nn.Linear for m in linears)


def _decoder(model: PreTrainedModel, max_new_tokens: int) -> LlamaDecoder | HuggingFaceDecoder:
    if is_fast(model):
        return LlamaDecoder(model, max_new_tokens)
    _say_slow(type(model).__name__)
    return HuggingFaceDecoder(model)


@cache
def _say_slow(name: str) -> None:
    """Once per kind of model, thanks to the cache."""
    logger.warning(
        "Rollouts of %s go through its own forward: the fast path serves plain Llama models.", name
    )


def left_pad(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and mask, both [rows, longest prompt]; the padding's id (0) is masked everywhere."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + list(p) for p in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
    return ids, mask


class HuggingFaceDecoder:
    """Any causal language model, through its own forward and cache."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.cache = DynamicCache(config=model.config)

    def prefill(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Read the prompts; next-token logits, [rows, vocabulary]."""
        ids, self.mask = left_pad(prompts, self.model.device)
        return self._forward(ids, (self.mask.cumsum(1) - 1).clamp(min=0))

    def expand(self, rows: Tensor) -> None:
        """Make these rows, with repeats, the batch."""
        self.cache.batch_select_indices(rows)
        self.mask = self.mask[rows]

    keep = expand

    def step(self, tokens: Tensor) -> Tensor:
        """Append one token a row; next-token logits, [rows, vocabulary]."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=1)
        return self._forward(tokens[:, None], self.mask.sum(1, keepdim=True) - 1)

    def _forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        return self.model(
            input_ids=ids,
            attention_mask=self.mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]


class LlamaDecoder:
    """The same for a plain `LlamaForCausalLM`, reading its weights but not calling its modules.

    Shapes: rows R, time T, key/value heads K, queries per key/value head Q, head width D.
    """

    def __init__(self, model: LlamaForCausalLM, max_new_tokens: int) -> None:
        self.model, self.config = model, model.config
        self.room = max_new_tokens - 1  # the last new token is never read
        self.layers = []
        for layer in model.model.layers:
            attention, mlp = layer.self_attn, layer.mlp
            self.layers.append(
                (
                    layer.input_layernorm,
                    _joined(attention.q_proj, attention.k_proj, attention.v_proj),
                    attention.o_proj,
                    layer.post_attention_layernorm,
                    _joined(mlp.gate_proj, mlp.up_proj),
                    mlp,
                )
            )

    def prefill(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Read the prompts; next-token logits, [rows, vocabulary]."""
        ids, mask = left_pad(prompts, self.model.device)
        rows, width = ids.shape
        heads, head = self.config.num_key_value_heads, self.model.model.layers[0].self_attn.head_dim
        shape = (len(self.layers), 2, rows, heads, width, head)
        self.cache = torch.empty(shape, dtype=self.model.dtype, device=ids.device)
        self.filled = 0
        self.positions = (mask.cumsum(1) - 1).clamp(min=0)
        # Added to the scores of key t: 0, or minus infinity where t is padding. [R, T]
        self.bias = torch.zeros(rows, width + self.room, device=ids.device)
        self.bias[:, :width].masked_fill_(mask == 0, torch.finfo(torch.float32).min)
        future = torch.full((width, width), torch.finfo(torch.float32).min, device=ids.device)
        bias = self.bias[:, None, :width].minimum(future.triu(1))
        logits = self._forward(ids, bias)
        self.positions = self.positions[:, -1:]
        return logits

    def expand(self, rows: Tensor) -> None:
        """Make these rows, with repeats, the batch."""
        layers, two, _, heads, time, head = self.cache.shape
        shape = (layers, two, len(rows), heads, time + self.room, head)
        expanded, read = self.cache.new_empty(shape), slice(0, self.filled)
        for target, source in zip(expanded.flatten(0, 1), self.cache.flatten(0, 1), strict=True):
            target[:, :, read] = source[rows, :, read]
        self.cache, self.bias, self.positions = expanded, self.bias[rows], self.positions[rows]

    def keep(self, rows: Tensor) -> None:
        """Make these rows, each at most once, the batch; only rows that move are copied."""
        moved = (rows != torch.arange(len(rows), device=rows.device)).nonzero()[:, 0]
        read = slice(0, self.filled)
        for tensor in self.cache.flatten(0, 1):
            tensor[moved, :, read] = tensor[rows[moved], :, read]
        self.cache = self.cache[:, :, : len(rows)]
        self.bias, self.positions = self.bias[rows], self.positions[rows]

    def step(self, tokens: Tensor) -> Tensor:
        """Append one token a row; next-token logits, [rows, vocabulary]."""
        self.positions = self.positions + 1
        return self._forward(tokens[:, None], self.bias[:, None, : self.filled + 1])

    def _forward(self, ids: Tensor, bias: Tensor) -> Tensor:
        llama = self.model.model
        hidden = llama.embed_tokens(ids)
        rotation = llama.rotary_emb(hidden, self.positions)
        for index, (norm_1, qkv, out, norm_2, gate_up, mlp) in enumerate(self.layers):
            q, k, v = self._heads(F.linear(norm_1(hidden), *qkv), rotation)
            hidden = hidden + out(self._attend(index, q, k, v, bias))
            gate, up = F.linear(norm_2(hidden), *gate_up).chunk(2, dim=-1)
            hidden = hidden + mlp.down_proj(mlp.act_fn(gate) * up)
        self.filled += ids.shape[1]
        return self.model.lm_head(llama.norm(hidden[:, -1]))

    def _heads(self, qkv: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        """Split [R, T, q + k + v] into rotated q [R, K * Q, T, D], rotated k and v [R, K, T, D]."""
        rows, time, _ = qkv.shape
        kv = self.config.num_key_value_heads
        heads = qkv.view(rows, time, -1, self.cache.shape[-1]).transpose(1, 2)
        both, v = heads[:, :-kv], heads[:, -kv:]
        cos, sin = (part[:, None] for part in rotation)
        left, right = both.chunk(2, dim=-1)
        both = both * cos + torch.cat([-right, left], dim=-1) * sin
        return both[:, :-kv], both[:, -kv:], v

    def _attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        """Attention over everything read so far; [R, T, K * Q * D]."""
        rows, heads, time, width = q.shape
        now = slice(self.filled, self.filled + time)
        keys, values = self.cache[layer]
        keys[:, :, now], values[:, :, now] = k, v
        keys, values = keys[:, :, : now.stop], values[:, :, : now.stop]
        q = q.reshape(rows, keys.shape[1], -1, width)  # the Q queries of a head: more rows of q
        scores = (q @ keys.transpose(2, 3)).float() * width**-0.5
        scores = scores.view(rows, heads, time, -1) + bias[:, None]
        weights = scores.softmax(-1).to(q.dtype).view(rows, keys.shape[1], -1, now.stop)
        return (weights @ values).view(rows, heads, time, width).transpose(1, 2).flatten(2)


def _joined(*linears: nn.Linear) -> tuple[Tensor, Tensor | None]:
    """The weight and bias of one linear map whose output is all of theirs side by side."""
    bias = None if linears[0].bias is None else torch.cat([m.bias for m in linears])
    return torch.cat([m.weight for m in linears]), bias
