"""Many contestants in one picture: differences to a baseline with intervals, told apart by kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from currlab import plots
from currlab.statistics import BETTER, WORSE
from currlab.study_plan import Contestant

INCHES_A_ROW, INCHES_BESIDES = 0.21, 1.7
SEVERAL = "several"
COLUMNS = ["difference", "difference_low", "difference_high"]


def dial_of(contestant: Contestant) -> str:
    """The dial that a contestant turns, or "several".

    >>> dial_of(Contestant("sec", "sec")), dial_of(Contestant("x", "uniform", dials={"sample": "x"}))
    ('select', 'sample')
    """
    turned = list(contestant.dials)
    if contestant.select != "uniform" or not turned:
        turned.append("select")
    return SEVERAL if len(turned) > 1 else turned[0]


def interval_rows(table: pd.DataFrame, kinds: Sequence[str], x_label: str, title: str) -> Figure:
    """A row for each row of `table`, the first on top: a difference in points, and its interval.

    `table` has the columns recipe, kind and verdict, and the shares `difference`,
    `difference_low` and `difference_high`. `kinds` are all kinds, in the order of their colours and
    markers, so that equal kinds look alike in figures that do not hold them all. A full marker is
    better or worse, an empty one undecided. The figure grows with its rows.
    """
    figure, (axes,) = plots.new_figure(width=6.6, height=INCHES_BESIDES + INCHES_A_ROW * len(table))
    table = table.assign(place=np.arange(len(table)))
    for i, kind in enumerate(kinds):
        rows, look = table[table.kind == kind], {**plots.style(i), "markersize": 5.5}
        if rows.empty:
            continue
        middle, low, high = (100 * rows[column] for column in COLUMNS)
        axes.hlines(rows.place, low, high, color=look["color"], linestyle=look["linestyle"])
        look["linestyle"] = ""
        axes.plot(middle, rows.place, label="_open", **look, markerfacecolor="white")
        decided = rows.verdict.isin((BETTER, WORSE))
        axes.plot(middle[decided], rows.place[decided], label=kind, **look)
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks(table.place, table.recipe)
    axes.set_ylim(len(table) - 0.4, -0.6)
    plots.label_panel(axes, x_label, "", title)
    plots.legend_below(figure, axes)
    return figure


def interval_words(table: pd.DataFrame) -> str:
    """The rows of `interval_rows` in words: its alternative text."""
    return "; ".join(
        f"{row.recipe} {100 * row.difference:+.1f} points "
        f"[{100 * row.difference_low:.1f}, {100 * row.difference_high:.1f}], {row.verdict}"
        for row in table.itertuples()
    )
