"""Sums over the steps of a run: how often every arm was asked, solved, and of no use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

STRETCHES = 16


@dataclass(frozen=True)
class ArmRecord:
    """One arm in one step: its groups, and the means over them."""

    groups: int
    pass_rate: float
    zero_variance: float


@dataclass(frozen=True)
class Tally:
    """Tables of arms (rows, easy to hard) by stretches of steps (columns, named by the last step).

    `shares` of a stretch's prompts, `pass_rate`, and `zero_variance`: the share of groups whose
    rewards are equal. A cell without a group is NaN, but for `shares`.
    """

    shares: pd.DataFrame
    pass_rate: pd.DataFrame
    zero_variance: pd.DataFrame


def tally(rows: Iterable[tuple[int, str, ArmRecord]]) -> Tally:
    """The tally of (step, arm, what came of it); all tables are empty if there are none."""
    rows = list(rows)
    last = max((step for step, _, _ in rows), default=0)
    width = stretch(last, STRETCHES)
    ends = [min(end, last) for end in range(width, last + width, width)]
    arms = sorted({arm for _, arm, _ in rows}, key=task_and_level)
    place = {arm: i for i, arm in enumerate(arms)}
    cells = ([place[arm] for _, arm, _ in rows], [(step - 1) // width for step, _, _ in rows])
    groups, passed, equal = np.zeros((3, len(arms), len(ends)))
    np.add.at(groups, cells, [one.groups for *_, one in rows])
    np.add.at(passed, cells, [one.groups * one.pass_rate for *_, one in rows])
    np.add.at(equal, cells, [one.groups * one.zero_variance for *_, one in rows])
    with np.errstate(invalid="ignore"):
        tables = (groups / groups.sum(0), passed / groups, equal / groups)
    names, kind = arm_names(arms)
    index = pd.Index(names, name=kind)
    columns = pd.Index(ends, name="step")
    return Tally(*(pd.DataFrame(table, index, columns) for table in tables))


def stretch(steps: int, most: int) -> int:
    """How many steps are taken together so that `steps` make at most `most` stretches."""
    return max(1, -(-steps // most))


def task_and_level(arm: str) -> tuple[str, int]:
    """What arms are ordered by: "sorting/10" comes after "sorting/9"."""
    task, _, level = arm.rpartition("/")
    return task, int(level) if level.isdecimal() else 0


def arm_names(arms: Sequence[str]) -> tuple[list[str], str]:
    """Short names for arms, and what they are: levels of the one task there is, or arms."""
    if len({task_and_level(arm)[0] for arm in arms}) > 1:
        return list(arms), "arm"
    return [arm.rpartition("/")[2] for arm in arms], "level"
