"""Runs that can be steered and repeated: the folder to keep them in, and the same run once more."""

from __future__ import annotations

import itertools
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
from currlab.training.records import learner_record
from currlab.training.scratch import ScratchTrainer
from currlab.training.steering import Change, described_recipe

FIRST = "checkpoint-0"


@dataclass(frozen=True)
class Replay:
    """The repeated run, and what differs from the original: nothing on the same CPU and versions."""

    trainer: ScratchTrainer
    changes: int
    differences: tuple[str, ...]


def open_run(folder: str | Path, recipe: Recipe, config: TrainingConfig) -> Run:
    """A run folder that holds all that `replay` needs; the trainer is made with it.

    run = open_run("runs/mine", recipe, config)
    trainer = ScratchTrainer(model, tokenizer, recipe, config, run)
    """
    settings = {"engine": "scratch", "training": asdict(config), "recipe": recipe.describe()}
    return Run.open(folder, settings)


def keep(trainer: ScratchTrainer, folder: str | Path) -> Run:
    """Let the trainer, which has not begun, write its run to `folder`/1, or 2, ..., which is new.

    The weights that it begins with are kept, too: they may be nobody's but this notebook's.
    CurrlabError if it has begun, writes to a folder already, or is not of the from-scratch engine.
    """
    if not isinstance(trainer, ScratchTrainer):
        raise CurrlabError("Only runs of the from-scratch engine are kept; leave the folder out.")
    if trainer.run is not None or trainer.clock.step:
        raise CurrlabError(
            "This trainer has a folder or has taken steps; make a new one to keep its run."
        )
    places = (Path(folder) / str(number) for number in itertools.count(1))
    run = open_run(next(p for p in places if not p.exists()), trainer.recipe, trainer.config)
    run.note_learner(learner_record(trainer.tokenizer))
    trainer.run = run
    trainer.save(run.checkpoints / FIRST)
    return run


def keep_weights(trainer: ScratchTrainer) -> None:
    """Write what the weights are at the end, unless the training has done so."""
    last = trainer.run.checkpoints / f"checkpoint-{trainer.clock.step}"
    if not last.exists():
        trainer.save(last)


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
    first = original.checkpoints / FIRST
    model, tokenizer = load_model(str(first) if first.exists() else config.model, device)
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
