"""A study on a page: curves of its recipes, the table with intervals and verdicts, its settings."""

from __future__ import annotations

from currlab.page import folded, note, pairs, table
from currlab.report_compare import MOST_LINES, curve_figure
from currlab.report_entries import FoundStudy
from currlab.report_run import flatten
from currlab.study_results import BASE, default_baseline


def study_section(study: FoundStudy) -> str:
    """A study's curves, its table with intervals and verdicts, and how it was made."""
    # They need torch, which most reports do without.
    from currlab.study_table import compare, readable_table

    results, meta = study.results, study.results.meta
    curve = results.curve()
    recipes = [name for name in curve.recipe.unique() if name != BASE]
    baseline = default_baseline(recipes)
    runs = {
        name: [
            (run.tokens.to_numpy(float), run.greedy.to_numpy(float))
            for _, run in rows.groupby("seed")
        ]
        for name, rows in curve.groupby("recipe", sort=False)
        if name in recipes[:MOST_LINES]
    }
    caption = f"Every recipe against '{baseline}': estimates with 95 % intervals, and verdicts"
    facts = {name: meta[name] for name in ("command", "date", "code") if name in meta}
    parts = [curve_figure(runs, "tokens generated")]
    if len(recipes) > MOST_LINES:
        parts.append(note(f"The figure shows the first {MOST_LINES} of {len(recipes)} recipes."))
    parts.append(table(readable_table(compare(results, baseline)), caption))
    told = {**facts, **flatten(meta.get("study", {}).get("config", {})), **meta.get("versions", {})}
    made = folded("How the study was made", pairs(told, "fact", "Command, settings, versions"))
    return "\n".join([*parts, made])
