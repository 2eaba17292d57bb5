"""Comparing recipes over a few seeds: intervals, effect sizes and a verdict that keeps its level.

The unit is a seed: one model was trained with it, so its levels and evaluations belong together
and are resampled together. Two recipes are compared on the seeds that both were run with.

The measures are those of Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the
Statistical Precipice" (arXiv 2108.13264). The verdict is a sign-flip permutation test on the mean
of the paired differences, which at small n is exact, corrected by Holm's method (1979).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from currlab.errors import CurrlabError

LEVEL = 0.05
# With fewer pairs a verdict says more of the test than of the recipes.
FEWEST_SEEDS = 8
RESAMPLES = 9999

BETTER, WORSE, UNDECIDED = "better", "worse", "no difference shown"
TOO_FEW = "too few seeds"


class Interval(NamedTuple):
    """An estimate between the bounds of its 95 % interval; NaN bounds: there is no interval."""

    estimate: float
    low: float
    high: float


def mean_of_rows(rows: np.ndarray) -> np.ndarray:
    """The mean over seeds (axis -1), as `bootstrap` wants its statistic."""
    return rows.mean(axis=-1)


def median_of_rows(rows: np.ndarray) -> np.ndarray:
    """The median over seeds (axis -1); infinite where half of the seeds never got there."""
    return np.median(rows, axis=-1)


def bootstrap(
    values: ArrayLike,
    statistic: Callable[[np.ndarray], np.ndarray] = mean_of_rows,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap over seeds (Efron 1979): `values` [seeds], `statistic` along axis -1.

    Give it paired differences for a paired interval. One seed, or none, has no interval. Infinite
    values are allowed where the statistic can bear them; the bounds are resampled values, never
    between two. With under ten seeds the interval is too short (about 90 % where 95 % is meant);
    the verdict does not rest on it.

    >>> bootstrap([0.5, 0.5, 0.5])
    Interval(estimate=0.5, low=0.5, high=0.5)
    """
    values = _numbers(values)
    if not len(values):
        return Interval(math.nan, math.nan, math.nan)
    estimate = float(statistic(values))
    if len(values) == 1:
        return Interval(estimate, math.nan, math.nan)
    chosen = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    tails = [LEVEL / 2, 1 - LEVEL / 2]
    low, high = np.quantile(statistic(values[chosen]), tails, method="inverted_cdf")
    return Interval(estimate, float(low), float(high))


def interquartile_mean(scores: ArrayLike) -> float:
    """The mean of the middle half of all scores, runs and levels together (arXiv 2108.13264).

    >>> interquartile_mean([0.0, 0.4, 0.6, 100.0])
    0.5
    """
    scores = _numbers(scores)
    return float(stats.trim_mean(scores, 0.25, axis=None)) if scores.size else math.nan


def probability_of_improvement(scores: ArrayLike, baseline: ArrayLike) -> float:
    """The chance that a run of ours beats one of the baseline's on the same level, ties half.

    Both are [seeds, levels] or [seeds]; the mean over levels of the Mann-Whitney U statistic
    divided by the number of pairs (arXiv 2108.13264). It compares all runs with all: unpaired.

    >>> probability_of_improvement([1, 2], [1, 1])
    0.75
    """
    ours, theirs = (_columns(_numbers(s)) for s in (scores, baseline))
    if ours.shape[1] != theirs.shape[1]:
        raise CurrlabError(
            f"Both recipes need scores on the same levels; got {ours.shape[1]} and "
            f"{theirs.shape[1]}."
        )
    if not (len(ours) and len(theirs)):
        return math.nan
    wins = stats.mannwhitneyu(ours, theirs, axis=0, method="asymptotic").statistic
    return float(np.mean(wins) / (len(ours) * len(theirs)))


def sign_flip_p_value(differences: ArrayLike) -> float:
    """Two-sided p-value of "the differences are as likely to have the other sign".

    Exact up to 13 pairs (all 2^n sign flips), by 9999 seeded draws above; the smallest possible
    value of n pairs is 2 / 2^n. Without a difference it is 1, without a pair NaN.

    >>> sign_flip_p_value([1, 2, 3, 4, 5, 6, 7, 8]) == 2 / 2**8
    True
    """
    differences = _numbers(differences)
    if not np.isfinite(differences).all():
        raise CurrlabError("The differences of a paired test must be finite numbers.")
    if len(differences) == 0:
        return math.nan
    if len(differences) == 1 or not differences.any():
        return 1.0
    test = stats.permutation_test(
        (differences,),
        lambda d, axis: d.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values for several comparisons at once, adjusted by Holm's step-down method.

    A recipe is then declared different at the same level as if there were one comparison. NaN, no
    test, stays NaN and does not count.

    >>> [round(p, 2) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)[: int(np.isfinite(p).sum())]
    adjusted = np.full(len(p), np.nan)
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * p[order]))
    return adjusted.tolist()


def fewest_seeds(comparisons: int) -> int:
    """Seeds below which there is no verdict: 8, or more where Holm could never reach the level.

    Up to 6 comparisons 8 seeds can decide, if all differences have one sign; 7 need 9 seeds.

    >>> [fewest_seeds(n) for n in (1, 6, 7, 12, 13)]
    [8, 8, 9, 9, 10]
    """
    return max(FEWEST_SEEDS, 1 + math.ceil(math.log2(max(1, comparisons) / LEVEL)))


class Decision(NamedTuple):
    """What a paired comparison says: its p-value after Holm's correction, and in words."""

    p_value: float
    verdict: str


def decide(differences: Sequence[ArrayLike]) -> list[Decision]:
    """A verdict for every recipe, from its paired differences to the baseline (ours - theirs).

    All are judged together: the more recipes, the stronger each one's evidence must be. Recipes
    with fewer than 8 pairs are not tested (NaN, "too few seeds") and do not count. More is better.

    >>> decide([[0.1] * 8, [0.1] * 3])[1]
    Decision(p_value=nan, verdict='too few seeds')
    """
    rows = [_numbers(d) for d in differences]
    testable = [len(row) >= FEWEST_SEEDS for row in rows]
    needed = fewest_seeds(sum(testable))
    p_values = holm(
        [
            sign_flip_p_value(row) if test else math.nan
            for row, test in zip(rows, testable, strict=True)
        ]
    )
    decisions = []
    for row, p_value in zip(rows, p_values, strict=True):
        if len(row) < needed:
            verdict = TOO_FEW
        elif p_value > LEVEL:
            verdict = UNDECIDED
        else:
            verdict = BETTER if row.mean() > 0 else WORSE
        decisions.append(Decision(p_value, verdict))
    return decisions


def _numbers(values: ArrayLike) -> np.ndarray:
    """`values` as floats; NaN has no place in any of the measures, so it is refused."""
    array = np.asarray(values, dtype=float)
    if np.isnan(array).any():
        raise CurrlabError(
            "A score is missing (NaN). Leave its seed out of both recipes, or say what it stands "
            "for: a threshold never reached is infinity."
        )
    return array


def _columns(scores: np.ndarray) -> np.ndarray:
    return scores[:, None] if scores.ndim == 1 else scores
