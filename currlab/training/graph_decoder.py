"""The fast decoder on a GPU: fixed shapes, so that one CUDA graph can be replayed for every token.

For a small model a GPU computes a token faster than Python can name the kernels it takes. A CUDA
graph names them once: the first batch of a shape is captured, and every later token of that shape is
one launch. What a graph needs in return is that nothing moves: the cache has its full length from
the start, rows that have ended stay, and how far the cache is filled is a number on the device.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from weakref import WeakKeyDictionary, proxy

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from transformers import LlamaForCausalLM

from currlab.training.decoders import LlamaDecoder

# Lengths are rounded up to a multiple of this, and rows to a power of 2, so that few shapes occur.
LENGTH_STEP = 32
# Shapes kept for a model, the latest used ones: each holds a whole cache.
SHAPES_KEPT = 4
Shape = tuple[int, int]


class GraphedLlamaDecoder:
    """`LlamaDecoder` reads the prompts, then a `StaticDecoder` of fitting shape goes on."""

    drops_rows = False

    def __init__(self, model: LlamaForCausalLM, max_new_tokens: int) -> None:
        self.reader = LlamaDecoder(model, max_new_tokens)

    def prefill(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Read the prompts; next-token logits, [rows, vocabulary]."""
        return self.reader.prefill(prompts)

    def expand(self, rows: Tensor) -> None:
        """Make these rows, with repeats, the batch."""
        length = -(-self.reader.bias.shape[1] // LENGTH_STEP) * LENGTH_STEP
        shape = 1 << (len(rows) - 1).bit_length(), length
        self.static = _decoder_of(self.reader.model, shape)
        self.static.fill(self.reader, rows)
        self.rows = len(rows)

    def step(self, tokens: Tensor) -> Tensor:
        """Append one token a row; next-token logits, [rows, vocabulary], until the next step."""
        return self.static.step(tokens)[: self.rows]


class StaticDecoder(LlamaDecoder):
    """Rows and cache of one shape [R, T], overwritten by every batch that has it.

    `used` [1] counts the filled times; where a key is not filled or is padding `bias` [R, T] holds
    the lowest number, as in `LlamaDecoder`. On a CPU the same steps run without a graph.
    """

    def __init__(self, model: LlamaForCausalLM, shape: Shape) -> None:
        super().__init__(model, max_new_tokens=1)
        self.model = proxy(model)  # or the model would live as long as what is kept for it
        self.filled = 0  # of no use here: `used` counts on the device
        rows, length = shape
        device, config = model.device, model.config
        head = model.model.layers[0].self_attn.head_dim
        size = (len(self.layers), 2, rows, config.num_key_value_heads, length, head)
        self.cache = torch.zeros(size, dtype=model.dtype, device=device)
        self.bias = torch.zeros(shape, device=device)
        self.positions = torch.zeros(rows, 1, dtype=torch.long, device=device)
        self.tokens = torch.zeros(rows, dtype=torch.long, device=device)
        self.used = torch.zeros(1, dtype=torch.long, device=device)
        self.graph = self._capture() if device.type == "cuda" else None

    def fill(self, reader: LlamaDecoder, rows: Tensor) -> None:
        """Take over what `reader` has read, for these of its rows, and its present weights."""
        n, read = len(rows), reader.filled
        for ours, theirs in zip(self.layers, reader.layers, strict=True):
            for mine, new in ((ours[1], theirs[1]), (ours[4], theirs[4])):
                for kept, part in zip(mine, new, strict=True):
                    if kept is not None:
                        kept.copy_(part)
        # What is not filled counts with weight 0, which a leftover infinity would turn into NaN.
        self.cache.zero_()
        for target, source in zip(
            self.cache.flatten(0, 1), reader.cache.flatten(0, 1), strict=True
        ):
            target[:n, :, :read] = source[rows, :, :read]
        self.bias.fill_(torch.finfo(torch.float32).min)
        self.bias[:n, :read] = reader.bias[rows, :read]
        self.positions.zero_()
        self.positions[:n] = reader.positions[rows]
        self.used.fill_(read)

    def step(self, tokens: Tensor) -> Tensor:
        """Append one token a row to the first rows; next-token logits [R, vocabulary]."""
        self.tokens[: len(tokens)] = tokens
        if self.graph is None:
            return self._next()
        self.graph.replay()
        return self.logits

    def _next(self) -> Tensor:
        self.positions += 1
        self.bias.index_fill_(1, self.used, 0.0)
        logits = self._forward(self.tokens[:, None], self.bias[:, None])
        self.used += 1
        return logits

    def _attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        """Attention over the whole length; [R, 1, K * Q * D]."""
        keys, values = self.cache[layer]
        keys.index_copy_(2, self.used, k)
        values.index_copy_(2, self.used, v)
        seen = F.scaled_dot_product_attention(
            q,
            keys,
            values,
            attn_mask=bias[:, None].to(q.dtype),
            enable_gqa=q.shape[1] != keys.shape[1],
        )
        return seen.transpose(1, 2).flatten(2)

    def _capture(self) -> torch.cuda.CUDAGraph:
        """Record one step; `fill` puts right what the trial steps have written."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # libraries set themselves up before the recording
            for _ in range(2):
                self._next()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Another thread may use the GPU meanwhile: the live lab draws while a model trains.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self.logits = self._next()
        return graph


_kept: WeakKeyDictionary[LlamaForCausalLM, OrderedDict[tuple, StaticDecoder]] = WeakKeyDictionary()


def _decoder_of(model: LlamaForCausalLM, shape: Shape) -> StaticDecoder:
    """The model's decoder of this shape, captured once and kept while its weights stay in place."""
    ours = _kept.setdefault(model, OrderedDict())
    key = (*shape, *(weight.data_ptr() for weight in model.parameters()))
    if key not in ours:
        while len(ours) >= SHAPES_KEPT:
            ours.popitem(last=False)
        ours[key] = StaticDecoder(model, shape)
    ours.move_to_end(key)
    return ours[key]
