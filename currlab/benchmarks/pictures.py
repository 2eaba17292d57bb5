"""Figures of benchmarks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from currlab import plots
from currlab.benchmarks.measure import Spread
from currlab.benchmarks.text import number

ROW_HEIGHT = 0.22


def dots(
    columns: Mapping[str, Mapping[str, Spread]],
    x_label: str,
    title: str,
    limit: tuple[str, float] | None = None,
) -> Figure:
    """A row for each name with a mark for each column, on a logarithmic axis, the last row on top.

    `columns[label][name]` are spreads; a thin line goes from the lowest to the highest. `limit` is a
    label and a value, drawn as a line.
    """
    names = list(next(iter(columns.values())))
    figure, (axes,) = plots.new_figure(width=6.4, height=1.5 + ROW_HEIGHT * len(names))
    rows = np.arange(len(names))
    for i, (label, row) in enumerate(columns.items()):
        look = plots.style(i) | {"linestyle": ""}
        low, middle, high = (
            [row[n][end] for n in names] for end in ("lowest", "median", "highest")
        )
        axes.hlines(rows, low, high, color=look["color"], linewidth=1, alpha=0.6)
        axes.plot(middle, rows, label=label, **look)
    if limit is not None:
        axes.axvline(limit[1], color="black", linestyle=":", label=limit[0])
    axes.set_yticks(rows, names)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    plots.label_panel(axes, x_label, "", title)
    plots.legend_below(figure, axes)
    return figure


def dots_in_words(columns: Mapping[str, Mapping[str, Spread]], title: str) -> str:
    """The alternative text of `dots`: every median.

    >>> dots_in_words({"now": {"a": {"median": 2.0}}}, "Costs")
    'Costs. a: 2 (now).'
    """
    names = list(next(iter(columns.values())))
    said = [
        f"{name}: "
        + ", ".join(f"{number(row[name]['median'])} ({k})" for k, row in columns.items())
        for name in names
    ]
    return f"{title}. {'; '.join(said)}."
