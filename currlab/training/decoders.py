"""Ways through a model, one token at a time: a fast one for plain Llamas, one for all others.

They offer the same four calls: `prefill` reads the different prompts, `expand` repeats them for
their rollouts, `step` appends a token a row, and `keep` drops rows that have ended. On a GPU plain
Llamas go through `graph_decoder`, whose rows stay to the end (`drops_rows`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from transformers import DynamicCache, LlamaForCausalLM, PreTrainedModel

logger = logging.getLogger(__name__)


def is_fast(model: PreTrainedModel) -> bool:
    """Can `LlamaDecoder` run this model? A Llama without adapters, quantisation or dynamic RoPE."""
    if type(model) is not LlamaForCausalLM:
        return False
    rope = model.config.rope_parameters["rope_type"]
    linears = [m for name, m in model.named_modules() if name.endswith("_proj")]
    return rope in ("default", "linear", "llama3") and all(type(m) is nn.Linear for m in linears)


def decoder_for(model: PreTrainedModel, max_new_tokens: int) -> Decoder:
    """The faster of the two that can run this model."""
    if is_fast(model):
        if model.device.type == "cuda":
            from currlab.training.graph_decoder import GraphedLlamaDecoder

            return GraphedLlamaDecoder(model, max_new_tokens)
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

    drops_rows = True

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

    drops_rows = True

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


if TYPE_CHECKING:
    from currlab.training.graph_decoder import GraphedLlamaDecoder

    Decoder = LlamaDecoder | HuggingFaceDecoder | GraphedLlamaDecoder
