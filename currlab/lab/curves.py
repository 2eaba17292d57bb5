"""The playground's pictures: ability over steps and at the end, and where the prompts went."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from currlab.lab.drawing import Figure, heat, lines
from currlab.student import History

STRETCHES = 20
EVERY = 3  # a line of a point for each third step looks the same


def ability(histories: Mapping[str, History]) -> list[Figure]:
    """Mean pass rate over steps, and of each level at the end; a line a label."""
    over_steps = pd.DataFrame({k: h.pass_rate[::EVERY].mean(1) for k, h in histories.items()})
    over_steps.index = pd.Index(over_steps.index * EVERY, name="step")
    at_end = pd.DataFrame({label: h.pass_rate[-1] for label, h in histories.items()})
    at_end.index = pd.Index(at_end.index + 1, name="level")
    return [
        _lines("Mean pass rate of all levels", over_steps),
        _lines("Pass rate of each level at the end", at_end),
    ]


def prompts(histories: Mapping[str, History]) -> list[Figure]:
    """Where the prompts went, a map a label, all in one scale."""
    shares = {label: prompt_shares(history) for label, history in histories.items()}
    brightest = max(table.to_numpy().max() for table in shares.values())
    return [_map(label, table, brightest) for label, table in shares.items()]


def _lines(title: str, table: pd.DataFrame) -> Figure:
    told = [
        f"{name} {values.iloc[0]:.0%} to {values.iloc[-1]:.0%}" for name, values in table.items()
    ]
    x = f"{table.index.name} {table.index[0]} to {table.index[-1]}"
    return Figure(title, lines(table, percent=True), f"{title}, {x}: {'; '.join(told)}.")


def _map(label: str, table: pd.DataFrame, brightest: float) -> Figure:
    first, last = (int(table.index[table[end].argmax()]) for end in table.columns[[0, -1]])
    told = f"Prompts of {label}: most are of level {first} at first, of level {last} at last."
    return Figure(f"Prompts: {label}", heat(table, top=brightest), told)


def prompt_shares(history: History) -> pd.DataFrame:
    """Shares of the levels (rows) among the prompts of each stretch (columns, named by the last step)."""
    parts = np.array_split(history.prompts, STRETCHES)
    counts = np.array([part.sum(0) for part in parts])
    ends = np.cumsum([len(part) for part in parts])
    levels = range(1, counts.shape[1] + 1)
    return pd.DataFrame(
        (counts / counts.sum(1, keepdims=True)).T,
        pd.Index(levels, name="level"),
        pd.Index(ends, name="step"),
    )
