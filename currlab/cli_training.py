"""Commands that train, compare and measure: train, diagnose, replay, study, bench, weights."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from currlab.cli_group import examples
from currlab.errors import CurrlabError
from currlab.training.vllm_checks import SERVER


@click.command(
    epilog=examples(
        "currlab train --select sec --steps 300 --out runs/sec-0",
        "currlab train --select sec --set sec.temperature=0.15 --levels sorting=1-12",
        "torchrun --standalone --nproc_per_node 2 -m currlab train --engine trl --out runs/two",
        "currlab train --engine trl --vllm colocate --profile gpu --out runs/fast",
    )
)
@click.option("--select", default="sec", show_default=True, help="Which problem is next?")
@click.option("--present", default="plain", show_default=True, help="How is it shown?")
@click.option("--sample", default="fixed_group", show_default=True, help="How many rollouts?")
@click.option("--reward", default="exact", show_default=True, help="What earns credit?")
@click.option("--update", default="grpo", show_default=True, help="What moves the weights?")
@click.option("--engine", default="scratch", show_default=True, help="scratch or trl.")
@click.option(
    "--vllm",
    default="off",
    show_default=True,
    help="Who samples for the engine trl on a GPU: off (our rollouts), colocate or server.",
)
@click.option("--vllm-server", default=SERVER, show_default=True, help="Its address.")
@click.option(
    "--levels",
    multiple=True,
    metavar="TASK=LEVELS",
    help="What is learnt, such as sorting=1-12 or brackets=1,3; repeat for several tasks.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="STRATEGY.NAME=VALUE", help="A parameter."
)
@click.option("--model", help="Name or folder.  [default: the profile's, such as tiny-warm]")
@click.option("--steps", default=300, show_default=True, help="Optimiser steps.")
@click.option("--seed", default=0, show_default=True, help="Seed of every random draw.")
@click.option("--profile", default="cpu", show_default=True, help="Device, threads and model.")
@click.option("--out", required=True, help="The run's folder; resumes what is there.")
def train(**options: Any) -> None:
    """Train one model under a curriculum; started again, it resumes."""
    from currlab.headless import train_once

    results = train_once(**options)
    # torchrun starts several processes; one of them speaks.
    if os.environ.get("RANK", "0") == "0":
        click.echo(json.dumps(results, indent=1))


@click.command(
    epilog=examples("currlab diagnose runs/mine", "currlab diagnose runs/studies/*/* --json")
)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def diagnose(runs: tuple[str, ...], as_json: bool) -> None:
    """Say what is wrong with runs, with evidence and cure; fails if anything is."""
    from dataclasses import asdict

    from currlab.diagnose import diagnose as findings_of

    found = {run: findings_of(run) for run in runs}
    if as_json:
        told = [{"run": run, "findings": list(map(asdict, found[run]))} for run in runs]
        click.echo(json.dumps(told, indent=1))
    else:
        for run in runs:
            for finding in found[run]:
                click.echo(f"{run}: {finding.name}")
                for line in filter(None, (finding.evidence, finding.cure)):
                    click.echo(f"  {line}")
    names = {finding.name for findings in found.values() for finding in findings}
    sys.exit(bool(names - {"healthy", "undecided"}))


@click.command(epilog=examples("currlab replay runs/mine"))
@click.argument("folder", metavar="FOLDER")
def replay(folder: str) -> None:
    """Repeat a finished run, every live change included; fails if a number or weight differs."""
    from currlab.lab.replay import replay as repeat

    again = repeat(folder)
    steps = again.trainer.clock.step
    click.echo(f"Repeated {steps} steps with {again.changes} live changes.")
    for difference in again.differences:
        click.echo(difference)
    click.echo("Not the same run." if again.differences else "The same in every number and weight.")
    sys.exit(bool(again.differences))


@click.command(
    epilog=examples(
        "currlab study select --table   (what the shipped results say)",
        "currlab study foundations --workers 2",
        "currlab study foundations --scheduler tcp://127.0.0.1:8786   (a Dask cluster)",
        "currlab study mine.yaml",
        "currlab study --select uniform --select sec --levels sorting=1-12 --token-budget 600000",
    )
)
@click.argument("name", required=False, metavar="[NAME or FILE.yaml]")
@click.option("--select", multiple=True, metavar="STRATEGY", help="Compare it; may be repeated.")
@click.option("--levels", multiple=True, metavar="TASK=1-9", help="Train on; may be repeated.")
@click.option("--model", "models", multiple=True, help="Start from; may be repeated.")
@click.option("--seeds", default="0-7", show_default=True, help="Seeds of --select's study.")
@click.option("--token-budget", default=600_000, show_default=True, help="Of --select's runs.")
@click.option("--baseline", help="Compare with this recipe.  [default: uniform, or the first]")
@click.option("--workers", default=1, show_default=True, help="Runs at a time.")
@click.option(
    "--scheduler", metavar="ADDRESS", help="A Dask scheduler; its workers see the same folders."
)
@click.option("--root", default="runs/studies", show_default=True, help="Folder of the runs.")
@click.option("--table", is_flag=True, help="Only print the table of saved results.")
@click.option("--ship", is_flag=True, help="Also replace the results inside the package.")
def study(
    name: str | None,
    select: tuple[str, ...],
    levels: tuple[str, ...],
    models: tuple[str, ...],
    seeds: str,
    token_budget: int,
    baseline: str | None,
    workers: int,
    scheduler: str | None,
    root: str,
    table: bool,
    ship: bool,
) -> None:
    """Compare recipes over seeds at an equal token budget; resumes."""
    from currlab import study as studies
    from currlab import study_files, study_grids, study_run, study_table
    from currlab.study_results import default_baseline

    if (name is None) != bool(select or levels or models):
        raise CurrlabError("Name a study or a YAML file, or choose --select, --levels and --model.")
    if name is None:
        chosen = study_files.from_options(select, levels, models, seeds, token_budget)
    elif name.endswith((".yaml", ".yml")):
        chosen = study_files.read_studies(name)
    else:
        chosen = (study_grids.find_study(name),)
    labels = [contestant.label for contestant in chosen[0].contestants]
    baseline = baseline or default_baseline(labels)
    for one in chosen:
        study_table.check(one, baseline, ship)
    for one in chosen:
        saved = Path(root) / f"{one.name}.json"
        if table:
            shipped = study_grids.STUDIES.get(one.name) == one
            path = studies.shipped_path(one.name) if shipped else saved
            results = studies.read_results(path)
        else:
            results = study_run.run_study(one, Path(root), workers, click.echo, scheduler)
            for path in [saved] + ([studies.shipped_path(one.name)] if ship else []):
                studies.save_results(results, path)
                click.echo(path)
            study_table.write_tables(results, saved, baseline)
        click.echo(study_table.table_text(study_table.compare(results, baseline)))


@click.command(
    epilog=examples(
        "currlab bench   (everything: some ten minutes)",
        "currlab bench selection --turns 3",
        "currlab bench engines rollouts --profile smoke --out runs/speeds.json",
    )
)
@click.argument("subjects", nargs=-1, metavar="[SUBJECT]...")
@click.option("--profile", default="cpu", show_default=True, help="How much a turn measures.")
@click.option("--turns", default=5, show_default=True, help="Times that everything is measured.")
@click.option("--out", default="runs/benchmark.json", show_default=True, type=Path, help="File.")
def bench(subjects: tuple[str, ...], profile: str, turns: int, out: Path) -> None:
    """Measure the project's speed, as ratios with medians and spreads, on one thread.

    Subjects: engines (a training step against TRL's own), rollouts (against model.generate), steps
    (growth with group size and length), difficulty (estimators), selection (up to a million items),
    start (imports and memory).
    """
    # Read when numpy is loaded: a thread that waits would be measured, too.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from currlab import benchmarks

    benchmarks.benchmark(subjects, profile, turns, out)


@click.command(
    epilog="Examples:\n\n  currlab weights --out my-weights\n\n"
    "  currlab weights --size small --device cuda"
)
@click.option("--size", default="tiny", show_default=True, help="Which models: tiny or small.")
@click.option("--device", default="cpu", show_default=True, help="Where: cpu or cuda.")
@click.option("--out", type=Path, help="Folder; without it, where load_model looks for them.")
def weights(size: str, device: str, out: Path | None) -> None:
    """Make base and warm-up weights from nothing: the shipped tiny ones, or the small ones.

    The small models belong to profile gpu, which makes them itself where they are not yet there.
    """
    from currlab.models.load import check_device
    from currlab.training.make_weights import make_weights

    check_device(device)
    make_weights(size, out, device=device)
