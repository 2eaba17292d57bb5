"""A study's answer: every recipe against the baseline, with intervals and a verdict."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from currlab import statistics
from currlab.errors import CurrlabError
from currlab.statistics import Interval
from currlab.study_grids import STUDIES
from currlab.study_plan import Study
from currlab.study_results import BASE, Results


def compare(results: Results, baseline: str = "uniform") -> pd.DataFrame:
    """A row per recipe, in the study's order, compared with `baseline` on the seeds both have.

    Columns: recipe, engine, seeds (pairs); for final (mean greedy accuracy over levels), area (its
    mean along the tokens of the common budget), `difference` (final minus the baseline's, paired)
    and `ratio` (tokens to reach the baseline's final accuracy over those the baseline spent, median;
    infinite: never reached) the estimate and `_low`, `_high` of its 95 % interval; iqm
    (interquartile mean of the final accuracies), improvement (probability of it), p_value (after
    Holm's correction) and verdict on the final accuracy. The baseline's own row has no verdict.
    """
    final = _final(results)
    recipes = [name for name in final.index.unique("recipe") if name != BASE]
    if baseline not in recipes:
        raise CurrlabError(
            f"The baseline '{baseline}' is not among the study's recipes: {', '.join(recipes)}."
        )
    others = [name for name in recipes if name != baseline]
    differences = {name: _difference(final, name, baseline) for name in recipes}
    decisions = statistics.decide([differences[name] for name in others])
    decided = dict(zip(others, decisions, strict=True))
    areas, rows = areas_under_the_curve(results), []
    engines = results.evals.drop_duplicates("recipe").set_index("recipe")["engine"]
    for name in recipes:
        ratio = results.tokens_to_reach(name, baseline)["ratio"].fillna(math.inf)
        p_value, verdict = decided.get(name, (math.nan, "baseline"))
        rows.append(
            {
                "recipe": name,
                "engine": engines[name],
                "seeds": len(differences[name]),
                **_cells("final", statistics.bootstrap(final.loc[name].mean(axis=1))),
                **_cells("area", statistics.bootstrap(areas.loc[name])),
                **_cells("difference", statistics.bootstrap(differences[name])),
                **_cells("ratio", statistics.bootstrap(ratio, statistics.median_of_rows)),
                "iqm": statistics.interquartile_mean(final.loc[name]),
                "improvement": statistics.probability_of_improvement(
                    final.loc[name], final.loc[baseline]
                ),
                "p_value": p_value,
                "verdict": verdict,
            }
        )
    return pd.DataFrame(rows)


def compare_levels(results: Results, baseline: str = "uniform") -> pd.DataFrame:
    """A row per recipe and level: the paired difference of final accuracy and its 95 % interval.

    Columns: recipe, level, seeds, difference, difference_low, difference_high. These many intervals
    are not corrected for their number, so there is no verdict by level.
    """
    final, rows = _final(results), []
    for name in final.index.unique("recipe").difference([BASE, baseline], sort=False):
        ours, theirs = _paired(final, name, baseline)
        for level, values in (ours - theirs).items():
            cells = _cells("difference", statistics.bootstrap(values))
            rows.append({"recipe": name, "level": level, "seeds": len(values), **cells})
    return pd.DataFrame(rows)


def check(study: Study, baseline: str, ship: bool = False) -> None:
    """Refuse, before anything runs, what could not be compared or shipped afterwards."""
    labels = [contestant.label for contestant in study.contestants]
    if baseline not in labels:
        raise CurrlabError(
            f"The baseline '{baseline}' is not among the study's recipes: {', '.join(labels)}."
        )
    if ship and STUDIES.get(study.name) != study:
        raise CurrlabError(f"Only the studies {', '.join(STUDIES)} have results in the package.")


def write_tables(results: Results, path: Path, baseline: str = "uniform") -> None:
    """Tidy CSV files next to the JSON file `path`: evaluations, recipes and levels."""
    tables = {
        "": results.evals,
        "-recipes": compare(results, baseline),
        "-levels": compare_levels(results, baseline),
    }
    for suffix, table in tables.items():
        table.to_csv(path.with_name(f"{path.stem}{suffix}.csv"), index=False)


def areas_under_the_curve(results: Results) -> pd.Series:
    """Mean accuracy along the generated tokens of every run, up to the smallest run's last count.

    Index (recipe, seed). Between two evaluations the curve is taken as straight; runs that went on
    longer are cut, so that all are judged on an equal budget.
    """
    curve = results.curve()
    runs = curve[curve.recipe != BASE].groupby(["recipe", "seed"], sort=False)
    budget = runs["tokens"].max().min()
    areas = {}
    for key, run in runs:
        tokens = np.append(run.tokens[run.tokens < budget], budget)
        height = np.interp(tokens, run.tokens, run.greedy)
        areas[key] = np.trapezoid(height, tokens) / budget if budget else height[0]
    return pd.Series(areas)


def table_text(table: pd.DataFrame) -> str:
    """`compare`'s table for a terminal."""
    return readable_table(table).to_string(index=False)


def readable_table(table: pd.DataFrame) -> pd.DataFrame:
    """`compare`'s table in words; ``62 % [58, 66]`` is an estimate with its interval."""
    shown = pd.DataFrame({"recipe": table.recipe, "seeds": table.seeds})
    for column, heading in (("final", "final"), ("area", "area under curve")):
        shown[heading] = [_text(*interval, scale=100) for interval in _intervals(table, column)]
    shown["tokens to baseline"] = [_text(*i, scale=1, digits=2) for i in _intervals(table, "ratio")]
    shown["P(better)"] = table.improvement.map("{:.2f}".format)
    shown["verdict"] = table.verdict
    return shown


def _final(results: Results) -> pd.DataFrame:
    """Final greedy accuracy: a row per (recipe, seed), a column per arm (task/level)."""
    rows = results.final()
    table = rows.pivot(index=["recipe", "seed"], columns="arm", values="greedy")
    order = pd.MultiIndex.from_frame(rows[["recipe", "seed"]].drop_duplicates())
    return table.loc[order, rows["arm"].drop_duplicates()]


def _paired(final: pd.DataFrame, name: str, baseline: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both recipes' rows on the seeds that they share, in the same order."""
    ours, theirs = final.loc[name], final.loc[baseline]
    seeds = ours.index.intersection(theirs.index).sort_values()
    return ours.loc[seeds], theirs.loc[seeds]


def _difference(final: pd.DataFrame, name: str, baseline: str) -> pd.Series:
    ours, theirs = _paired(final, name, baseline)
    return ours.mean(axis=1) - theirs.mean(axis=1)


def _cells(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _intervals(table: pd.DataFrame, name: str) -> list[list[float]]:
    return table[[name, f"{name}_low", f"{name}_high"]].to_numpy().tolist()


def _text(estimate: float, low: float, high: float, scale: float, digits: int = 1) -> str:
    def number(value: float) -> str:
        return "never" if math.isinf(value) else f"{scale * value:.{digits}f}"

    if math.isnan(estimate):
        return "-"
    if math.isnan(low):
        return number(estimate)
    return f"{number(estimate)} [{number(low)}, {number(high)}]"
