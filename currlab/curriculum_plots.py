"""What a curriculum did: which levels it asked for, and the numbers it kept for them.

All functions take logs as they are written: the records of groups.jsonl, or the frame of a
simulated student's history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from currlab import plots
from currlab.errors import CurrlabError


def level_of(arm: str) -> int:
    """The level of an arm such as "sorting/3"."""
    return int(arm.rpartition("/")[2])


def prompt_shares(
    groups: Sequence[Mapping[str, Any]] | pd.DataFrame, levels: Sequence[int], bins: int = 20
) -> pd.DataFrame:
    """The share of each level (rows) among the prompts of each stretch of steps (columns).

    `groups` have `step` (from 1) and `arm`; where a row stands for several groups, their number is
    `prompts`. A column is named after the last step of its stretch. CurrlabError without a group.

    >>> groups = [{"step": 1, "arm": "sorting/1"}, {"step": 2, "arm": "sorting/2"}]
    >>> prompt_shares(groups, [1, 2], bins=1).to_numpy().tolist()
    [[0.5], [0.5]]
    """
    table = pd.DataFrame(groups)
    if table.empty:
        raise CurrlabError("There are no groups yet, so nothing was chosen; take a step first.")
    counts = table["prompts"] if "prompts" in table else pd.Series(1, index=table.index)
    width = -(-int(table["step"].max()) // bins)
    until = -(-table["step"] // width) * width
    shares = pd.crosstab(
        table["arm"].map(level_of), until, values=counts, aggfunc="sum", normalize="columns"
    )
    return shares.reindex(list(levels), fill_value=0.0).rename_axis(index="level", columns="step")


def choices(shares: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """One panel a curriculum: the share of every level over the run, light where it is large."""
    top = max(float(np.nanmax(table.to_numpy())) for table in shares.values())
    return plots.heat(shares, "optimiser step", "level", "share of problems", title, top=top)


def level_values(snapshots: Sequence[Mapping[str, Any]], name: str) -> pd.DataFrame:
    """One of a strategy's numbers over steps (columns, from 1) for every level (rows).

    `snapshots` are what `strategy.snapshot()` gave after each step; `name` is one of its keys, whose
    values are keyed by arm.
    """
    table = pd.DataFrame([shot[name] for shot in snapshots], index=range(1, len(snapshots) + 1))
    return table.rename(columns=level_of).T.rename_axis(index="level", columns="step")


def values_over_steps(table: pd.DataFrame, value_label: str, title: str) -> Figure:
    """The numbers of `level_values` over steps: a line for each level; shades, if there are many."""
    x_label = "optimiser step"
    if len(table) > len(plots.COLOURS) and table.shape[1] > 1:
        top = float(np.nanmax(table.to_numpy()))
        return plots.heat({"": table}, x_label, "level", value_label, title, top=top)
    series = {
        f"level {level}": (list(table.columns), row.tolist()) for level, row in table.iterrows()
    }
    return plots.lines(series, x_label, value_label, title, markers=False)
