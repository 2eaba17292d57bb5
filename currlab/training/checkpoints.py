"""Checkpoints of the from-scratch engine: JSON and safetensors, nothing that could run code.

The folder also loads with `load_model(folder)`: it holds the model's config and the tokenizer.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from currlab.errors import CurrlabError
from currlab.files import read_json, write_json_atomic

RECORD, WEIGHTS, OPTIMIZER = "currlab.json", "model.safetensors", "optimizer.safetensors"
# Copies of the policy that the recipe compares it with; only where there are any.
REFERENCES = "references.safetensors"


def write_checkpoint(
    folder: str | Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    optimizer: torch.optim.Optimizer,
    record: Mapping[str, Any],
    references: Mapping[str, Tensor],
) -> None:
    """Write into a folder of another name, `record` last, then rename: all of it, or nothing.

    CurrlabError if `folder` exists: a checkpoint is never overwritten.
    """
    folder = Path(folder)
    if folder.exists():
        raise CurrlabError(f"'{folder}' exists already; a checkpoint needs a new folder.")
    part = folder.with_name(f".{folder.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(part)
    tokenizer.save_pretrained(part)
    weights = {name: weight.detach().contiguous() for name, weight in model.named_parameters()}
    save_file(weights, part / WEIGHTS, metadata={"format": "pt"})
    save_file(_flat(optimizer), part / OPTIMIZER)
    if references:
        save_file(dict(references), part / REFERENCES)
    for file in part.iterdir():
        with file.open("rb") as written:
            os.fsync(written.fileno())
    write_json_atomic(part / RECORD, record)
    os.replace(part, folder)


def read_checkpoint(
    folder: str | Path, model: PreTrainedModel, optimizer: torch.optim.Optimizer, engine: str
) -> dict[str, Any]:
    """Load weights and optimiser state in place; the record. Nothing is changed if anything fails.

    CurrlabError names the file that is missing, damaged, or of another model or engine.
    """
    folder = Path(folder)
    record = read_json(folder / RECORD)
    if not isinstance(record, dict) or record.get("engine") != engine:
        raise CurrlabError(f"'{folder}' is not a checkpoint of the engine '{engine}'.")
    parameters = dict(model.named_parameters())
    weights, flat = _tensors(folder / WEIGHTS), _tensors(folder / OPTIMIZER)
    if _shapes(weights) != _shapes(parameters):
        raise CurrlabError(f"'{folder / WEIGHTS}' holds the weights of another model.")
    trained = {str(i): p for i, p in enumerate(p for p in parameters.values() if p.requires_grad)}
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in flat.items():
        index, _, moment = name.partition(".")
        if index not in trained or tensor.shape not in (trained[index].shape, torch.Size()):
            raise CurrlabError(f"'{folder / OPTIMIZER}' belongs to another model.")
        state.setdefault(int(index), {})[moment] = tensor
    groups = optimizer.state_dict()["param_groups"]
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(weights[name])
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return record


def read_references(folder: str | Path) -> dict[str, Tensor]:
    """The saved copies of the policy, by name and parameter; empty where the recipe had none."""
    path = Path(folder) / REFERENCES
    return _tensors(path) if path.exists() else {}


def _flat(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as one dictionary: "parameter index.moment" -> tensor."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": value for i, of in state.items() for name, value in of.items()}


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise CurrlabError(f"There is no file '{path}'.") from error
    except (SafetensorError, OSError) as error:
        raise CurrlabError(
            f"'{path}' is damaged and cannot be read; nothing was changed. Move '{path.parent}' "
            "away to go on from an older checkpoint."
        ) from error


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
