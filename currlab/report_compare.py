"""Training runs side by side: the summary table, curves over each other, accuracy by level.

Runs are comparable if they learnt the same levels of the same tasks and began with the same model.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from currlab import plots
from currlab.curricula.registry import DEFAULTS
from currlab.page import note, table, text
from currlab.report_entries import FoundRun
from currlab.report_run import SHADES, accuracies, costs, figure, flatten, last_evaluation

MOST_LINES = 10  # recipes in a figure
POINTS = 60  # of a mean curve
INDIFFERENT = {"seed", "eval_every", "eval_problems", "checkpoint_every"}

Curve = tuple[np.ndarray, np.ndarray]


def run_table(runs: Sequence[FoundRun], links: Mapping[str, str]) -> str:
    """A row for each run; `links` lead to their sections, by name."""
    return table(pd.DataFrame([_row(run) for run in runs]), "Training runs", links)


def _row(run: FoundRun) -> dict[str, Any]:
    spent = costs(run.metrics) if len(run.metrics) else {}
    training = _training(run)
    seconds = sum(value for name, value in spent.items() if name.startswith("seconds"))
    reached = accuracies(last_evaluation(run.evals)) if len(run.evals) else {}
    return {
        "run": run.name,
        "recipe": recipe_name(run),
        "levels": levels_text(training.get("levels")),
        "seed": training.get("seed", "–"),
        "steps": _of(spent.get("steps", 0), training.get("steps")),
        "tokens": _of(spent.get("tokens_generated", 0), training.get("token_budget")),
        **{name: _percent(reached.get(name)) for name in plots.KINDS.values()},
        "seconds": round(seconds, 1),
        "live changes": len(run.steering),
        "status": "finished" if run.finished else "not finished",
    }


def _training(run: FoundRun) -> Mapping[str, Any]:
    training = run.config.get("training")
    return training if isinstance(training, Mapping) else run.config


def _of(spent: float, planned: Any) -> str:
    return f"{spent:,.0f} of {planned:,}" if isinstance(planned, int) else f"{spent:,.0f}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def recipe_name(run: FoundRun) -> str:
    """The strategies that a run's recipe puts on the dials, as far as they are not the usual ones."""
    recipe = run.config.get("recipe")
    if not isinstance(recipe, Mapping):
        return str(recipe or run.config.get("select", "–"))
    names = {
        dial: told["strategy"] if isinstance(told, Mapping) and "strategy" in told else told
        for dial, told in recipe.items()
    }
    others = [str(n) for dial, n in names.items() if dial != "select" and DEFAULTS.get(dial) != n]
    engine = run.config.get("engine", "scratch")
    marks = [str(engine)] if engine != "scratch" else []
    marks += ["steered"] if run.steering else []
    name = " + ".join([str(names.get("select", "–")), *dict.fromkeys(others)])
    return f"{name} ({', '.join(marks)})" if marks else name


def levels_text(levels: Any) -> str:
    """Levels by task in short.

    >>> levels_text({"sorting": [1, 2, 3, 6], "brackets": [2]})
    'sorting 1-3, 6; brackets 2'
    """
    if not isinstance(levels, Mapping):
        return "–"
    return "; ".join(f"{task} {_ranges(chosen)}" for task, chosen in levels.items())


def _ranges(numbers: Any) -> str:
    if not isinstance(numbers, list) or not all(isinstance(n, int) for n in numbers):
        return str(numbers)
    ranges: list[list[int]] = []
    for n in sorted(numbers):
        if ranges and n == ranges[-1][1] + 1:
            ranges[-1][1] = n
        else:
            ranges.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


# ---------------------------------------------------------------- curves over each other


def comparisons(runs: Sequence[FoundRun]) -> list[str]:
    """For every set of comparable runs the curves, accuracy by level, and the table of both."""
    groups: dict[str, list[FoundRun]] = defaultdict(list)
    for run in runs:
        if len(run.evals):
            told = _training(run)
            groups[json.dumps([told.get("levels"), told.get("model")], sort_keys=True)].append(run)
    parts = []
    for group in groups.values():
        if len(group) > 1:
            told = _training(group[0])
            name = f"{levels_text(told.get('levels'))}, model {told.get('model', '–')}"
            parts += [f"<h3>{text(name)}</h3>", *_compared(_by_label(group))]
    return parts


def _by_label(runs: Sequence[FoundRun]) -> dict[str, list[FoundRun]]:
    """Runs by recipe; settings in which runs of one recipe differ are named."""
    labelled: dict[str, list[FoundRun]] = {}
    for name in dict.fromkeys(map(recipe_name, runs)):
        same = [run for run in runs if recipe_name(run) == name]
        settings = [_settings(run) for run in same]
        keys = {key: {told.get(key) for told in settings} for told in settings for key in told}
        differing = sorted(key for key, values in keys.items() if len(values) > 1)
        for run, told in zip(same, settings, strict=True):
            details = [f"{key.split('.')[-1]} {told.get(key, '–')}" for key in differing]
            labelled.setdefault(", ".join([name, *details]), []).append(run)
    # Cut labels have a number, lest two recipes become one.
    return {
        label if len(label) <= 60 else f"{label[:55]}… ({number})": found
        for number, (label, found) in enumerate(labelled.items(), start=1)
    }


def _settings(run: FoundRun) -> dict[str, str]:
    """All settings but those that decide nothing of what is learnt, and the seeds."""
    return {
        key: value
        for key, value in flatten(run.config).items()
        if key.split(".")[-1] not in INDIFFERENT
    }


def _compared(labelled: Mapping[str, Sequence[FoundRun]]) -> list[str]:
    drawn = dict(list(labelled.items())[:MOST_LINES])
    curves = {
        label: [c for run in runs if len((c := _curve(run))[0]) > 1]
        for label, runs in drawn.items()
    }
    curves = {label: found for label, found in curves.items() if found}
    by_tokens = all("tokens" in run.evals for runs in drawn.values() for run in runs)
    parts = [curve_figure(curves, "tokens generated" if by_tokens else "step")] if curves else []
    parts += _accuracy_figures(drawn)
    if len(labelled) > len(drawn):
        parts.append(note(f"The figures show the first {len(drawn)} of {len(labelled)} recipes."))
    rows = [{"recipe": label, **_reached(runs)} for label, runs in labelled.items()]
    return [
        *parts,
        table(pd.DataFrame(rows), "The last evaluations, means over the runs of a recipe"),
    ]


def _curve(run: FoundRun) -> Curve:
    """Mean greedy accuracy over arms at every evaluation, along generated tokens."""
    along = "tokens" if "tokens" in run.evals else "step"
    curve = run.evals.groupby("step").agg(x=(along, "first"), y=("greedy", "mean"))
    return curve["x"].to_numpy(dtype=float), curve["y"].to_numpy(dtype=float)


def curve_figure(curves: Mapping[str, Sequence[Curve]], x_label: str) -> str:
    """A line a recipe: the mean of its runs, and a shade from the lowest run to the highest."""
    series, bands = {}, {}
    for label, runs in curves.items():
        grid, heights = _on_one_grid(runs)
        series[label] = (grid, heights.mean(axis=0))
        if len(runs) > 1:
            bands[label] = (heights.min(axis=0), heights.max(axis=0))
    title = "Mean greedy accuracy over levels"
    drawn = plots.lines(
        series, x_label, "accuracy", title, percent=True, bands=bands, markers=False
    )
    words = (
        "Lines: means over the runs of a recipe; shades: from the lowest run to the highest, as "
    )
    return figure(drawn, f"{words}far as all of them have come." if bands else "")


def _on_one_grid(runs: Sequence[Curve]) -> Curve:
    """The runs' heights [runs, points] at common places; between evaluations they are straight."""
    if len(runs) == 1:
        return runs[0][0], runs[0][1][None]
    start, end = max(x[0] for x, _ in runs), min(x[-1] for x, _ in runs)
    grid = np.linspace(start, max(start, end), POINTS)
    return grid, np.stack([np.interp(grid, x, y) for x, y in runs])


def _accuracy_figures(labelled: Mapping[str, Sequence[FoundRun]]) -> list[str]:
    """The last accuracy by level, one figure a task: means over the runs of a recipe."""
    means = {
        label: pooled([last_evaluation(run.evals) for run in runs])
        for label, runs in labelled.items()
    }
    tasks = dict.fromkeys(task for rows in means.values() for task in rows["task"])
    title = "Accuracy of {} at the last evaluation"
    return [
        figure(plots.accuracy_by_level(records_of(task, means), title.format(task)), SHADES)
        for task in tasks
    ]


def records_of(
    task: str, evaluations: Mapping[str, pd.DataFrame]
) -> dict[str, list[dict[Hashable, Any]]]:
    """The rows of one task, by label, as `plots.accuracy_by_level` takes them."""
    by_label = {label: rows[rows["task"] == task] for label, rows in evaluations.items()}
    return {label: rows.to_dict("records") for label, rows in by_label.items() if len(rows)}


def pooled(evaluations: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The means of several evaluations; `n` stays that of one, as all use the same problems."""
    rows = pd.concat(evaluations)
    for column, usual in (("task", "task"), ("n", 1)):
        rows = rows if column in rows else rows.assign(**{column: usual})
    kinds = {kind: "mean" for kind in plots.KINDS if kind in rows}
    means = rows.groupby(["task", "level"], as_index=False, sort=False).agg({**kinds, "n": "min"})
    return means.dropna(axis="columns", how="all")


def _reached(runs: Sequence[FoundRun]) -> dict[str, Any]:
    reached = pd.DataFrame([accuracies(last_evaluation(run.evals)) for run in runs])
    greedy = reached["greedy"]
    spent = [costs(run.metrics).get("tokens_generated", np.nan) for run in runs if len(run.metrics)]
    seeds = [seed for run in runs if isinstance(seed := _training(run).get("seed"), int)]
    return {
        "runs": len(runs),
        "seeds": _ranges(seeds),
        **{name: _percent(reached[name].mean()) for name in reached},
        "greedy, lowest to highest": " to ".join(
            dict.fromkeys([_percent(greedy.min()), _percent(greedy.max())])
        ),
        "tokens, mean": round(float(np.mean(spent))) if spent else "–",
    }
