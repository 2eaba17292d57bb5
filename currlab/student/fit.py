"""Fitting the simulated student to real training runs, and saying how well it fits.

The student is replayed without luck: at every step it gets the prompts that the real run had on each
arm, and what it learns from them is the expectation over its own chances. Nothing of the real run's
successes reaches the replay, so an error of the student at step 10 is still its error at step 300.

Where the likeness ends. Uniform runs alone say nothing of forgetting: the fit needs a staged run. The
student then follows uniform, sec and target runs, seeds and strategies it was not fitted to included,
but strict stages only in kind: the real model learns a level it is drilled in faster, forgets the
others more completely, and may end in a stage that gives no signal at all, which the student's
transfer always opens in the end. `rmse` puts numbers on this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import binom

from currlab.curricula import Catalog
from currlab.curricula.update.grpo import GRPO
from currlab.errors import CurrlabError
from currlab.runs import Run
from currlab.student.learner import Student, StudentParameters

# Steps that pass rates are averaged over, and groups below which such an average says too little.
WINDOW, LEAST_GROUPS = 20, 3
# An average of this many groups has full weight; fewer count with the root of their share.
FULL_WEIGHT = 40
GRID = np.linspace(0, 1, 201)


@dataclass(frozen=True)
class Observed:
    """What a real run shows of its learner.

    `prompts`, `right` and `informative` [steps, arms]: groups, the sum of their pass rates, and those
    with both right and wrong answers. `greedy` rows: (steps done, arm index, greedy accuracy).
    """

    catalog: Catalog
    group_size: int
    prompts: np.ndarray
    right: np.ndarray
    informative: np.ndarray
    greedy: tuple[tuple[int, int, float], ...] = ()

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        groups: Iterable[Mapping[str, Any]],
        evals: Iterable[Mapping[str, Any]] = (),
    ) -> Observed:
        """From the records of a run: `groups` with step (from 1), arm, correct; `evals` with step,
        arm, greedy."""
        groups = list(groups)
        if not groups:
            raise CurrlabError("A student can only be fitted to a run with at least one group.")
        index = {arm: i for i, arm in enumerate(catalog.arms)}
        steps = max(row["step"] for row in groups)
        prompts, right, informative = np.zeros((3, steps, len(index)))
        for row in groups:
            place = row["step"] - 1, index[row["arm"]]
            rate = np.mean(row["correct"])
            prompts[place] += 1
            right[place] += rate
            informative[place] += 0 < rate < 1
        greedy = tuple(
            (row["step"], index[row["arm"]], row["greedy"]) for row in evals if row["step"] <= steps
        )
        size = round(np.mean([len(row["correct"]) for row in groups]))
        return cls(catalog, size, prompts, right, informative, greedy)

    @classmethod
    def read(cls, folder: Path, catalog: Catalog) -> Observed:
        """From the logs of a run's folder."""
        run = Run(folder)
        return cls.of(catalog, run.records("groups"), run.records("eval"))


@dataclass(frozen=True)
class Replay:
    """The student's chances before each step and after the last, all [steps + 1, arms]."""

    pass_rate: np.ndarray
    informative: np.ndarray
    greedy: np.ndarray


def expected_strength(group_size: int) -> np.ndarray:
    """The expected mean \\|A\\| of a group at each chance of `GRID`, for the default update."""
    k = np.arange(group_size + 1)
    rows = [GRPO().group_advantages((1.0,) * i + (0.0,) * (group_size - i)) for i in k]
    return np.abs(rows).mean(1) @ binom.pmf(k[:, None], group_size, GRID)


def replay(parameters: StudentParameters, run: Observed) -> Replay:
    """The student under the prompts of a real run."""
    student, table = Student(run.catalog, parameters), expected_strength(run.group_size)
    shown: list[tuple[np.ndarray, ...]] = []
    for prompts in [*run.prompts, None]:
        chances = student.node_chances()
        mixed = 1 - chances**run.group_size - (1 - chances) ** run.group_size
        shown.append((student.average(chances), student.average(mixed), student.greedy_rates()))
        if prompts is not None:
            strength = student.average(np.interp(chances, GRID, table))
            student.learn(prompts * strength, prompts)
    return Replay(*(np.array(rows) for rows in zip(*shown, strict=True)))


def errors(parameters: StudentParameters, run: Observed) -> dict[str, np.ndarray]:
    """Student minus run: windowed pass rates and informative shares, greedy accuracies, weights."""
    student = replay(parameters, run)
    starts = np.arange(0, len(run.prompts), WINDOW)
    groups = np.add.reduceat(run.prompts, starts)
    enough = groups >= LEAST_GROUPS
    found = {"weight": np.minimum(1, np.sqrt(groups[enough] / FULL_WEIGHT))}
    for name, real in (("pass_rate", run.right), ("informative", run.informative)):
        expected = run.prompts * getattr(student, name)[:-1]
        gap = np.add.reduceat(expected - real, starts)
        found[name] = gap[enough] / groups[enough]
    steps, arms, accuracy = (
        map(np.array, zip(*run.greedy, strict=True)) if run.greedy else ([],) * 3
    )
    at = np.asarray(steps, dtype=int), np.asarray(arms, dtype=int)
    found["greedy"] = student.greedy[at] - np.asarray(accuracy)
    return found


def rmse(parameters: StudentParameters, run: Observed) -> dict[str, float]:
    """Root mean square errors of `errors`, unweighted, in success rates between 0 and 1."""
    found = errors(parameters, run)
    names = [n for n in ("pass_rate", "informative", "greedy") if len(found[n])]
    return {name: float(np.sqrt(np.mean(found[name] ** 2))) for name in names}


def residuals(parameters: StudentParameters, runs: Sequence[Observed]) -> np.ndarray:
    """Everything that `fit` makes small; pass rates count most."""
    parts: list[np.ndarray] = []
    for run in runs:
        e = errors(parameters, run)
        parts += [e["pass_rate"] * e["weight"], 0.5 * e["informative"] * e["weight"]]
        parts.append(0.5 * e["greedy"])
    return np.concatenate(parts)


def fit(
    runs: Sequence[Observed],
    start: StudentParameters | None = None,
    free: Sequence[str] = (),
    tries: int = 40,
) -> StudentParameters:
    """The parameters that make the student most like the runs, by bounded least squares.

    Only the parameters named in `free` move (all, if none is named); the others stay at `start`.
    Forgetting needs a run with neglected arms and greedy evaluations of them. The optimum is local.
    """
    start = start or StudentParameters()
    known = {f.name: f for f in fields(StudentParameters)}
    names = list(free) or list(known)
    if unknown := [name for name in names if name not in known]:
        raise CurrlabError(
            f"The student has no parameter '{unknown[0]}'; it has {', '.join(known)}."
        )
    low, high = (np.array([known[n].metadata[side] for n in names]) for side in ("low", "high"))
    first = np.clip(np.array([getattr(start, n) for n in names]), low + 1e-6, high - 1e-6)

    def parameters(x: np.ndarray) -> StudentParameters:
        return replace(start, **dict(zip(names, x.tolist(), strict=True)))

    found = least_squares(
        lambda x: residuals(parameters(x), runs),
        first,
        bounds=(low, high),
        x_scale=np.maximum(np.abs(first), 0.02),
        diff_step=1e-3,
        max_nfev=tries,
    )
    return parameters(found.x)
