"""The groups of a run as the microscope shows them: numbers for every cell, HTML for one group."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from currlab.curricula.data import EQUAL_REWARDS
from currlab.errors import CurrlabError
from currlab.lab.drawing import Figure, heat, together
from currlab.lab.tally import arm_names, stretch, task_and_level

STRETCHES = 12
# What the map can show of the groups of a level in a stretch of steps; all are shares.
VALUES = ("pass rate", "prompts", "informative groups")
NEEDED = ("step", "arm", "prompt", "completions", "rewards", "correct", "advantages")
CHARACTERS_SHOWN = 2000

Record = Mapping[str, Any]
Tokenize = Callable[[str], Sequence[str]]


# ---------------------------------------------------------------- numbers


def group_table(records: Sequence[Record]) -> pd.DataFrame:
    """One row a group: its step and arm, its pass rate, whether it taught, its stretch of steps.

    `until` names the stretch by its last step. CurrlabError if there is no group, or one lacks a
    field.
    """
    if not records:
        raise CurrlabError("This run has no groups yet; look again after its first step.")
    for number, record in enumerate(records, start=1):
        missing = [name for name in NEEDED if name not in record]
        if missing or not record["rewards"]:
            what = f"no '{missing[0]}'" if missing else "no rollouts"
            raise CurrlabError(f"Group {number} of this run has {what}; is it a groups.jsonl?")
    table = pd.DataFrame(
        {
            "step": [record["step"] for record in records],
            "arm": [record["arm"] for record in records],
            "pass rate": [float(np.mean(record["correct"])) for record in records],
            "informative groups": [float(_informative(record)) for record in records],
        }
    )
    last = int(table["step"].max())
    width = stretch(last, STRETCHES)
    table["until"] = (-(-table["step"] // width) * width).clip(upper=last)
    return table


def _informative(record: Record) -> bool:
    return max(record["rewards"]) - min(record["rewards"]) > EQUAL_REWARDS


def cells(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """A value for every arm (row, easy to hard) and stretch (column); NaN where nothing was asked.

    "prompts" are shares of a stretch's prompts, the others are means over the cell's groups.
    """
    by_cell = table.groupby(["arm", "until"])
    if value == "prompts":
        found = by_cell.size() / table.groupby("until").size()
    else:
        found = by_cell[value].mean()
    wide = found.unstack("until")
    return wide.loc[sorted(wide.index, key=task_and_level)]


def overview(table: pd.DataFrame) -> str:
    """All three maps beside each other, for where nobody can click."""
    return together([_map(table, value) for value in VALUES])


def _map(table: pd.DataFrame, value: str) -> Figure:
    found = cells(table, value)
    names, kind = arm_names(list(found.index))
    told = [
        f"{kind} {name}: {values.dropna().iloc[0]:.0%} at first, {values.dropna().iloc[-1]:.0%} at last"
        for name, (_, values) in zip(names, found.iterrows(), strict=True)
    ]
    picture = heat(found.set_axis(pd.Index(names, name=kind)))
    return Figure(value, picture, f"{value}; {'; '.join(told)}.")


# ---------------------------------------------------------------- one group


def group_html(record: Record, tokenize: Tokenize) -> str:
    """The completions of a group, the best first; what the model wrote is escaped.

    Every token of a rollout has the rollout's advantage: blue pulls it up, orange pushes it down.
    """
    advantages = list(record["advantages"]) or [0.0] * len(record["rewards"])
    largest = max(map(abs, advantages)) or 1.0
    order = sorted(range(len(advantages)), key=lambda i: -record["rewards"][i])
    rows = [
        f"<tr><td>{record['rewards'][i]:.2f}</td><td>{'✔' if record['correct'][i] else '✘'}</td>"
        f"<td>{advantages[i]:+.2f}</td>"
        f'<td class="text">{_tokens(record["completions"][i], advantages[i] / largest, tokenize)}</td>'
        "</tr>"
        for i in order
    ]
    told = "" if _informative(record) else " All rewards are equal: this group teaches nothing."
    view = f" · shown as {html.escape(str(record['view']))}" if record.get("view") else ""
    return (
        f"<p><b>step {record['step']} · {html.escape(record['arm'])}{view}</b>.{told}<br>"
        f"<code>{html.escape(record['prompt'][:CHARACTERS_SHOWN])}</code></p><table><thead><tr>"
        '<th>reward</th><th>right</th><th>advantage</th><th class="text">completion, a box a token'
        "</th></tr>"
        f"</thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _tokens(text: str, pull: float, tokenize: Tokenize) -> str:
    """Tokens as coloured boxes; `pull` is the advantage as a share of the group's largest."""
    colour = "0,114,178" if pull > 0 else "213,94,0"
    shade = f"background:rgba({colour},{0.55 * abs(pull):.2f})"
    boxes = [
        f'<span style="{shade}">{html.escape(token)}</span>'
        for token in tokenize(text[:CHARACTERS_SHOWN])
    ]
    left_out = len(text) - CHARACTERS_SHOWN
    return "".join(boxes) + (f" … and {left_out} characters more" if left_out > 0 else "")
