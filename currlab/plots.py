"""Charts: plain `matplotlib.figure.Figure` objects, readable without colour.

Nothing here uses pyplot, so a figure can be built anywhere and no figure is kept alive. Colours are
Okabe and Ito's colour-blind-safe set; line styles, markers and hatches say the same again.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from currlab.evaluation import wilson

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX"
HATCHES = ("", "//", "..", "xx", "--", "\\\\", "++")
KINDS = {"sampled": "T=1", "greedy": "greedy", "pass_at_8": "pass@8"}
PREDICTION = {
    "label": "your prediction",
    "color": "black",
    "linestyle": ":",
    "marker": "*",
    "markersize": 9,
}

Row = Mapping[str, Any]
Series = tuple[Sequence[float], Sequence[float]]


# ---------------------------------------------------------------- building blocks


def new_figure(
    columns: int = 1, width: float = 4.2, height: float = 3.3
) -> tuple[Figure, list[Axes]]:
    """An empty figure with `columns` panels beside each other, each `width` x `height` inches."""
    figure = Figure(figsize=(width * columns + 0.6, height), layout="constrained")
    panels = figure.subplots(1, columns, squeeze=False)[0]
    for axes in panels:
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, list(panels)


def style(i: int) -> dict[str, Any]:
    """Colour, dash and marker of the i-th line of a panel; all three differ between neighbours."""
    return {
        "color": COLOURS[i % len(COLOURS)],
        "linestyle": DASHES[i % len(DASHES)],
        "marker": MARKERS[i % len(MARKERS)],
        "markersize": 4,
    }


def percent_axis(axes: Axes) -> None:
    """Show shares (0 to 1) as percentages, always over the whole range."""
    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def label_panel(axes: Axes, x_label: str, y_label: str, title: str) -> None:
    """Label the only panel of a figure; a long title is broken into lines that fit."""
    width = int(axes.figure.get_figwidth() * 9.5)
    axes.set(xlabel=x_label, ylabel=y_label, title=textwrap.fill(title, width))


def short_label(x: Any) -> str:
    """A tick's label, broken into lines if it is long."""
    return str(x) if len(str(x)) <= 14 else textwrap.fill(str(x), 14)


def legend_below(figure: Figure, axes: Axes) -> None:
    """The legend of `axes` below the panels, where it hides no data; as many columns as fit."""
    handles, labels = axes.get_legend_handles_labels()
    # A letter takes about a twelfth of an inch, the line before the label as much as five.
    fitting = int(figure.get_figwidth() * 12 / (max(map(len, labels), default=0) + 6))
    columns = max(1, min(4, len(labels), fitting))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)


# ---------------------------------------------------------------- figures


def lines(
    series: Mapping[str, Series],
    x_label: str,
    y_label: str,
    title: str,
    percent: bool = False,
    bands: Mapping[str, Series] | None = None,
    markers: bool = True,
) -> Figure:
    """One labelled line a series, (x, y) each; `bands` are (low, high) of the series they name."""
    figure, (axes,) = new_figure(width=6.0)
    for i, (label, (x, y)) in enumerate(series.items()):
        look = style(i) if markers else {**style(i), "marker": ""}
        axes.plot(x, y, label=label, **look)
        if bands and label in bands:
            axes.fill_between(x, *bands[label], color=look["color"], alpha=0.15, linewidth=0)
    if percent:
        percent_axis(axes)
    label_panel(axes, x_label, y_label, title)
    if len(series) > 1:
        legend_below(figure, axes)
    return figure


def bars(
    values: Mapping[str, Mapping[Any, float]],
    x_label: str,
    y_label: str,
    title: str,
    percent: bool = False,
    prediction: Sequence[float] | None = None,
) -> Figure:
    """Grouped bars: `values[label][x]`; an x that a label lacks leaves a gap.

    `prediction` holds one value for each x, in order, and is drawn over the bars.
    """
    xs = list(dict.fromkeys(x for row in values.values() for x in row))
    figure, (axes,) = new_figure(width=max(5.0, 0.22 * len(xs) * (len(values) + 1)))
    width = 0.8 / len(values)
    for i, (label, row) in enumerate(values.items()):
        at = np.arange(len(xs)) + (i - (len(values) - 1) / 2) * width
        heights = [row.get(x, np.nan) for x in xs]
        look = {"color": COLOURS[i % len(COLOURS)], "hatch": HATCHES[i % len(HATCHES)]}
        axes.bar(at, heights, width, label=label, edgecolor="white", **look)
    if prediction is not None:
        axes.plot(range(len(xs))[: len(prediction)], prediction[: len(xs)], **PREDICTION)
    axes.set_xticks(range(len(xs)), [short_label(x) for x in xs])
    axes.axhline(0, color="black", linewidth=0.8)
    if percent:
        percent_axis(axes)
    label_panel(axes, x_label, y_label, title)
    if len(values) > 1 or prediction is not None:
        legend_below(figure, axes)
    return figure


def accuracy_by_level(
    evaluations: Mapping[str, Sequence[Row]],
    title: str,
    prediction: Sequence[float] | None = None,
) -> Figure:
    """Accuracy against level, three kinds beside each other: T=1, greedy and pass@8.

    `evaluations` are rows of `currlab.evaluation.evaluate` by label; shades are Wilson's 95 %
    intervals over problems. `prediction` holds one greedy accuracy (0 to 1) for each level, in
    order, and is drawn over the greedy panel.
    """
    figure, panels = new_figure(3, width=3.6)
    for axes, (kind, name) in zip(panels, KINDS.items(), strict=True):
        for i, (label, rows) in enumerate(evaluations.items()):
            table = pd.DataFrame([row for row in rows if kind in row])
            if table.empty:
                continue
            table = table.sort_values("level")
            bounds = [wilson(p * n, n) for p, n in zip(table[kind], table["n"], strict=True)]
            axes.plot(table["level"], table[kind], label=label, **style(i))
            shade = {"color": style(i)["color"], "alpha": 0.15, "linewidth": 0}
            axes.fill_between(table["level"], *np.transpose(bounds), **shade)
        if prediction is not None and kind == "greedy":
            levels = sorted({row["level"] for rows in evaluations.values() for row in rows})
            axes.plot(levels[: len(prediction)], prediction[: len(levels)], **PREDICTION)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        percent_axis(axes)
        axes.set(xlabel="level", title=name)
    panels[0].set_ylabel("accuracy")
    legend_below(figure, panels[1])
    figure.suptitle(title)
    return figure


def heat(
    grids: Mapping[str, pd.DataFrame],
    x_label: str,
    y_label: str,
    value_label: str,
    title: str,
    top: float = 1.0,
) -> Figure:
    """Tables of numbers as shades from 0 to `top`, one panel each: rows upwards, columns right.

    Row and column labels are numbers in rising order, at least two of each; NaN cells stay grey:
    not measured, or not yet. Panels share one colour bar.
    """
    figure, panels = new_figure(len(grids), width=4.0, height=3.6)
    for axes, (label, grid) in zip(panels, grids.items(), strict=True):
        axes.grid(visible=False)
        axes.set_facecolor("#dddddd")
        cells = np.ma.masked_invalid(grid.to_numpy(dtype=float))
        x, y = grid.columns.to_numpy(dtype=float), grid.index.to_numpy(dtype=float)
        mesh = axes.pcolormesh(x, y, cells, cmap="cividis", vmin=0, vmax=top, shading="nearest")
        mesh.set_gid("cells")
        axes.set_yticks(y)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set(xlabel=x_label, title=label)
    panels[0].set_ylabel(y_label)
    bar = figure.colorbar(mesh, ax=panels, label=value_label)
    if top == 1.0:
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    figure.suptitle(title)
    return figure


def frontier_of(grid: pd.DataFrame, threshold: float = 0.5) -> pd.Series:
    """For every column (step) the highest level with accuracy >= `threshold`; NaN if none.

    >>> frontier_of(pd.DataFrame({0: [1.0, 0.2], 10: [1.0, 0.6]}, index=[1, 2])).tolist()
    [1.0, 2.0]
    """
    levels = pd.Series(grid.index, index=grid.index, dtype=float)
    return (grid >= threshold).apply(lambda column: levels[column].max())


def frontier(
    grids: Mapping[str, pd.DataFrame],
    title: str,
    threshold: float = 0.5,
    x_label: str = "optimiser step",
) -> Figure:
    """Accuracy by level (rows) over a run (columns), and the frontier climbing over it.

    The line joins, for every column, the highest level that is solved at least half of the time.
    """
    figure = heat(grids, x_label, "level", "greedy accuracy", title)
    for axes, grid in zip(figure.axes, grids.values(), strict=False):
        line = frontier_of(grid, threshold)
        label = f"highest level at {threshold:.0%} or more"
        # A dark edge keeps the line visible on the light cells.
        axes.plot(line.index, line, color="black", linewidth=5, solid_capstyle="round")
        axes.plot(line.index, line, color="white", linewidth=2, marker="o", ms=5, label=label)
    note = f"line: {label} (none below the first point); grey: not measured"
    figure.supxlabel(textwrap.fill(note, int(figure.get_figwidth() * 12)), fontsize=9)
    return figure
