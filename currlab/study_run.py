"""Running a study: what is not finished yet, several runs at a time, here or on a Dask cluster."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
from filelock import FileLock
from joblib import Parallel, delayed, parallel_config

from currlab.errors import CurrlabError
from currlab.models import load_model, save_model
from currlab.runs import Run
from currlab.study import gather
from currlab.study_plan import Contestant, Study
from currlab.study_results import Results
from currlab.training.config import TrainingConfig
from currlab.training.launch import Start, launch

SECONDS_TO_CONNECT = 15
SECONDS_BETWEEN_LOOKS = 0.5


def run_one(study: Study, contestant: Contestant, seed: int, root: Path) -> str:
    """One run of the grid, on one torch thread; resumes, and returns its label when finished."""
    import torch

    torch.set_num_threads(1)
    folder = study.folder(root, contestant, seed)
    # Workers outlive a study that was killed, and end what they had begun.
    while Run(folder).is_written_to():
        time.sleep(SECONDS_BETWEEN_LOOKS)
    recipe, config = contestant.recipe(seed), replace(study.config, seed=seed)
    start = None
    if contestant.warm_up:
        start = Start(_warm_folder(study, contestant, seed, root), contestant.warm_up)
        if not Run(folder).finished:
            _warm_up_once(config, start)
    launch(recipe, config, folder, contestant.engine, progress=False, start=start)
    return f"{contestant.label}-{seed}"


def _warm_folder(study: Study, contestant: Contestant, seed: int, root: Path) -> Path:
    """Where the contestant's warmed-up model is kept; equal warm-ups share it, seed by seed."""
    told = json.dumps(contestant.warm_up, sort_keys=True).encode()
    return root / study.name / ".warm" / f"{hashlib.sha256(told).hexdigest()[:8]}-{seed}"


def _warm_up_once(config: TrainingConfig, start: Start) -> None:
    """Make the model of `start`; the first run that needs it does, and the others wait."""
    from currlab.training.warm_up import warm_up

    folder = start.folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            model, tokenizer = load_model(config.model)
            warm_up(model, tokenizer, **start.warm_up, seed=config.seed)
            os.replace(save_model(model, tokenizer, f"{folder}.part"), folder)


def run_study(
    study: Study,
    root: Path,
    workers: int = 1,
    said: Callable[[str], None] = print,
    scheduler: str | None = None,
) -> Results:
    """Run what is not finished yet, `workers` runs at a time, and gather the results.

    With the address of a Dask `scheduler`, its workers run everything; they and this process must
    see the folder `root` under the same path.
    """
    grid = study.runs()
    left = {f"{c.label}-{seed}" for c, seed in grid if not _finished(study, root, c, seed)}
    started, to_run = datetime.datetime.now(), len(left)
    # Finished runs are opened, too: their settings must be this study's.
    jobs = (delayed(run_one)(study, c, seed, root.absolute()) for c, seed in grid)
    with _backend(workers, scheduler):
        for label in Parallel(return_as="generator_unordered")(jobs):
            if label not in left:
                continue
            left.remove(label)
            spent = datetime.datetime.now() - started
            remaining = str(spent / (to_run - len(left)) * len(left)).split(".")[0]
            done = len(grid) - len(left)
            said(
                f"{progress_table(study, root).to_string()}\n"
                f"{done}/{len(grid)} runs finished ({label}), about {remaining} left"
            )
    return gather(study, root)


@contextmanager
def _backend(workers: int, scheduler: str | None) -> Iterator[None]:
    """Where joblib runs things: in processes of this machine, or on a Dask cluster."""
    if scheduler is None:
        with parallel_config(n_jobs=workers):
            yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise CurrlabError("A Dask cluster needs: pip install 'currlab[cluster]'.") from error
    try:
        client = Client(scheduler, timeout=SECONDS_TO_CONNECT)
    except (OSError, ValueError) as error:
        raise CurrlabError(
            f"No Dask scheduler answers at '{scheduler}'; give the address that `dask scheduler` "
            "prints, such as tcp://127.0.0.1:8786."
        ) from error
    with client, parallel_config(backend="dask", n_jobs=-1):
        yield


def progress_table(study: Study, root: Path) -> pd.DataFrame:
    """How many runs of every recipe are finished, begun and not begun, from their folders."""
    table = pd.DataFrame(
        0, index=[c.label for c in study.contestants], columns=["finished", "begun", "left"]
    )
    for contestant, seed in study.runs():
        begun = (study.folder(root, contestant, seed) / "config.json").exists()
        finished = _finished(study, root, contestant, seed)
        state = "finished" if finished else "begun" if begun else "left"
        table.loc[contestant.label, state] += 1
    return table


def _finished(study: Study, root: Path, contestant: Contestant, seed: int) -> bool:
    return Run(study.folder(root, contestant, seed)).finished
