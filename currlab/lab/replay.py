"""Runs that can be steered and repeated: the folder to steer in, and the same run once more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from currlab.curricula.core import Recipe
from currlab.errors import CurrlabError
from currlab.files import dump_json
from currlab.models import load_model
from currlab.runs import Run
from currlab.training.checkpoints import WEIGHTS
from currlab.training.config import TrainingConfig
from currlab.training.scratch import ScratchTrainer
from currlab.training.steering import Change, described_recipe


@dataclass(frozen=True)
class Replay:
    """The repeated run, and what differs from the original: nothing on the same CPU and versions."""

    trainer: ScratchTrainer
    changes: int
    differences: tuple[str, ...]


def open_run(folder: str | Path, recipe: Recipe, config: TrainingConfig) -> Run:
    """A run folder that holds all that `replay` needs; the trainer is made with it.

    >>> trainer = ScratchTrainer(model, tokenizer, recipe, config, open_run("runs/mine", recipe, config))
    """
    settings = {"engine": "scratch", "training": asdict(config), "recipe": recipe.describe()}
    return Run.open(folder, settings)


def replay(folder: str | Path, device: str = "cpu") -> Replay:
    """Train again, without anybody steering, as a finished run's files say; nothing is written.

    CurrlabError if the run is not finished, or not one of the from-scratch engine.
    """
    original = Run(folder)
    if not original.finished:
        raise CurrlabError(f"The run '{folder}' is not finished; go on with it before a replay.")
    told = original.config
    if told.get("engine") != "scratch" or not {"training", "recipe"} <= told.keys():
        raise CurrlabError(f"The run '{folder}' does not say how it was made; see open_run.")
    config = _config(told["training"])
    model, tokenizer = load_model(config.model, device)
    trainer = ScratchTrainer(model, tokenizer, described_recipe(told["recipe"]), config)
    trainer.planned = [Change.read(record) for record in original.records("steering")]
    changes = len(trainer.planned)
    trainer.train()
    return Replay(trainer, changes, tuple(_differences(original, trainer)))


def _config(training: Mapping[str, Any]) -> TrainingConfig:
    """Settings as a config file holds them: its lists are the settings' tuples."""
    levels = {task: tuple(levels) for task, levels in training["levels"].items()}
    changed = {"levels": levels, "adam_betas": tuple(training["adam_betas"])}
    return TrainingConfig(**{**training, **changed})


def _differences(original: Run, trainer: ScratchTrainer) -> list[str]:
    """One phrase for each log, and for the weights, that is not the same in every bit."""
    found = []
    for stream, records in trainer.history.items():
        ours = [_timeless(json.loads(dump_json(record))) for record in records]
        theirs = [_timeless(record) for record in original.records(stream)]
        if ours != theirs:
            pairs = zip(ours, theirs, strict=False)
            first = next(
                (i for i, (a, b) in enumerate(pairs, 1) if a != b), min(len(ours), len(theirs)) + 1
            )
            found.append(f"{stream}.jsonl differs from line {first} on")
    newest = original.newest_checkpoint()
    if newest is not None:
        saved = load_file(newest / WEIGHTS)
        mine = dict(trainer.model.named_parameters())
        if not all(torch.equal(saved[name], mine[name].detach().cpu()) for name in saved):
            found.append("the weights differ")
    return found


def _timeless(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without what a clock measured."""
    return {key: value for key, value in record.items() if not key.startswith("seconds")}
