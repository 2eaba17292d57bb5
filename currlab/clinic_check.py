"""How far can `diagnose` be trusted? The clinic's runs on seeds and a task that no threshold saw.

``python -m currlab.clinic_check`` makes the runs (a quarter of an hour on one core; what is there is
not made again), prints the table and writes it to ``clinic.json``; with ``--ship`` into the package.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import pandas as pd
import torch

from currlab import clinic
from currlab.diagnose import diagnose
from currlab.evidence import THRESHOLDS
from currlab.files import read_json, write_json_atomic
from currlab.runs import Run, package_versions
from currlab.training.records import learner_record

# The thresholds were set on sorting with seeds 0 to 2.
TASKS = ("sorting", "brackets")
SEEDS = (3, 4, 5)


def examine(case: str, task: str, seed: int, folder: str | Path) -> dict[str, Any]:
    """Make this run of the clinic in `folder`, unless it is there, and say what is diagnosed."""
    if not Run(folder).finished:
        trainer = clinic.start(case, task, seed)
        settings = {"training": asdict(trainer.config), "recipe": trainer.recipe.describe()}
        with Run.open(folder, settings) as run:
            run.cut({})
            run.note_learner(learner_record(trainer.tokenizer))
            trainer.run = run
            trainer.train(progress=False)
    found = diagnose(folder)
    expected = case if case in clinic.FAILURES else "healthy"
    steps = pd.DataFrame(Run(folder).records("metrics"))
    return {
        "case": case,
        "task": task,
        "seed": seed,
        "expected": expected,
        "found": [finding.name for finding in found],
        "right": found[0].name == expected,
        "evidence": found[0].evidence,
        "zero_variance": float(steps["zero_variance"].mean()),
    }


def summary(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """For each case and task: how many of the seeds were diagnosed rightly (the first finding)."""
    table = pd.DataFrame(rows)
    counts = table.groupby(["case", "task"], sort=False)["right"].agg(["sum", "size"])
    shown = counts["sum"].astype(str) + " of " + counts["size"].astype(str)
    return shown.unstack("task")


def shipped_path() -> Path:
    """Where the package keeps the table."""
    return Path(str(files("currlab") / "results" / "clinic.json"))


def shipped() -> dict[str, Any]:
    """The measurement that comes with the package: `rows` as `examine` gives them, and `meta`."""
    return read_json(shipped_path())


@click.command()
@click.option("--out", default="runs/clinic", show_default=True, help="Folder of the runs.")
@click.option("--ship", is_flag=True, help="Also write the table into the package.")
def main(out: str, ship: bool) -> None:
    """Measure the detectors on the clinic's runs."""
    torch.set_num_threads(1)
    rows = []
    for task in TASKS:
        for seed in SEEDS:
            for case in (*clinic.FAILURES, *clinic.HEALTHY):
                rows.append(examine(case, task, seed, Path(out) / f"{task}-{case}-{seed}"))
                click.echo(f"{task} {seed} {case}: {', '.join(rows[-1]['found'])}")
    click.echo(summary(rows).to_string())
    meta = {
        "thresholds": asdict(THRESHOLDS),
        "versions": package_versions(),
        "date": datetime.date.today().isoformat(),
        "command": "python -m currlab.clinic_check",
    }
    for path in [Path(out) / "clinic.json"] + ([shipped_path()] if ship else []):
        write_json_atomic(path, {"meta": meta, "rows": rows})
        click.echo(path)


if __name__ == "__main__":
    main()
