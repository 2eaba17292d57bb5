"""The command `currlab`: thin; every command hands over to a module of its own.

Nothing heavy is imported before a command needs it, so that `--help` answers at once, and
`main` can still choose how torch's threads wait, which is read when torch is loaded.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from currlab import __version__
from currlab.errors import CurrlabError


class _OneSentence(click.Group):
    """Errors end as one sentence on stderr; the traceback is for `--debug`."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except CurrlabError as error:
            self._end(ctx, error, f"Error: {error}", 2)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            self._end(ctx, error, f"Unexpected error ({what}); currlab --debug shows where.", 1)

    def _end(self, ctx: click.Context, error: Exception, text: str, status: int) -> None:
        if ctx.params.get("debug"):
            raise error
        click.echo(" ".join(text.split()), err=True)
        ctx.exit(status)


def _examples(*lines: str) -> str:
    """Examples below a command's help; the mark keeps click from joining the lines."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@click.group(
    cls=_OneSentence,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_examples("currlab doctor", "currlab lab", "currlab run 00 --profile smoke"),
)
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def app(debug: bool) -> None:
    """Curriculum reinforcement fine-tuning of language models: learn, steer, report."""


@app.command(epilog=_examples("currlab doctor", "currlab doctor --json"))
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def doctor(as_json: bool) -> None:
    """Say what this machine can do; fails if something needed is missing."""
    from dataclasses import asdict

    from currlab.doctor import examine

    checks = examine()
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        for check in checks:
            click.echo(f"{check.status:<5}{check.name}: {check.detail}")
    sys.exit(any(check.status == "FAIL" for check in checks))


@app.command(epilog=_examples("currlab lab", "currlab lab --reset 04"))
@click.option("--workspace", default="workspace", type=Path, help="Folder of your own copies.")
@click.option("--reset", metavar="NAME", help="Take a fresh copy of a notebook; keep a backup.")
@click.option("--port", default=8888, help="Port on this machine only.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def lab(workspace: Path, reset: str | None, port: int, no_browser: bool) -> None:
    """Open JupyterLab on your own copies of the notebooks.

    The copies are made once. An update of the project refreshes those that you have not changed.
    """
    from currlab import workspace as copies
    from currlab.jobs import notebooks_folder

    if reset is None:
        copies.serve(notebooks_folder(), workspace, port, browser=not no_browser)
    else:
        click.echo(f"Yours is kept as {copies.reset(reset, notebooks_folder(), workspace)}")


@app.command(
    epilog=_examples(
        "currlab run 00 --profile smoke",
        "currlab run 00 -p seed 1 -p steps 300 --out runs",
        "currlab run 00 04 11 --seeds 0-4   (each with five seeds)",
    )
)
@click.argument("notebooks", nargs=-1, required=True, metavar="NOTEBOOK...")
@click.option(
    "-p", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="Set a parameter."
)
@click.option("--profile", metavar="NAME", help="smoke, cpu or gpu; else the notebook's default.")
@click.option("--seeds", metavar="0-4", help="Repeat everything with each of these seeds.")
@click.option("--out", default="runs", help="Folder for the results.", show_default=True)
def run(
    notebooks: tuple[str, ...],
    parameters: tuple[tuple[str, str], ...],
    profile: str | None,
    seeds: str | None,
    out: str,
) -> None:
    """Execute notebooks, by number or path, and leave each with its page and results.

    What was done before with the same notebook and parameters is not repeated. A notebook that
    fails is kept, the others go on, and the exit status is 1.
    """
    from currlab.batch import run_batch
    from currlab.jobs import make_jobs

    # Everything is checked before the first one starts.
    jobs = make_jobs(notebooks, dict(parameters), profile, seeds, out)
    sys.exit(run_batch(jobs, click.echo))


@app.command(
    epilog=_examples(
        "currlab report runs   (everything in it, to runs/report.html)",
        "currlab report runs/sec-0",
        "currlab report runs/sec-0 runs/uniform-0 --out both.html",
    )
)
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@click.option("--out", type=Path, metavar="FILE", help="Write one page on all of them there.")
def report(folders: tuple[str, ...], out: Path | None) -> None:
    """Write report.html into the folder: one page that opens anywhere, offline.

    On a run or an executed notebook it tells everything; on a folder that holds many of them, and
    studies, it compares them and keeps every notebook inside.
    """
    from currlab.report import write_report

    for written in write_report([Path(folder) for folder in folders], out):
        for broken in written.broken:
            click.echo(f"Not readable, as the page says: {broken.name}: {broken.why}", err=True)
        click.echo(written.path)


@app.command(epilog=_examples("currlab strategies", "currlab strategies sec --json"))
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def strategies(name: str | None, as_json: bool) -> None:
    """List the strategies of all dials, or the papers and parameters of one."""
    from currlab.atlas_tables import strategy_page, strategy_table
    from currlab.curricula import describe, strategy_names

    if as_json:
        shown = [describe(n) for n in ([name] if name else strategy_names())]
        click.echo(json.dumps(shown, indent=1))
    else:
        click.echo(strategy_page(name) if name else strategy_table())


@app.command(
    epilog=_examples(
        "currlab papers",
        'currlab papers --state "not yet" --dial present',
        "currlab papers --search entropy --need logits --json",
        "currlab papers SEC   (or its number: currlab papers 8)",
    )
)
@click.argument("name", required=False)
@click.option("--state", help="implemented, inspired, analogue, documented or 'not yet'.")
@click.option("--dial", help="select, present, sample, reward, update or none.")
@click.option("--family", help="F00 to F15, such as F02 for adaptive selection.")
@click.option("--class", "class_", help="A to E; a paper's page says what they mean.")
@click.option("--need", help="What it takes, such as demonstrations or logits.")
@click.option("--axis", help="What rises or falls, such as 'task difficulty'.")
@click.option("--search", default="", metavar="WORDS", help="In names, titles, ideas and claims.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def papers(name: str | None, search: str, as_json: bool, **wanted: str | None) -> None:
    """List the papers behind this project, or show one whole: its idea, claim, state and recipe."""
    from currlab.atlas import find_paper, search_papers
    from currlab.atlas_tables import paper_page, paper_table

    wanted["class"] = wanted.pop("class_")
    if name and (search or any(wanted.values())):
        raise CurrlabError("Give either one paper or filters, not both.")
    found = [find_paper(name)] if name else search_papers(search, **wanted)
    if as_json:
        click.echo(json.dumps([paper.as_dict() for paper in found], indent=1, ensure_ascii=False))
    else:
        click.echo(paper_page(found[0]) if name else paper_table(found))


@app.command(
    epilog=_examples(
        "currlab train --select sec --steps 300 --out runs/sec-0",
        "currlab train --select sec --set sec.temperature=0.15 --levels sorting=1-12",
        "torchrun --standalone --nproc_per_node 2 -m currlab train --engine trl --out runs/two",
    )
)
@click.option("--select", default="sec", show_default=True, help="Which problem is next?")
@click.option("--present", default="plain", show_default=True, help="How is it shown?")
@click.option("--sample", default="fixed_group", show_default=True, help="How many rollouts?")
@click.option("--reward", default="exact", show_default=True, help="What earns credit?")
@click.option("--update", default="grpo", show_default=True, help="What moves the weights?")
@click.option("--engine", default="scratch", show_default=True, help="scratch or trl.")
@click.option(
    "--levels",
    multiple=True,
    metavar="TASK=LEVELS",
    help="What is learnt, such as sorting=1-12 or brackets=1,3; repeat for several tasks.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="STRATEGY.NAME=VALUE", help="A parameter."
)
@click.option("--model", default="tiny-warm", show_default=True, help="Name or folder.")
@click.option("--steps", default=300, show_default=True, help="Optimiser steps.")
@click.option("--seed", default=0, show_default=True, help="Seed of every random draw.")
@click.option("--profile", default="cpu", show_default=True, help="Device and threads.")
@click.option("--out", required=True, help="The run's folder; resumes what is there.")
def train(**options: Any) -> None:
    """Train one model under a curriculum; started again, it resumes."""
    from currlab.headless import train_once

    results = train_once(**options)
    # torchrun starts several processes; one of them speaks.
    if os.environ.get("RANK", "0") == "0":
        click.echo(json.dumps(results, indent=1))


@app.command(
    epilog=_examples("currlab diagnose runs/mine", "currlab diagnose runs/studies/*/* --json")
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


@app.command(epilog=_examples("currlab replay runs/mine"))
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


@app.command(
    epilog=_examples(
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
@click.option("--baseline", default="uniform", show_default=True, help="Compare with this recipe.")
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
    baseline: str,
    workers: int,
    scheduler: str | None,
    root: str,
    table: bool,
    ship: bool,
) -> None:
    """Compare recipes over seeds at an equal token budget; resumes."""
    from currlab import study as studies
    from currlab import study_files, study_grids, study_run, study_table

    if (name is None) != bool(select or levels or models):
        raise CurrlabError("Name a study or a YAML file, or choose --select, --levels and --model.")
    if name is None:
        chosen = study_files.from_options(select, levels, models, seeds, token_budget)
    elif name.endswith((".yaml", ".yml")):
        chosen = study_files.read_studies(name)
    else:
        chosen = (study_grids.find_study(name),)
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


@app.command(
    epilog=_examples(
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


@app.command()
@click.option("--out", type=Path, help="Folder; without it, the package's own weights.")
def weights(out: Path | None) -> None:
    """Make the shipped base and warm-up weights again from nothing."""
    from currlab.training.make_weights import make_weights

    make_weights(out) if out else make_weights()


def main() -> None:
    """The command's entry point."""
    # Waiting threads that spin make torch many times slower on a busy machine; OpenMP reads this
    # when torch is loaded, and kernels inherit it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app()
