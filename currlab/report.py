"""Self-contained HTML pages, of a run or of an executed notebook: they open offline, run no script.

Every page carries a content security policy that lets the browser load nothing and execute
nothing, so that not even a model's output could do so; all text is escaped besides.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd

from currlab import figures, plots
from currlab.errors import CurrlabError
from currlab.notebook_html import notebook_page
from currlab.page import page
from currlab.runs import Run


def report(folder: str | Path) -> str:
    """The page of a run's folder, or of a folder with one executed notebook."""
    folder = Path(folder)
    if (folder / "config.json").exists():
        return run_page(Run(folder))
    notebooks = sorted(folder.glob("*.ipynb"))
    if len(notebooks) != 1:
        raise CurrlabError(
            f"'{folder}' holds neither a run (config.json) nor one executed notebook (.ipynb)."
        )
    try:
        return notebook_page(nbformat.read(notebooks[0], as_version=4))
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise CurrlabError(f"'{notebooks[0]}' cannot be read as a notebook.") from error


def write_report(folder: Path) -> Path:
    """Write the page into the folder as report.html; returns its path."""
    text = report(folder)
    (folder / "report.html").write_text(text, encoding="utf-8")
    return folder / "report.html"


def run_page(run: Run) -> str:
    """One run: what it did, settings, versions, budgets, curves and accuracy, tables beside plots."""
    metrics, evaluations = run.records("metrics"), run.records("eval")
    title = f"Run {run.folder.resolve().name}"
    parts = [f"<h1>{html.escape(title)}</h1>", _summary(run, metrics, evaluations)]
    if evaluations:
        parts += ["<h2>Accuracy on held-out problems</h2>", *_accuracy(evaluations)]
    if metrics:
        parts += ["<h2>Budgets</h2>", _budgets(metrics), "<h2>Training</h2>", *_curves(metrics)]
    parts += ["<h2>Settings</h2>", _pairs(flatten(run.config), "setting")]
    parts += ["<h2>Versions</h2>", _pairs(run.versions, "package")]
    return page(title, "\n".join(parts))


def flatten(data: Mapping[str, Any], name: str = "") -> dict[str, str]:
    """Nested settings as one level of dotted names; lists stay one value.

    >>> flatten({"select": {"name": "sec", "levels": [1, 2]}})
    {'select.name': 'sec', 'select.levels': '[1, 2]'}
    """
    flat: dict[str, str] = {}
    for key, value in data.items():
        dotted = f"{name}.{key}".strip(".")
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, dotted)
        else:
            flat[dotted] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _summary(run: Run, metrics: Sequence[Mapping], evaluations: Sequence[Mapping]) -> str:
    state = "finished" if run.finished else "not finished"
    sentences = [f"The run is {state}; {len(metrics)} steps are logged."]
    if evaluations:
        last = _last(evaluations)
        kinds = [kind for kind in plots.KINDS if kind in last]
        means = ", ".join(f"{plots.KINDS[kind]} {last[kind].mean():.1%}" for kind in kinds)
        sentences.append(f"Mean accuracy over {len(last)} arms at the last evaluation: {means}.")
    return f"<p>{html.escape(' '.join(sentences))}</p>"


def _last(evaluations: Sequence[Mapping]) -> pd.DataFrame:
    table = pd.DataFrame(evaluations)
    return table[table["step"] == table["step"].max()].dropna(axis="columns", how="all")


def _accuracy(evaluations: Sequence[Mapping]) -> list[str]:
    """For each task the frontier over steps and the levels before and after; then the table."""
    table, parts = pd.DataFrame(evaluations), []
    for task, rows in table.groupby("task", sort=False):
        grid = rows.pivot_table(index="level", columns="step", values="greedy")
        if min(grid.shape) > 1:
            parts.append(figures.to_html(plots.frontier({str(task): grid}, f"Frontier of {task}")))
        ends = {f"step {s}": rows[rows["step"] == s] for s in (grid.columns[0], grid.columns[-1])}
        by_label = {label: part.to_dict("records") for label, part in ends.items()}
        parts.append(figures.to_html(plots.accuracy_by_level(by_label, f"Accuracy of {task}")))
    return [*parts, _table(_last(evaluations))]


def _budgets(metrics: Sequence[Mapping]) -> str:
    """What the run has cost so far: tokens are counted on and on, seconds step by step."""
    table = pd.DataFrame(metrics)
    tokens = table.filter(regex="^tokens").iloc[-1]
    seconds = table.filter(regex="^seconds").sum()
    spent = {"steps": len(table), **tokens, **seconds}
    return _pairs({name: f"{value:,.6g}" for name, value in spent.items()}, "spent so far")


def _curves(metrics: Sequence[Mapping]) -> list[str]:
    """One figure for every number that changes over the run, and a table of all of them."""
    table = pd.DataFrame(metrics).select_dtypes("number").set_index("step")
    changing = [name for name in table.columns if table[name].nunique() > 1]
    parts = []
    for name in changing:
        values = table[name].dropna()
        series = {name: (values.index.tolist(), values.tolist())}
        parts.append(figures.to_html(plots.lines(series, "step", name, name, markers=False)))
    summary = table.agg(["mean", "min", "max"]).T
    summary.insert(0, "first", table.iloc[0])
    summary.insert(1, "last", table.iloc[-1])
    return [*parts, _table(summary.rename_axis("metric").reset_index())]


def _table(table: pd.DataFrame) -> str:
    return table.to_html(index=False, escape=True, float_format=lambda x: f"{x:.4g}", border=0)


def _pairs(values: Mapping[str, Any], name: str) -> str:
    # The width limit of pandas would cut long values.
    with pd.option_context("display.max_colwidth", None):
        return _table(pd.DataFrame({name: list(values), "value": list(map(str, values.values()))}))
