"""How much memory a run needs, estimated before it starts: from a configuration, not from weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from currlab.errors import CurrlabError

GIB = 2**30
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Setting:
    """What a run's memory depends on, besides the model; lengths are in tokens.

    `rows` are the completions of an update in memory at once (prompts x group / micro-batches),
    `sampled` those generated at once. `lora_rank` 0 trains every weight.
    """

    rows: int = 32
    sampled: int = 32
    prompt: int = 256
    completion: int = 256
    lora_rank: int = 0
    dtype: str = "bfloat16"
    checkpointing: bool = False

    def __post_init__(self) -> None:
        for name in ("rows", "sampled", "prompt", "completion"):
            if getattr(self, name) < 1:
                raise CurrlabError(f"'{name}' must be at least 1; got {getattr(self, name)}.")
        if self.lora_rank < 0:
            raise CurrlabError(
                f"'lora_rank' must be 0 (all weights) or more; got {self.lora_rank}."
            )
        if self.dtype not in BYTES:
            raise CurrlabError(f"Unknown dtype '{self.dtype}'; choose from {', '.join(BYTES)}.")


def config_of(model: str) -> PreTrainedConfig:
    """The configuration of a folder or Hub name; no weights are read and no code is run."""
    try:
        return AutoConfig.from_pretrained(model, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise CurrlabError(
            f"Cannot read the configuration of '{model}'; check the folder or name and the network."
        ) from error


def count_parameters(config: PreTrainedConfig, lora_rank: int = 0) -> tuple[int, int]:
    """All weights of the model (tied ones once) and the trained ones, counted without memory.

    An adapter of rank r on a matrix [out, in] trains r (out + in) weights (LoRA, arXiv 2106.09685);
    it stands on every linear layer but the output head, as PEFT's "all-linear" does.
    """
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    weights = sum(p.numel() for p in model.parameters())
    if not lora_rank:
        return weights, weights
    head = model.get_output_embeddings()
    linears = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not head]
    adapter = sum(lora_rank * (m.in_features + m.out_features) for m in linears)
    return weights + adapter, adapter


def estimate(config: PreTrainedConfig, setting: Setting) -> dict[str, int]:
    """Bytes of each part, with b bytes a number, N rows, T = prompt + completion, L layers, width H.

    - weights: b x all parameters; gradients: b x trained; optimiser (AdamW): 2 b x trained
    - activations: b N T L (8 H + 3 F) with the MLP's width F; checkpointing keeps b N T L H and
      one layer in full. The factors are ours, for attention that never holds the T x T scores.
    - logits: N (completion + 1) V (b + 8): as computed, and two copies in float32 for the loss
    - cache of keys and values: 2 b x sampled x T x L x key/value heads x head width

    The update and the generation do not coincide: `peak` adds the larger of (gradients, activations,
    logits) and the cache to weights and optimiser. A library's own overhead is not in it.
    """
    b = BYTES[setting.dtype]
    length = setting.prompt + setting.completion
    everything, trained = count_parameters(config, setting.lora_rank)
    layers = config.num_hidden_layers
    one_layer = b * setting.rows * length * _layer_numbers(config)
    kept = b * setting.rows * length * config.hidden_size * layers
    parts = {
        "weights": b * everything,
        "gradients": b * trained,
        "optimiser": 2 * b * trained,
        "activations": kept + one_layer if setting.checkpointing else layers * one_layer,
        "logits": setting.rows * (setting.completion + 1) * config.vocab_size * (b + 8),
        "cache": b * setting.sampled * length * _cache_numbers(config),
    }
    update = parts["gradients"] + parts["activations"] + parts["logits"]
    return {**parts, "peak": parts["weights"] + parts["optimiser"] + max(update, parts["cache"])}


def _layer_numbers(config: PreTrainedConfig) -> int:
    """Numbers that a layer keeps of one token for the way back."""
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    return 8 * config.hidden_size + 3 * inner


def _cache_numbers(config: PreTrainedConfig) -> int:
    """Numbers that the cache of keys and values holds of one token, over all layers."""
    heads = config.num_attention_heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    head = getattr(config, "head_dim", None) or config.hidden_size // heads
    return 2 * config.num_hidden_layers * kv_heads * head


def update_rows(config: PreTrainedConfig, length: int, dtype: str, available: int) -> int:
    """How many rows of `length` tokens an update can hold at once in half of `available` bytes.

    At least 1. The other half is left to the allocator and to what `estimate` does not know of.
    """
    b = BYTES[dtype]
    activations = b * config.num_hidden_layers * _layer_numbers(config)
    return max(1, available // (2 * length * (activations + config.vocab_size * (b + 8))))


def sampled_rows(config: PreTrainedConfig, length: int, dtype: str, available: int) -> int:
    """How many rows of `length` tokens can be sampled at once, in a quarter of `available` bytes.

    At least 1. A quarter, since the cache is copied when rows are repeated for their rollouts.
    """
    return max(1, available // (4 * BYTES[dtype] * length * _cache_numbers(config)))


def free_memory(device: torch.device) -> int:
    """Bytes that torch can still give out on a CUDA device: free ones, and its own unused ones."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def check_memory(config: PreTrainedConfig, setting: Setting, available: int) -> None:
    """CurrlabError if the estimate exceeds `available` bytes; it says what to make smaller."""
    parts = estimate(config, setting)
    if parts["peak"] <= available:
        return
    largest = max((name for name in parts if name != "peak"), key=parts.__getitem__)
    advice = {
        "weights": "a smaller model or a 2-byte dtype",
        "gradients": "LoRA in place of all weights",
        "optimiser": "LoRA in place of all weights",
        "activations": "fewer rows at once (more micro-batches) or gradient checkpointing",
        "logits": "fewer rows at once (more micro-batches) or shorter completions",
        "cache": "fewer completions sampled at once or shorter ones",
    }[largest]
    raise CurrlabError(
        f"This run needs about {parts['peak'] / GIB:.2f} GiB and {available / GIB:.2f} GiB are "
        f"there; most of it is {largest}, so choose {advice}."
    )
