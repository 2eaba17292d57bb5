"""What a page tells of one training run: what it did and cost, curves, tables, live changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from currlab import figures, plots
from currlab.page import page, pairs, table, text
from currlab.report_entries import FoundRun, encodable

# Curves of a run among others; its own page has all of them.
MAIN_METRICS = ("reward", "zero_variance", "entropy")
TAIL = 100_000  # bytes of groups.jsonl from which examples are taken
EXAMPLES = 4
SHADES = "Shades: 95 % intervals for this number of test problems (Wilson)."


def run_page(run: FoundRun) -> str:
    """One run on a page of its own."""
    title = f"Run {run.path.resolve().name}"
    return page(title, f"<h1>{text(title)}</h1>{run_body(run)}")


def run_body(run: FoundRun, level: int = 2, brief: bool = False) -> str:
    """A run's sections, with headings of a level; `brief` shows the main curves only."""
    parts = [f"<p>{text(summary(run))}</p>"]

    def section(title: str, *content: str) -> None:
        parts.extend([f"<h{level}>{title}</h{level}>", *content])

    if len(run.steering):
        section("Live changes", steering_table(run))
    if len(run.evals):
        section("Accuracy on held-out problems", *_accuracy(run))
    if len(run.metrics):
        curves = [_main_curves(run.metrics)] if brief else _curves(run.metrics)
        section("Training", *curves, _metrics_table(run.metrics))
        section("Budgets", pairs(costs(run.metrics), "spent so far", "What the run has cost"))
    if examples := _examples(run.path / "groups.jsonl"):
        section("What it wrote last", examples)
    section(
        "Settings", pairs(flatten(run.config), "setting", "Everything needed to repeat the run")
    )
    section("Versions", pairs(run.versions, "package", "Versions that the run was started with"))
    return "\n".join(parts)


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


def summary(run: FoundRun) -> str:
    state = "finished" if run.finished else "not finished"
    sentences = [f"The run is {state}; {len(run.metrics)} steps are logged."]
    if len(run.evals):
        last = last_evaluation(run.evals)
        means = ", ".join(f"{name} {value:.1%}" for name, value in accuracies(last).items())
        sentences.append(f"Mean accuracy over {len(last)} arms at the last evaluation: {means}.")
    return " ".join(sentences)


def accuracies(rows: pd.DataFrame) -> dict[str, float]:
    """The mean of every kind of accuracy that was measured, by its name."""
    kinds = {kind: name for kind, name in plots.KINDS.items() if kind in rows}
    return {name: float(rows[kind].mean()) for kind, name in kinds.items()}


def last_evaluation(evals: pd.DataFrame) -> pd.DataFrame:
    return evals[evals["step"] == evals["step"].max()].dropna(axis="columns", how="all")


def costs(metrics: pd.DataFrame) -> dict[str, float]:
    """What the run has cost so far: tokens are counted on and on, seconds step by step."""
    numbers = metrics.select_dtypes("number")
    tokens = numbers.filter(regex="^tokens").iloc[-1]
    seconds = numbers.filter(regex="^seconds").sum()
    return {"steps": len(metrics), **tokens, **seconds}


def steering_table(run: FoundRun) -> str:
    """Every change that was made while the run was trained."""
    rows = [
        {
            "after step": change.get("step"),
            "dial": change.get("dial"),
            "change": change.get("change"),
            "strategy": change.get("strategy"),
            "parameters from then on": _told(change.get("parameters")),
            "arms": ", ".join(map(str, change.get("arms") or ())),
        }
        for change in run.steering
    ]
    return table(pd.DataFrame(rows), "Changes made by hand; currlab replay repeats them")


def _told(parameters: Any) -> str:
    if not isinstance(parameters, Mapping):
        return str(parameters)
    return ", ".join(f"{name} {value}" for name, value in flatten(parameters).items())


def _accuracy(run: FoundRun) -> list[str]:
    """For each task the frontier over steps and the levels before and after; then the table."""
    evals = run.evals if "task" in run.evals else run.evals.assign(task="task")
    parts = []
    for task, rows in evals.groupby("task", sort=False):
        grid = rows.pivot_table(index="level", columns="step", values="greedy")
        if min(grid.shape) > 1:
            parts.append(figure(plots.frontier({str(task): grid}, f"Frontier of {task}")))
        ends = {f"step {s}": rows[rows["step"] == s] for s in (grid.columns[0], grid.columns[-1])}
        by_label = {label: part.to_dict("records") for label, part in ends.items()}
        parts.append(figure(plots.accuracy_by_level(by_label, f"Accuracy of {task}"), SHADES))
    return [*parts, table(last_evaluation(evals), "The last evaluation, a row per arm")]


def figure(drawn: Figure, words: str = "") -> str:
    """The figure with what there is to say below it."""
    below = f"<figcaption>{text(words)}</figcaption>" if words else ""
    return f"<figure>{figures.to_html(drawn)}{below}</figure>"


def _changing(metrics: pd.DataFrame) -> pd.DataFrame:
    """The numbers that change over the run, by step."""
    numbers = metrics.select_dtypes("number").set_index("step")
    return numbers[[name for name in numbers.columns if numbers[name].nunique() > 1]]


def _curves(metrics: pd.DataFrame) -> list[str]:
    """One figure for every number that changes over the run."""
    parts = []
    for name, column in _changing(metrics).items():
        values = column.dropna()
        series = {name: (values.index.tolist(), values.tolist())}
        parts.append(figure(plots.lines(series, "step", name, name, markers=False)))
    return parts


def _main_curves(metrics: pd.DataFrame) -> str:
    """The most telling curves beside each other; nothing if none of them changes."""
    changing = _changing(metrics)
    names = [name for name in MAIN_METRICS if name in changing]
    if not names:
        return ""
    drawn, panels = plots.new_figure(len(names), width=3.6)
    for axes, name in zip(panels, names, strict=True):
        values = changing[name].dropna()
        axes.plot(values.index, values, label=name, color=plots.COLOURS[0])
        axes.set(xlabel="step", title=name)
    return figure(drawn)


def _metrics_table(metrics: pd.DataFrame) -> str:
    numbers = metrics.select_dtypes("number").set_index("step")
    whole = numbers.agg(["mean", "min", "max"]).T
    whole.insert(0, "first", numbers.iloc[0])
    whole.insert(1, "last", numbers.iloc[-1])
    return table(
        whole.rename_axis("metric").reset_index(), "Every number of the log, over all steps"
    )


def _examples(path: Path) -> str:
    """The last groups of the log, a completion each: hostile text, shown as text."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        lines = file.read().split(b"\n")[-EXAMPLES - 1 : -1]
    rows = [row for line in lines if (row := _example(line)) is not None]
    return (
        table(pd.DataFrame(rows), f"One completion of each of the last {len(rows)} groups")
        if rows
        else ""
    )


def _example(line: bytes) -> dict[str, Any] | None:
    """A row of the table of examples; None for a line that is cut or no group."""
    try:
        group = encodable(json.loads(line.decode(errors="replace")))
        return {
            "arm": group["arm"],
            "step": group["step"],
            "problem": group["prompt"],
            "completion": group["completions"][0],
            "reward": group["rewards"][0],
            "right of the group": f"{sum(group['correct'])} of {len(group['correct'])}",
        }
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
