"""Models by name: the shipped weights, random ones, a folder on disk, a repository of the Hub.

Nothing here unpickles: all weights are safetensors, and no code of a repository is ever run.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from currlab.errors import CurrlabError
from currlab.models.tiny import SHAPES, new_model
from currlab.models.tokenizer import build_tokenizer

WEIGHTS = Path(__file__).parent / "weights"
SHIPPED: Mapping[str, str] = {"tiny-base": "base.safetensors", "tiny-warm": "warm.safetensors"}
# Too large to ship: made once on this machine, by `currlab weights --size small`.
MADE: Mapping[str, str] = {"small-base": "base.safetensors", "small-warm": "warm.safetensors"}
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


def load_model(
    name: str, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> Loaded:
    """The model called `name` and its tokenizer, in evaluation mode.

    'tiny-base' and 'tiny-warm' are shipped, 'small-base' and 'small-warm' are made on this machine
    first; 'tiny' and 'small' have random weights (seed 0; other seeds: `new_model`); anything else is
    a folder, or a repository of the Hugging Face Hub.
    """
    check_device(device)
    if name in SHIPPED:
        remedy = "install currlab again, or make the weights anew with `currlab weights`"
        model, tokenizer = _stored("tiny", WEIGHTS / SHIPPED[name], remedy)
    elif name in MADE:
        remedy = "make the weights with `currlab weights --size small` (minutes on a GPU)"
        model, tokenizer = _stored("small", made_folder("small") / MADE[name], remedy)
    elif name in SHAPES:
        model, tokenizer = new_model(name, seed=0), build_tokenizer()
    else:
        model, tokenizer = _pretrained(name)
    return model.to(device=device, dtype=dtype).eval(), tokenizer


def check_device(device: str | torch.device) -> None:
    """CurrlabError if torch has no such device here."""
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise CurrlabError(f"Unknown device '{device}'; use 'cpu' or 'cuda'.") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise CurrlabError("There is no CUDA device here; use the device 'cpu'.")


def save_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: str | Path
) -> Path:
    """Write model and tokenizer to `folder`, where `load_model` and TRL (``beta > 0``) find them."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    except OSError as error:
        raise CurrlabError(f"Cannot write a model to '{folder}': {error.strerror}.") from error
    return folder


def tokenizer_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """A fingerprint of the vocabulary and the chat template: what trained weights rely on."""
    content = json.dumps([tokenizer.get_vocab(), tokenizer.chat_template], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def save_weights(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, path: Path) -> None:
    """Write a tiny model's weights to one file; it is whole or, if anything fails, unchanged."""
    tied = set(model.all_tied_weights_keys)
    tensors = {
        name: tensor.contiguous() for name, tensor in model.state_dict().items() if name not in tied
    }
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={"tokenizer": tokenizer_hash(tokenizer)})
    partial.chmod(0o644)
    os.replace(partial, path)


def made_folder(size: str) -> Path:
    """Where the weights of a size that is not shipped are kept: the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "currlab" / size


def _stored(size: str, path: Path, remedy: str) -> Loaded:
    """A model of `SHAPES` with the weights that `save_weights` wrote to `path`."""
    model, tokenizer = new_model(size), build_tokenizer()
    try:
        with safe_open(path, framework="pt") as file:
            made_for = (file.metadata() or {}).get("tokenizer")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise CurrlabError(f"The weights file '{path}' is missing; {remedy}.") from error
    except (SafetensorError, OSError) as error:
        raise CurrlabError(f"The weights file '{path}' is damaged; {remedy}.") from error
    if made_for != tokenizer_hash(tokenizer):
        raise CurrlabError(
            f"The weights file '{path}' was made for another tokenizer than this version of "
            f"currlab has; {remedy}."
        )
    expected = {k: t.shape for k, t in model.state_dict().items()}
    for tied in model.all_tied_weights_keys:
        del expected[tied]
    if {name: tensor.shape for name, tensor in tensors.items()} != expected:
        raise CurrlabError(f"The weights file '{path}' does not fit the {size} model; {remedy}.")
    model.load_state_dict(tensors, strict=False)
    return model, tokenizer


def _pretrained(name: str) -> Loaded:
    """A model in Hugging Face's format, from a folder or the Hub."""
    is_folder = bool(name) and Path(name).is_dir()
    if not is_folder and not HUB_NAME.fullmatch(name):
        known = ", ".join((*SHIPPED, *MADE, *SHAPES))
        raise CurrlabError(
            f"Unknown model '{name}'; use {known}, a folder that holds a model, or a name of the "
            "Hugging Face Hub such as 'Qwen/Qwen2.5-0.5B-Instruct'."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            name, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        remedy = (
            "it needs a causal language model's configuration, safetensors weights and a tokenizer"
            if is_folder
            else "check the name and the network, or use a model that is here, such as 'tiny-warm'"
        )
        raise CurrlabError(f"Cannot load the model '{name}' ({reason}); {remedy}.") from error
    _check_tokenizer(name, model, tokenizer)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # Completions are appended to prompts, so that padding belongs before them.
    tokenizer.padding_side = "left"
    return model, tokenizer


def _check_tokenizer(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """CurrlabError if there is no chat template, or an id that the model has no embedding for."""
    if tokenizer.chat_template is None:
        raise CurrlabError(
            f"The tokenizer of '{name}' has no chat template; choose an instruct model, or set "
            "`chat_template` on the tokenizer and save it with `save_model`."
        )
    largest = max(tokenizer.get_vocab().values())
    embeddings = model.get_input_embeddings().num_embeddings
    if largest >= embeddings:
        raise CurrlabError(
            f"The tokenizer of '{name}' has ids up to {largest} and the model only {embeddings} "
            "embeddings; call `model.resize_token_embeddings(len(tokenizer))` after tokens were added, "
            "and save both with `save_model`."
        )
