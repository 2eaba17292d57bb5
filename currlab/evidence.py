"""What a run's files show, in the numbers that tell one cause of failure from another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from currlab.errors import CurrlabError
from currlab.runs import Run
from currlab.vital_signs import group_table, training_setting

TEXTS = ("question", "model_reads", "answer", "verifier_reads")


@dataclass(frozen=True)
class Thresholds:
    """Where a number stops being healthy. Set on sorting with the clinic's seeds 0 to 2, then kept.

    "Early" are the first steps with `early_groups` groups together, "late" is the last quarter of the
    run; changes between them are measured on the same levels.
    """

    early_groups: int = 48
    crash_groups: int = 16  # "early" for a crash, which can take two or three updates
    fewest_steps: int = 20  # a shorter run is too short to speak of changes
    fewest_groups: int = 12  # that early and late have in common
    fewest_completions: int = 100  # before the absence of something is believed
    opened: float = 0.05  # completions with an answer tag; below, the format is unknown
    unreadable: float = 0.05  # pass rate below which a missing template did harm
    equal: float = 0.97  # zero-variance groups, from the start; above, there is no signal
    risen: float = 0.05  # a pass rate that rises by less has not risen
    wrong_pay: float = 0.25  # pay of a wrong rollout, as a share of a right one's ...
    wrong_pay_rise: float = 0.1  # ... that rises by this much,
    wrong_pay_equal: float = 0.75  # or that is about as good in any case
    truncated: float = 0.5  # completions cut off at the limit ...
    truncated_rise: float = 0.4  # ... that were not at the start
    length_credit: float = 0.22  # mean of advantage times standardised length
    crash: float = 0.5  # pass rate, late as a share of early ...
    crash_from: float = 0.1  # ... where it was worth losing
    variety: float = 0.4  # variety of all-wrong groups, late as a share of early
    entropy: float = 0.37  # entropy, late as a share of early


THRESHOLDS = Thresholds()


class Evidence:
    """A run's groups, early and late, and what can be read off them. Shares are 0 to 1.

    CurrlabError in one sentence if a file is damaged, or is not what a run writes.
    """

    def __init__(self, run: Run, limits: Thresholds) -> None:
        self.limits, self.run = limits, run
        self.groups = group_table(run)
        self.steps = int(self.groups["step"].max())
        self.early = self._first(limits.early_groups)
        self.late = self.groups[self.groups["step"] > 0.75 * self.steps]
        self.completions = int(self.groups["size"].sum())
        self.opened = float(np.average(self.groups["opened"], weights=self.groups["size"]))

    def _first(self, wanted: int) -> pd.DataFrame:
        """The groups of the first steps, as many whole steps as it takes to have `wanted` groups."""
        steps = self.groups["step"]
        sizes = steps.value_counts().sort_index().cumsum()
        enough = sizes[sizes >= wanted]
        return self.groups[steps <= (enough.index[0] if len(enough) else self.steps)]

    # ------------------------------------------------------------ how the model reads and is read

    @cached_property
    def texts(self) -> Mapping[str, str] | None:
        """What model and verifier read, as `learner_record` tells it; None in a run without it."""
        told = self.run.learner
        if told is None:
            return None
        if not isinstance(told, dict) or not all(isinstance(told.get(t), str) for t in TEXTS):
            path = self.run.folder / "config.json"
            raise CurrlabError(f"'learner' in '{path}' must hold the texts {', '.join(TEXTS)}.")
        return told

    @property
    def tags_vanish(self) -> bool:
        return self.texts is not None and self.texts["answer"] != self.texts["verifier_reads"]

    @property
    def bare_question(self) -> bool:
        """Does the model read the question and nothing else?"""
        return self.texts is not None and self.texts["question"] == self.texts["model_reads"]

    # ------------------------------------------------------------ early and late

    def change(self, column: str, early: pd.DataFrame | None = None) -> tuple[float, float, int]:
        """A column's mean early and late on the same levels, and the number of groups compared.

        A curriculum asks harder questions as time goes by, so plain means would show a fall where
        there is progress. Each level weighs as much as the smaller of its two sides; (NaN, NaN, 0) if
        no level is on both.
        """
        before, after = (
            part.dropna(subset=[column]).groupby("place")[column].agg(["mean", "size"])
            for part in (self.early if early is None else early, self.late)
        )
        both = before.index.intersection(after.index)
        if both.empty:
            return math.nan, math.nan, 0
        before, after = before.loc[both], after.loc[both]
        weights = np.minimum(before["size"], after["size"])
        means = [float(np.average(side["mean"], weights=weights)) for side in (before, after)]
        return means[0], means[1], int(weights.sum())

    def told(self, column: str, name: str, form: str = ".0%") -> str:
        """A column's change as a phrase, such as ``pass rate 48% -> 2%``; empty without a change."""
        early, late, n = self.change(column)
        return f"{name} {early:{form}} -> {late:{form}}" if n else ""

    @cached_property
    def comparable(self) -> bool:
        """Are there enough steps, and enough groups of the same levels early and late?"""
        enough = self.steps >= self.limits.fewest_steps
        return enough and self.change("pass_rate")[2] >= self.limits.fewest_groups

    @cached_property
    def risen(self) -> bool:
        """Did the pass rate rise on the same levels?"""
        early, late, _ = self.change("pass_rate")
        return late - early > self.limits.risen

    @cached_property
    def fall(self) -> tuple[float, float]:
        """The pass rate of the very first groups, before updates could do harm, and late."""
        early, late, _ = self.change("pass_rate", self._first(self.limits.crash_groups))
        return early, late

    @property
    def crashed(self) -> bool:
        early, late = self.fall
        return early >= self.limits.crash_from and late <= self.limits.crash * early

    # ------------------------------------------------------------ what is paid

    @cached_property
    def wrong_pay(self) -> tuple[float, float]:
        """What a wrong rollout earns early and late, as a share of what a right one earns.

        Where no rollout was ever right, the best reward stands for a right one's.
        """
        right = self.groups["right_pay"].mean()
        scale = self.groups["best_pay"].max() if math.isnan(right) else right
        early, late, _ = self.change("wrong_pay")
        return (early / scale, late / scale) if scale > 0 else (0.0, 0.0)

    @cached_property
    def pays_wrong(self) -> bool:
        (early, late), limits = self.wrong_pay, self.limits
        rises = late >= limits.wrong_pay and late - early >= limits.wrong_pay_rise
        return rises or late >= limits.wrong_pay_equal

    @cached_property
    def length_credit(self) -> float:
        """How much length was paid before the last quarter; 0 if no run's line tells."""
        credit = self.groups["length_credit"][self.groups["step"] <= 0.75 * self.steps].mean()
        return 0.0 if math.isnan(credit) else float(credit)

    @property
    def pays_length(self) -> bool:
        return self.length_credit >= self.limits.length_credit

    # ------------------------------------------------------------ the other files

    def held_out(self) -> str:
        """The first and the last evaluation as a phrase, or nothing if there are not two."""
        by_step: dict[int, list[float]] = {}
        for number, row in enumerate(self.run.records("eval"), start=1):
            if not isinstance(row, dict) or not all(_is_number(row.get(k)) for k in EVALUATED):
                path = self.run.folder / "eval.jsonl"
                raise CurrlabError(f"Line {number} of '{path}' is not an evaluation's record.")
            by_step.setdefault(row["step"], []).append(row["greedy"])
        if len(by_step) < 2:
            return ""
        first, last = (np.mean(by_step[step]) for step in (min(by_step), max(by_step)))
        return f"held-out greedy accuracy {first:.0%} -> {last:.0%}"

    def broken_step(self) -> int | None:
        """The first step whose loss or gradient is not a number; None if there is none."""
        for number, row in enumerate(self.run.records("metrics"), start=1):
            if not isinstance(row, dict) or not _is_number(row.get("step")):
                path = self.run.folder / "metrics.jsonl"
                raise CurrlabError(f"Line {number} of '{path}' is not a step's record.")
            values = [row.get(name) for name in ("loss", "grad_norm")]
            if any(isinstance(v, float) and not math.isfinite(v) for v in values):
                return int(row["step"])
        return None

    def learning_rate(self) -> str:
        rate = training_setting(self.run, "learning_rate")
        return f"{rate:g}" if _is_number(rate) else "not told"


EVALUATED = ("step", "greedy")


def _is_number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
