"""The vital signs of a run: its groups as a table, one row a group, and the curves of that table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from currlab import plots
from currlab.curricula.data import EQUAL_REWARDS
from currlab.errors import CurrlabError
from currlab.runs import Run
from currlab.tasks.base import OPEN

LISTS = ("completions", "rewards", "correct", "lengths")
# Column of the table: title of its panel, label of its axis.
PANELS: Mapping[str, tuple[str, str]] = {
    "pass_rate": ("Is it right?", "pass rate (dotted: reward)"),
    "opened": ("Does it answer?", "completions with an answer tag"),
    "equal": ("Is there a signal?", "groups with equal rewards"),
    "entropy": ("Is it undecided?", "entropy, nats per token"),
    "wrong_variety": ("Does it still try?", "variety of all-wrong groups"),
    "length": ("How long does it write?", "tokens"),
}
SHARES = ("pass_rate", "opened", "equal", "wrong_variety")


def group_table(run: Run) -> pd.DataFrame:
    """The run's groups.jsonl in numbers: one row a group, in order.

    =================  ==================================================================
    Column             Meaning
    =================  ==================================================================
    step, place        the step (from 1); arm and wishes to the present dial, as one label
    pass_rate, reward  means over the rollouts
    size               rollouts
    right_pay          mean reward of the right rollouts; NaN where none is right
    wrong_pay          mean reward of the wrong rollouts; NaN where none is wrong
    best_pay           largest reward
    equal              True for a zero-variance group
    opened             share of completions with an opening answer tag
    variety            0 if all completions are the same text, 1 if all differ
    wrong_variety      the same, NaN in groups with a right rollout
    entropy            nats per token
    length, truncated  mean tokens; share of completions as long as the limit (NaN: no limit told)
    length_credit      mean of advantage times standardised length: positive if length is paid;
                       NaN where all lengths are equal or no advantages are told
    =================  ==================================================================

    CurrlabError names the first line that is not a group's record.
    """
    limit = training_setting(run, "max_new_tokens")
    if type(limit) is not int:
        limit = None
    rows = []
    for number, record in enumerate(run.records("groups"), start=1):
        try:
            rows.append(_row(record, limit))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            path = run.folder / "groups.jsonl"
            raise CurrlabError(f"Line {number} of '{path}' is not a group's record.") from error
    if not rows:
        raise CurrlabError(f"The run '{run.folder}' has no groups yet; take some steps first.")
    return pd.DataFrame(rows)


def training_setting(run: Run, name: str) -> Any:
    """A setting of the run's training, from config.json; None if it does not say."""
    config = run.config
    training = config.get("training") if isinstance(config, dict) else None
    return training.get(name) if isinstance(training, dict) else None


def _row(record: Any, limit: int | None) -> dict[str, Any]:
    texts, rewards, correct, lengths = (record[name] for name in LISTS)
    step, advantages = record["step"], record["advantages"]
    sizes = {len(part) for part in (texts, rewards, correct, lengths)}
    whole = len(sizes) == 1 and texts and len(advantages) in (0, len(texts))
    if not whole or type(step) is not int or step < 1 or not all(type(t) is str for t in texts):
        raise ValueError
    rewards, lengths, advantages = map(_numbers, (rewards, lengths, advantages))
    right = np.array([{True: True, False: False}[verdict] for verdict in correct])
    variety = (len(set(texts)) - 1) / (len(texts) - 1) if len(texts) > 1 else math.nan
    spread = lengths.std()
    credit = math.nan
    if len(advantages) and spread > 0:
        credit = float((advantages * (lengths - lengths.mean())).mean() / spread)
    return {
        "step": step,
        "place": f"{record['arm']} {json.dumps(record['view'], sort_keys=True)}",
        "size": len(texts),
        "pass_rate": float(right.mean()),
        "reward": float(rewards.mean()),
        "right_pay": float(rewards[right].mean()) if right.any() else math.nan,
        "wrong_pay": float(rewards[~right].mean()) if not right.all() else math.nan,
        "best_pay": float(rewards.max()),
        "equal": bool(np.ptp(rewards) <= EQUAL_REWARDS),
        "opened": float(np.mean([OPEN in text for text in texts])),
        "variety": variety,
        "wrong_variety": variety if not right.any() else math.nan,
        "entropy": float(_numbers([record["entropy"]])[0]),
        "length": float(lengths.mean()),
        "truncated": math.nan if limit is None else float((lengths >= limit).mean()),
        "length_credit": credit,
    }


def _numbers(values: Sequence[Any]) -> np.ndarray:
    """Finite numbers as floats; ValueError for anything else, OverflowError for huge integers."""
    if not all(type(value) in (int, float) for value in values):
        raise ValueError
    array = np.array([float(v) for v in values])
    if not np.isfinite(array).all():
        raise ValueError
    return array


def chart(tables: Mapping[str, pd.DataFrame], title: str, window: int = 5) -> Figure:
    """Six vital signs over the steps, a line for each labelled table of `group_table`.

    Lines are running means over `window` steps. In the first panel the reward is dotted: where it
    leaves the pass rate, something else than being right is paid.
    """
    figure = Figure(figsize=(11, 6), layout="constrained")
    panels = figure.subplots(2, 3).flat
    for axes, (name, (heading, label)) in zip(panels, PANELS.items(), strict=True):
        for i, (who, table) in enumerate(tables.items()):
            look = {**plots.style(i), "marker": ""}
            curve = _smooth(table, name, window)
            axes.plot(curve.index, curve, label=who, **look)
            if name == "pass_rate":
                reward = _smooth(table, "reward", window)
                axes.plot(reward.index, reward, **{**look, "linestyle": ":", "alpha": 0.8})
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set(title=heading, ylabel=label, xlabel="step")
        if name in SHARES:
            plots.percent_axis(axes)
        else:
            axes.set_ylim(bottom=0)
    plots.legend_below(figure, figure.axes[0])
    figure.suptitle(title)
    return figure


def _smooth(table: pd.DataFrame, column: str, window: int) -> pd.Series:
    """A column's mean at every step, smoothed; steps without a value are left out."""
    by_step = table.astype({column: float}).groupby("step")[column].mean().dropna()
    return by_step.rolling(window, min_periods=1).mean()
