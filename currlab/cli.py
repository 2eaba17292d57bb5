"""The command `currlab`: thin; every command hands over to a module of its own.

Nothing heavy is imported before a command needs it, so that `--help` answers at once, and
`main` can still choose how torch's threads wait, which is read when torch is loaded.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from currlab import __version__
from currlab.cli_group import OneSentence, examples
from currlab.cli_training import bench, diagnose, replay, study, train, weights
from currlab.errors import CurrlabError


@click.group(
    cls=OneSentence,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("currlab doctor", "currlab lab", "currlab run 00 --profile smoke"),
)
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def app(debug: bool) -> None:
    """Curriculum reinforcement fine-tuning of language models: learn, steer, report."""


@app.command(epilog=examples("currlab doctor", "currlab doctor --json"))
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


@app.command(epilog=examples("currlab lab", "currlab lab --reset 04"))
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
    epilog=examples(
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
    epilog=examples(
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


@app.command(epilog=examples("currlab strategies", "currlab strategies sec --json"))
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
    epilog=examples(
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


for command in (train, diagnose, replay, study, bench, weights):
    app.add_command(command)


def main() -> None:
    """The command's entry point."""
    # Waiting threads that spin make torch many times slower on a busy machine; OpenMP reads this
    # when torch is loaded, and kernels inherit it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app()
