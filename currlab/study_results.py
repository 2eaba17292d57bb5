"""A study's numbers: accuracy over tokens of every run, and what is read off the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

# The name under which the base model stands among the recipes of a study's evaluations.
BASE = "base"


def default_baseline(recipes: Sequence[str]) -> str:
    """What the others are compared with if nobody says: 'uniform' if it is there, else the first."""
    return "uniform" if "uniform" in recipes else recipes[0]


@dataclass(frozen=True)
class Results:
    """A study's numbers: `evals` has a row per evaluation and level, `steps` one per step."""

    evals: pd.DataFrame
    steps: pd.DataFrame
    meta: dict[str, Any]

    def curve(self) -> pd.DataFrame:
        """Mean greedy accuracy over levels: recipe, seed, step, tokens, greedy."""
        keys = ["recipe", "seed", "step", "tokens"]
        return self.evals.groupby(keys, as_index=False, sort=False)["greedy"].mean()

    def tokens_to_reach(self, recipe: str, against: str = "uniform") -> pd.DataFrame:
        """For each seed: generated tokens until `recipe` reaches the final mean of `against`.

        `ratio` divides by the tokens that `against` itself spent; NaN where it never gets there.
        Between two evaluations the curve is taken as straight.
        """
        curve, rows = self.curve(), []
        mine, other = curve[curve.recipe == recipe], curve[curve.recipe == against]
        for seed in sorted(set(mine.seed) & set(other.seed)):
            end = other[other.seed == seed].iloc[-1]
            path = mine[mine.seed == seed]
            tokens = first_crossing(path.tokens.to_numpy(), path.greedy.to_numpy(), end.greedy)
            rows.append({"seed": seed, "tokens": tokens, "ratio": tokens / end.tokens})
        return pd.DataFrame(rows, columns=["seed", "tokens", "ratio"])

    def summary(self) -> pd.DataFrame:
        """Greedy accuracy by level before and after, as text: mean over seeds and 95 % interval.

        The interval is Student's t over seeds; before GRPO there is one model and no interval.
        """
        warm = self.evals[(self.evals.step == 0) & (self.evals.recipe != BASE)]
        stages = {"before the warm-up": self.evals[self.evals.recipe == BASE]}
        stages["after the warm-up"] = warm.drop_duplicates("level")
        final = self.final()
        stages |= {
            name: final[final.recipe == name] for name in final.recipe.unique() if name != BASE
        }
        by_level = {name: rows.groupby("level")["greedy"] for name, rows in stages.items()}
        return pd.DataFrame(
            {name: levels.apply(_mean_and_interval) for name, levels in by_level.items()}
        )

    def final(self) -> pd.DataFrame:
        """The last evaluation of every run, a row per level."""
        last = self.evals.groupby(["recipe", "seed"])["step"].transform("max")
        return self.evals[self.evals.step == last]


def _mean_and_interval(values: pd.Series) -> str:
    """``86 [80, 91]``: per cent, with the interval where there are at least two values."""
    if len(values) < 2:
        return f"{values.mean():.0%}"
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    low, high = max(0.0, values.mean() - half), min(1.0, values.mean() + half)
    return f"{values.mean():.0%} [{100 * low:.0f}, {100 * high:.0f}]"


def first_crossing(x: Sequence[float], y: Sequence[float], height: float) -> float:
    """The first x at which the straight-line path through (x, y) reaches `height`, or NaN."""
    for i in range(len(y)):
        if y[i] >= height:
            if i == 0:
                return float(x[0])
            return float(np.interp(height, (y[i - 1], y[i]), (x[i - 1], x[i])))
    return float("nan")
