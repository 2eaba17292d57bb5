"""One GRPO run from names to results, with either engine; what the CLI and studies call."""

from __future__ import annotations

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
) -> dict[str, Any]:
    """Train in `folder`, or resume what is there, or return its results if it is finished.

    The recipe's strategies must be fresh: a resumed run restores their state itself.
    """
    if engine not in ENGINES:
        raise CurrlabError(f"Unknown engine '{engine}'; the engines are {', '.join(ENGINES)}.")
    settings = {"engine": engine, "training": asdict(config), "recipe": recipe.describe()}
    with Run.open(folder, settings) as run:
        if not run.finished:
            model, tokenizer = load_model(config.model, device)
            if engine == "scratch":
                from currlab.training.scratch import ScratchTrainer

                ScratchTrainer(model, tokenizer, recipe, config, run).train(progress=progress)
            else:
                from currlab.training.grpo_trainer import train_with_trl

                train_with_trl(model, tokenizer, recipe, config, run, progress=progress)
        return run.results
