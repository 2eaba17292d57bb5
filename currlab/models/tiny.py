"""Causal language models small enough to train from nothing: real Llama models, small numbers."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from currlab.errors import CurrlabError
from currlab.models.tokenizer import build_tokenizer

# hidden size, layers, heads, MLP width
SHAPES = {"tiny": (96, 3, 4, 256), "small": (512, 8, 8, 1536)}
CONTEXT = 512


def tiny_config(size: str = "tiny") -> LlamaConfig:
    """The configuration called `size`: 'tiny' (0.34 M, for CPU) or 'small' (tens of millions)."""
    if size not in SHAPES:
        raise CurrlabError(f"Unknown model size '{size}'; known sizes are {', '.join(SHAPES)}.")
    hidden, layers, heads, width = SHAPES[size]
    tokenizer = build_tokenizer()
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        intermediate_size=width,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )


def new_model(size: str = "tiny", seed: int = 0) -> LlamaForCausalLM:
    """A model with random weights; equal seeds give equal weights, the global state is kept."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(tiny_config(size))
