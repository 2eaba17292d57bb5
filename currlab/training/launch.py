"""One GRPO run from names to results, with either engine; what the CLI and studies call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from currlab.curricula.core import Recipe
from currlab.errors import CurrlabError
from currlab.models import load_model
from currlab.runs import Run
from currlab.training.config import TrainingConfig
from currlab.training.vllm_checks import SERVER, check_vllm

ENGINES = ("scratch", "trl")


@dataclass(frozen=True)
class Start:
    """A model that a warm-up made: its folder, and the arguments that `warm_up` had."""

    folder: Path
    warm_up: Mapping[str, Any]


def launch(
    recipe: Recipe,
    config: TrainingConfig,
    folder: str | Path,
    engine: str = "scratch",
    device: str = "cpu",
    progress: bool = True,
    start: Start | None = None,
    vllm: str = "off",
    vllm_server: str = SERVER,
) -> dict[str, Any]:
    """Train in `folder`, or resume what is there, or return its results if it is finished.

    The recipe's strategies must be fresh: a resumed run restores their state itself. With `start`
    training begins with that model in place of the config's, from which it was made. `vllm` and
    `vllm_server` are as for `CurriculumGRPOTrainer`.
    """
    if engine not in ENGINES:
        raise CurrlabError(f"Unknown engine '{engine}'; the engines are {', '.join(ENGINES)}.")
    if engine == "scratch" and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise CurrlabError(
            "The scratch engine is one process; under torchrun use the engine 'trl'."
        )
    if engine == "scratch" and vllm != "off":
        raise CurrlabError(f"The vLLM mode '{vllm}' needs the engine 'trl'; got '{engine}'.")
    check_vllm(vllm, device, vllm_server)
    settings = {"engine": engine, "training": asdict(config), "recipe": recipe.describe()}
    if start:
        settings["warm_up"] = dict(start.warm_up)
    if vllm != "off":
        settings["vllm"] = vllm
    # Of torchrun's processes only the first keeps the run.
    first = int(os.environ.get("RANK", 0)) == 0
    with Run.open(folder, settings) if first else nullcontext() as run:
        if Run(folder).finished:
            return Run(folder).results
        model, tokenizer = load_model(str(start.folder) if start else config.model, device)
        if engine == "scratch":
            from currlab.training.scratch import ScratchTrainer

            return ScratchTrainer(model, tokenizer, recipe, config, run).train(progress=progress)
        from currlab.training.grpo_trainer import train_with_trl

        options = {"vllm": vllm, "vllm_server": vllm_server}
        return train_with_trl(model, tokenizer, recipe, config, run, progress=progress, **options)
