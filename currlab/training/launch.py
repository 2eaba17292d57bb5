"""One GRPO run from names to results, with either engine; what the CLI and studies call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from currlab.curricula.core import Recipe
from currlab.errors import CurrlabError
from currlab.models import load_model
from currlab.runs import Run
from currlab.training.config import TrainingConfig

ENGINES = ("scratch", "trl")


def launch(
    recipe: Recipe,
    config: TrainingConfig,
    folder: str | Path,
    engine: str = "scratch",
    device: str = "cpu",
    progress: bool = True,
    warm_up: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Train in `folder`, or resume what is there, or return its results if it is finished.

    The recipe's strategies must be fresh: a resumed run restores their state itself. With `warm_up`,
    arguments of `training.warm_up.warm_up`, the model imitates worked answers first, by the run's
    seed; that costs none of the budget.
    """
    if engine not in ENGINES:
        raise CurrlabError(f"Unknown engine '{engine}'; the engines are {', '.join(ENGINES)}.")
    if engine == "scratch" and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise CurrlabError(
            "The scratch engine is one process; under torchrun use the engine 'trl'."
        )
    settings = {"engine": engine, "training": asdict(config), "recipe": recipe.describe()}
    if warm_up:
        settings["warm_up"] = dict(warm_up)
    # Of torchrun's processes only the first keeps the run.
    first = int(os.environ.get("RANK", 0)) == 0
    with Run.open(folder, settings) if first else nullcontext() as run:
        if Run(folder).finished:
            return Run(folder).results
        model, tokenizer = load_model(config.model, device)
        # A checkpoint holds what the warm-up made of the weights.
        if warm_up and not Run(folder).newest_checkpoint():
            from currlab.training.warm_up import warm_up as imitate

            imitate(model, tokenizer, **warm_up, seed=config.seed)
        if engine == "scratch":
            from currlab.training.scratch import ScratchTrainer

            return ScratchTrainer(model, tokenizer, recipe, config, run).train(progress=progress)
        from currlab.training.grpo_trainer import train_with_trl

        return train_with_trl(model, tokenizer, recipe, config, run, progress=progress)
