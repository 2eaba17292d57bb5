"""The cockpit's pictures: each from a snapshot, with a title, a table behind it, and words for it."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from currlab.lab.drawing import Figure, heat, lines, stack, together, two
from currlab.lab.records import Snapshot
from currlab.lab.svg import Picture
from currlab.lab.tally import arm_names, stretch, task_and_level

# A line of more points is no better to see.
POINTS = 120
ROWS_OF_A_TABLE = 24


@dataclass(frozen=True)
class Panel:
    """A kind of picture: its title, the numbers it shows, and how they are drawn.

    `table` is given one of `choices`, or "" where there is nothing to choose; `draw` is given the
    steps after which the learner changed something.
    """

    title: str
    table: Callable[[Snapshot, str], pd.DataFrame]
    draw: Callable[[pd.DataFrame, Sequence[int]], Picture]
    choices: Callable[[Snapshot], list[str]] = lambda _: []

    def figure(self, table: pd.DataFrame, changed_at: Sequence[int]) -> Figure:
        return Figure(self.title, self.draw(table, changed_at), self.words(table))

    def words(self, table: pd.DataFrame) -> str:
        """The first and the last of every line's numbers, for those who do not see it."""
        lines = table if table.index.name == "step" else table.T
        kind = "" if lines is table else f"{table.index.name} "
        told = [
            f"{kind}{name} goes from {known.iloc[0]:.3g} to {known.iloc[-1]:.3g}"
            for name, values in lines.items()
            if len(known := values.dropna())
        ]
        return f"{self.title}. Up to step {lines.index[-1]}: {'; '.join(told)}."


def table_html(table: pd.DataFrame) -> str:
    """The numbers behind a picture; of many rows some, the last among them."""
    if len(table) > ROWS_OF_A_TABLE:
        rows = np.linspace(0, len(table) - 1, ROWS_OF_A_TABLE).round().astype(int)
        table = table.iloc[rows]
    numbers = table.round(3).to_html(na_rep="")
    return f'<div class="numbers" style="max-height:220px;overflow:auto">{numbers}</div>'


# ---------------------------------------------------------------- numbers


def progress(snapshot: Snapshot, _: str = "") -> pd.DataFrame:
    """Mean reward of the training steps, and greedy accuracy over all levels where it was measured."""
    rewards = {record.step: record.metrics["reward"] for record in snapshot.steps}
    table = thinned(pd.DataFrame({"reward": rewards}, dtype=float), "mean")
    if snapshot.evaluations:
        judged = pd.DataFrame(snapshot.evaluations).drop_duplicates(["step", "arm"], keep="last")
        table = table.join(judged.groupby("step")["greedy"].mean().rename("accuracy"), how="outer")
    return table.rename_axis(index="step", columns="mean")


def means(snapshot: Snapshot, _: str = "") -> pd.DataFrame:
    """Entropy and length, a row a step."""
    rows = {r.step: (r.metrics["entropy"], r.metrics["length"]) for r in snapshot.steps}
    columns = ["entropy", "length"]
    return thinned(pd.DataFrame.from_dict(rows, orient="index", columns=columns), "mean")


def thinned(table: pd.DataFrame, how: str) -> pd.DataFrame:
    """At most `POINTS` rows: steps in stretches of equal length, named by the last; "mean" or "last"."""
    table = table.rename_axis(index="step")
    if len(table) <= POINTS:
        return table
    width = stretch(int(table.index[-1]), POINTS)
    until = np.minimum(-(-table.index // width) * width, table.index[-1])
    return table.groupby(until).agg(how).rename_axis("step")


def kept_numbers(snapshot: Snapshot) -> dict[str, tuple[str, str]]:
    """What the recipe's strategies tell of themselves: a name for it -> (strategy, key).

    Numbers by arm come first; a strategy's single numbers are together, under the key "".
    """
    last = snapshot.steps[-1].strategies if snapshot.steps else {}
    present = dict.fromkeys(told["strategy"] for told in snapshot.recipe.values())
    by_arm: dict[str, tuple[str, str]] = {}
    single: dict[str, tuple[str, str]] = {}
    for name in present:
        for key, value in last.get(name, {}).items():
            if isinstance(value, Mapping) and value:
                by_arm[f"{name}: {key.replace('_', ' ')}"] = (name, key)
            elif isinstance(value, int | float):
                single[f"{name}: single numbers"] = (name, "")
    return by_arm | single


def strategy_numbers(snapshot: Snapshot, choice: str = "") -> pd.DataFrame:
    """One of the `kept_numbers` (columns: arms) in every step since its strategy was put in."""
    known = kept_numbers(snapshot)
    if not known:
        return pd.DataFrame()
    label = choice if choice in known else next(iter(known))
    name, key = known[label]
    rows: dict[int, Mapping[str, float]] = {}
    for record in reversed(snapshot.steps):
        if name not in record.strategies:
            break
        rows[record.step] = _numbers(record.strategies[name], key)
    table = pd.DataFrame.from_dict(rows, orient="index", dtype=float).sort_index()
    if key:
        arms = sorted(map(str, table.columns), key=task_and_level)
        table = table[arms].set_axis(arm_names(arms)[0], axis=1)
    return thinned(table, "last").rename_axis(columns=label)


def _numbers(told: Mapping[str, Any], key: str) -> Mapping[str, float]:
    if key:
        return told.get(key) or {}
    return {k.replace("_", " "): v for k, v in told.items() if isinstance(v, int | float)}


PANELS = (
    Panel("Pass rate of each level", lambda s, _: s.tally.pass_rate, heat),
    Panel("Where the prompts come from", lambda s, _: s.tally.shares, stack),
    Panel("Groups that teach nothing", lambda s, _: s.tally.zero_variance, heat),
    Panel("What the curriculum believes", strategy_numbers, lines, lambda s: [*kept_numbers(s)]),
    Panel("Reward and test accuracy", progress, lines),
    Panel("Entropy and length", means, two),
)


def overview(snapshot: Snapshot) -> str:
    """All panels as one image for reports, and the tables behind them."""
    tables = [(panel, panel.table(snapshot, "")) for panel in PANELS]
    known = [(panel, table) for panel, table in tables if not table.empty]
    behind = "".join(f"<p><b>{panel.title}</b></p>{table_html(table)}" for panel, table in known)
    last = snapshot.steps[-1].step if snapshot.steps else 0
    name = html.escape(snapshot.recipe["select"]["strategy"])
    image = together([panel.figure(table, snapshot.changed_at) for panel, table in known])
    behind = f"<details><summary>The numbers as tables</summary>{behind}</details>" if known else ""
    return f"<p><b>{name}: {last} steps</b></p>{image}{behind}"
