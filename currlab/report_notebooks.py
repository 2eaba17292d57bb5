"""Executed notebooks on a common page: their table, what they found, and the notebooks themselves.

What a notebook found is in its results.json. Two things in it are known wherever they stand: rows
of an evaluation (with `level` and `greedy`), and `costs`, which holds numbers by training.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from currlab import plots
from currlab.notebook_html import how_it_was_made, notebook_body
from currlab.page import folded, note, number, table, text
from currlab.report_compare import pooled, records_of
from currlab.report_entries import FoundNotebook, is_number
from currlab.report_files import SUFFIXES, read_notebook
from currlab.report_run import SHADES, accuracies, figure, last_evaluation

MOST_NUMBERS = 60  # rows of a table of equal notebooks
MOST_COLUMNS = 8
MOST_MODELS = 12
DEEPEST = 8  # levels into results.json


def notebook_table(notebooks: Sequence[FoundNotebook], links: Mapping[str, str]) -> str:
    """A row for each notebook; `links` lead to their sections, by name."""
    return table(pd.DataFrame([_row(one) for one in notebooks]), "Notebooks", links)


def _row(one: FoundNotebook) -> dict[str, Any]:
    told = _parameters(one)
    others = {k: v for k, v in told.items() if k not in ("profile", "seed", "out_dir")}
    return {
        "notebook": one.name,
        "title": one.title,
        "profile": told.get("profile", "–"),
        "seed": told.get("seed", "–"),
        "other parameters": ", ".join(f"{k} {_short(v)}" for k, v in others.items()) or "–",
        "seconds": one.execution.get("seconds", "–"),
        "status": one.status,
    }


def _parameters(one: FoundNotebook) -> Mapping[str, Any]:
    told = one.execution.get("parameters")
    return told if isinstance(told, Mapping) else {}


def _short(value: Any) -> str:
    """A parameter's value; whole numbers in a row as their range."""
    if isinstance(value, list) and len(value) > 2 and all(type(v) is int for v in value):
        first, last = value[0], value[-1]
        if value == list(range(first, last + 1)):
            return f"{first}-{last}"
    return value if isinstance(value, str) else json.dumps(value)


# ---------------------------------------------------------------- what they found


def findings(notebooks: Sequence[FoundNotebook]) -> list[str]:
    """For every finished notebook that kept evaluations, costs or, over several seeds, numbers.

    Executions that differ in nothing but the seed are taken together, each seed once.
    """
    groups: dict[str, dict[str, FoundNotebook]] = defaultdict(dict)
    for one in notebooks:
        if one.status == "finished":
            others = {k: v for k, v in _parameters(one).items() if k != "seed"}
            code = [one.execution.get(name) for name in ("notebook_sha256", "package_sha256")]
            alike = groups[json.dumps([source_name(one), others, code], sort_keys=True)]
            alike.setdefault(str(_parameters(one).get("seed", one.name)), one)
    parts = []
    for by_seed in groups.values():
        group, seeds = list(by_seed.values()), ", ".join(by_seed)
        title = group[0].title if len(group) == 1 else f"{group[0].title}, seeds {seeds}"
        evaluations = _evaluations(group)
        found = [*_figures(evaluations, len(group)), *_tables(evaluations, group)]
        if len(group) > 1:
            found.append(_numbers_table(group))
        if len(evaluations) == MOST_MODELS:
            found.append(note(f"At most {MOST_MODELS} models and trainings are shown."))
        if any(found):
            parts += [f"<h3>{text(title)}</h3>", *found]
    return parts


def _evaluations(group: Sequence[FoundNotebook]) -> dict[str, pd.DataFrame]:
    """Accuracy by task and level of every model that all of the group evaluated, by its label."""
    by_label: dict[str, list[pd.DataFrame]] = defaultdict(list)
    for one in group:
        for label, rows in dict(_evaluation_rows(one.results)).items():
            by_label[label].append(rows)
    return {
        label: pooled(tables)
        for label, tables in list(by_label.items())[:MOST_MODELS]
        if len(tables) == len(group)
    }


def _evaluation_rows(
    data: Any, label: str = "", depth: int = 0
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Every list of evaluation rows in the results, with the key that it stands under."""
    if isinstance(data, Mapping) and depth < DEEPEST:
        for key, value in data.items():
            yield from _evaluation_rows(value, str(key), depth + 1)
    elif isinstance(data, list) and data and all(map(_is_evaluation, data)):
        rows = pd.DataFrame(data)
        yield label, last_evaluation(rows) if "step" in rows else rows


def _is_evaluation(row: Any) -> bool:
    return isinstance(row, Mapping) and all(is_number(row.get(key)) for key in ("level", "greedy"))


def _figures(evaluations: Mapping[str, pd.DataFrame], seeds: int) -> list[str]:
    """The models' accuracy by level over each other, one figure a task."""
    tasks = dict.fromkeys(task for rows in evaluations.values() for task in rows["task"])
    means = f", means over {seeds} seeds" if seeds > 1 else ""
    return [
        figure(
            plots.accuracy_by_level(records_of(task, evaluations), f"Accuracy of {task}{means}"),
            SHADES,
        )
        for task in tasks
    ]


def _tables(evaluations: Mapping[str, pd.DataFrame], group: Sequence[FoundNotebook]) -> list[str]:
    means = f", means over {len(group)} seeds" if len(group) > 1 else ""
    reached = [
        {
            "model": label,
            "arms": len(rows),
            **{name: f"{share:.1%}" for name, share in accuracies(rows).items()},
        }
        for label, rows in evaluations.items()
    ]
    spent = _costs(group)
    return [
        table(rows, f"{caption}{means}")
        for rows, caption in (
            (pd.DataFrame(reached), "Accuracy of the models, means over arms"),
            (spent, "What the trainings have cost"),
        )
        if len(rows)
    ]


def _costs(group: Sequence[FoundNotebook]) -> pd.DataFrame:
    """Means over the group of what `costs` tells, a row for each training."""
    rows = []
    for one in group:
        told = one.results.get("costs")
        for label, spent in list(told.items())[:MOST_MODELS] if isinstance(told, Mapping) else ():
            numbers = spent if isinstance(spent, Mapping) else {}
            numbers = {k.replace("_", " "): float(v) for k, v in numbers.items() if is_number(v)}
            rows += [{"training": label, **numbers}] if numbers else []
    table_of_all = pd.DataFrame(rows)
    return (
        table_of_all.groupby("training", as_index=False, sort=False).mean()
        if rows
        else table_of_all
    )


def _numbers_table(group: Sequence[FoundNotebook]) -> str:
    """Every number of the results, a column for each seed, and what they have in common."""
    columns = {f"seed {_parameters(one).get('seed')}": dict(_numbers(one.results)) for one in group}
    frame = pd.DataFrame(columns).dropna()
    if frame.empty:
        return ""
    shown = frame.iloc[:MOST_NUMBERS, :MOST_COLUMNS].copy()
    all_seeds = frame.iloc[:MOST_NUMBERS]
    for name, measure in (("mean", "mean"), ("lowest", "min"), ("highest", "max")):
        shown[name] = all_seeds.agg(measure, axis=1)
    caption = f"Numbers of results.json over {len(group)} seeds"
    words = note(
        f"Shown are {len(shown)} of {len(frame)} numbers and {min(len(group), MOST_COLUMNS)} of "
        f"{len(group)} seeds; mean, lowest and highest are over all seeds."
    )
    return folded(caption, table(shown.rename_axis("number").reset_index(), caption) + words)


def _numbers(data: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, float]]:
    """Numbers by dotted name; lists and settings are left out."""
    if isinstance(data, Mapping) and depth < DEEPEST:
        for key, value in data.items():
            if key not in ("parameters", "seed"):
                yield from _numbers(value, f"{name}.{key}".strip("."), depth + 1)
    elif is_number(data):
        yield name, float(data)


# ---------------------------------------------------------------- the notebooks themselves


def notebook_section(one: FoundNotebook, inside: Mapping[str, str]) -> str:
    """The notebook as part of a page: how it was made, and its cells with the code folded."""
    notebook = read_notebook(one.path)
    error = one.execution.get("error")
    trouble = f'<p class="trouble">{text(error)}</p>' if error else ""
    body = notebook_body(notebook, shift=3, folded=True, inside=inside)
    return trouble + body + how_it_was_made(notebook, 4)


def source_name(one: FoundNotebook) -> str:
    """The file name that links in other notebooks use for this one."""
    suffix = next(s for s in SUFFIXES if one.path.name.endswith(s))
    return f"{one.path.name.removesuffix(suffix)}.ipynb"


def said(one: FoundNotebook) -> str:
    """The line that stands for a folded notebook."""
    told = _parameters(one)
    named = [f"{name} {told[name]}" for name in ("profile", "seed") if name in told]
    seconds = one.execution.get("seconds")
    took = [f"{number(seconds)} s"] if is_number(seconds) else []
    return ", ".join([one.status, *named, *took])
