"""The cockpit's pictures: each from a snapshot, with a title, a table behind it, and words for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from currlab import plots
from currlab.curriculum_plots import level_of, prompt_shares
from currlab.lab.records import Snapshot

STRETCHES = 16


@dataclass(frozen=True)
class Panel:
    """A kind of picture: its title, the numbers it shows, and how they are drawn."""

    title: str
    table: Callable[[Snapshot], pd.DataFrame]
    draw: Callable[[Axes, pd.DataFrame], None]

    def figure(self, table: pd.DataFrame) -> Figure:
        """Fixed margins: finding them anew would take half of the drawing time."""
        figure = Figure(figsize=(4.6, 2.8))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.14, right=0.88, bottom=0.17, top=0.96)
        axes.grid(alpha=0.3)
        axes.spines["top"].set_visible(False)
        self.draw(axes, table)
        return figure

    def alt(self, table: pd.DataFrame) -> str:
        """The first and the last of every line's numbers, in words."""
        lines = table.T if table.index.name == "level" else table
        told = []
        for name, values in lines.items():
            known = values.dropna()
            if len(known):
                label = f"level {name}" if lines is not table else str(name)
                told.append(f"{label} goes from {known.iloc[0]:.3g} to {known.iloc[-1]:.3g}")
        return f"{self.title}. Up to step {lines.index[-1]}: {'; '.join(told)}."


# ---------------------------------------------------------------- numbers


def arm_table(snapshot: Snapshot) -> pd.DataFrame:
    """One row for each arm of each step."""
    rows = [
        {
            "step": record.step,
            "arm": arm,
            "level": level_of(arm),
            "prompts": one.groups,
            "pass rate": one.pass_rate,
            "zero variance": one.zero_variance,
        }
        for record in snapshot.steps
        for arm, one in record.arms.items()
    ]
    return pd.DataFrame(rows)


def by_level(snapshot: Snapshot, value: str) -> pd.DataFrame:
    """Mean of a value for every level (row) and stretch of steps (column, named by its last step)."""
    table = arm_table(snapshot)
    if table.empty:
        return table
    width = -(-int(table["step"].max()) // STRETCHES)
    until = (-(-table["step"] // width) * width).clip(upper=table["step"].max())
    sums = (table[value] * table["prompts"]).groupby([table["level"], until]).sum()
    counts = table["prompts"].groupby([table["level"], until]).sum()
    return (sums / counts).unstack("step")


def shares(snapshot: Snapshot) -> pd.DataFrame:
    table = arm_table(snapshot)
    if table.empty:
        return table
    return prompt_shares(table, sorted(table["level"].unique()), bins=STRETCHES)


def means(snapshot: Snapshot) -> pd.DataFrame:
    """Entropy and length, a row a step."""
    rows = [{"step": r.step, **r.metrics} for r in snapshot.steps]
    return pd.DataFrame(rows, columns=["step", "entropy", "length"]).set_index("step")


def strategy_numbers(snapshot: Snapshot) -> pd.DataFrame:
    """What the select strategy keeps for every level (column) since it was put in (rows: steps).

    The first of its numbers that is kept by arm; without one, those that are single numbers.
    """
    name = snapshot.recipe["select"]["strategy"]
    rows: dict[int, Mapping[str, float]] = {}
    told = ""
    for record in reversed(snapshot.steps):
        if name not in record.strategies:
            break
        numbers = record.strategies[name]
        told, rows[record.step] = _first_by_arm(numbers)
    table = pd.DataFrame.from_dict(rows, orient="index").sort_index()
    table = table.rename_axis(index="step", columns=f"{name}: {told}" if told else name)
    return table


def _first_by_arm(numbers: Mapping[str, Any]) -> tuple[str, dict[str, float]]:
    for key, values in numbers.items():
        if isinstance(values, Mapping) and values:
            return key, {str(arm).rpartition("/")[2]: value for arm, value in values.items()}
    return "", {k: v for k, v in numbers.items() if isinstance(v, int | float)}


# ---------------------------------------------------------------- drawing


def heat(axes: Axes, table: pd.DataFrame) -> None:
    axes.grid(visible=False)
    axes.set_facecolor("#dddddd")
    cells = np.ma.masked_invalid(table.to_numpy(dtype=float))
    x, y = np.arange(cells.shape[1] + 1), np.arange(cells.shape[0] + 1)
    mesh = axes.pcolormesh(x, y, cells, cmap="cividis", vmin=0, vmax=1)
    mesh.set_gid("cells")
    ends = list(table.columns)
    ticks = np.unique(np.linspace(0, len(ends) - 1, 5).round().astype(int))
    axes.set_xticks(ticks + 0.5, [str(ends[i]) for i in ticks])
    axes.set_yticks(y[:-1] + 0.5, [str(level) for level in table.index])
    axes.set(xlabel="steps up to", ylabel="level")
    bar = axes.figure.colorbar(mesh, ax=axes)
    bar.set_ticks([0, 0.5, 1], labels=["0 %", "50 %", "100 %"])


def _stack(axes: Axes, table: pd.DataFrame) -> None:
    """Shares on top of each other; neighbours differ in shade, and wide bands carry their level."""
    colours = colormaps["cividis"](np.linspace(0, 1, max(2, len(table))))[: len(table)]
    x, values = np.arange(table.shape[1]), table.to_numpy()
    axes.stackplot(x, values, colors=colours, edgecolor="white", linewidth=0.6, step="mid")
    axes.grid(visible=False)
    tops = values.cumsum(0)
    for row, (level, colour) in enumerate(zip(table.index, colours, strict=True)):
        place = int(values[row].argmax())
        if values[row, place] > 0.08:
            look = {"ha": "center", "va": "center", "fontsize": 8}
            shade = "white" if sum(colour[:3]) < 1.4 else "black"
            axes.text(
                np.clip(place, 0.15, max(0.15, len(x) - 1.15)),
                tops[row, place] - values[row, place] / 2,
                str(level),
                color=shade,
                **look,
            )
    plots.percent_axis(axes)
    ticks = np.unique(np.linspace(0, len(x) - 1, 5).round().astype(int))
    axes.set_xticks(ticks, [str(table.columns[i]) for i in ticks])
    axes.set(xlabel="steps up to (numbers in the bands: level)")


def _two(axes: Axes, table: pd.DataFrame) -> None:
    other = axes.twinx()
    other.spines["top"].set_visible(False)
    for i, (panel, name, unit) in enumerate(
        ((axes, "entropy", "nats a token"), (other, "length", "tokens"))
    ):
        look = {"color": plots.COLOURS[i], "linestyle": plots.DASHES[i]}
        panel.plot(table.index, table[name], label=name, **look)
        panel.set_ylabel(f"{name} ({unit}, {('solid', 'dashed')[i]})", color=look["color"])
        panel.set_ylim(bottom=0)
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _numbers(axes: Axes, table: pd.DataFrame) -> None:
    """A line a level, seven at most, spread over all of them."""
    spread = np.linspace(0, table.shape[1] - 1, min(table.shape[1], len(plots.COLOURS)))
    for i, column in enumerate(spread.round().astype(int)):
        look = {k: v for k, v in plots.style(i).items() if k in ("color", "linestyle")}
        axes.plot(table.index, table.iloc[:, column], label=str(table.columns[column]), **look)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set(xlabel="step", ylabel=str(table.columns.name))
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


PANELS = (
    Panel("Pass rate of each level", lambda s: by_level(s, "pass rate"), heat),
    Panel("Where the prompts come from", shares, _stack),
    Panel("Groups that teach nothing", lambda s: by_level(s, "zero variance"), heat),
    Panel("What the curriculum believes", strategy_numbers, _numbers),
    Panel("Entropy and length", means, _two),
)


def overview(snapshot: Snapshot) -> Figure:
    """The first four panels in one static figure, for reports."""
    figure = Figure(figsize=(10, 6.4), layout="constrained")
    for axes, panel in zip(figure.subplots(2, 2).flat, PANELS, strict=False):
        axes.spines[["top", "right"]].set_visible(False)
        table = panel.table(snapshot)
        if not table.empty:
            panel.draw(axes, table)
        axes.set_title(panel.title)
    last = snapshot.steps[-1].step if snapshot.steps else 0
    figure.suptitle(f"{snapshot.recipe['select']['strategy']}: {last} steps")
    return figure
