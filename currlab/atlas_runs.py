"""A paper's recipe on the tiny model: a run of seconds, and what the shipped studies say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from currlab import plots
from currlab.atlas import Paper
from currlab.curricula import make_recipe
from currlab.errors import CurrlabError
from currlab.models import load_model
from currlab.study import load_results
from currlab.study_grids import STUDIES
from currlab.training.config import TrainingConfig
from currlab.training.scratch import ScratchTrainer
from currlab.training.warm_up import warm_up

# A few levels around the warmed-up model's frontier: where seconds are enough to see movement.
LEVELS = tuple(range(3, 8))
WARM_UP_STEPS = 60


def example_config(seed: int = 0, steps: int = 20) -> TrainingConfig:
    """The settings of an example run: sorting around the frontier, evaluated four times."""
    return TrainingConfig(
        levels={"sorting": LEVELS},
        seed=seed,
        steps=steps,
        prompts_per_step=16,
        eval_every=max(1, steps // 4),
        eval_problems=16,
        checkpoint_every=0,
    )


def example_trainer(paper: Paper, seed: int = 0, steps: int = 20) -> ScratchTrainer:
    """A trainer about to run the paper's recipe on the shipped warmed-up model.

    A paper whose subject is the warm-up starts from the shipped base model and warms it up first, by
    its own recipe. CurrlabError for a paper that nothing covers, or whose demonstrations a model has
    to write.
    """
    if not paper.covers:
        why = "not here yet" if paper.state == "not yet" else paper.uncovered.rstrip(".")
        raise CurrlabError(f"'{paper.name}' has no recipe to run: {why}.")
    model, tokenizer = load_model("tiny-warm" if paper.recipe else "tiny-base")
    if not paper.recipe:
        arguments = paper.covers[0].warm_up
        if arguments is None:
            raise CurrlabError(
                f"'{paper.name}' imitates answers that a model writes first; notebook 50 runs it."
            )
        warm_up(model, tokenizer, **arguments, steps=WARM_UP_STEPS, seed=seed)
    recipe = make_recipe(seed=seed, **paper.recipe)
    return ScratchTrainer(model, tokenizer, recipe, example_config(seed, steps))


def example_figure(
    paper: Paper, evals: Sequence[Mapping[str, Any]], config: TrainingConfig
) -> Figure:
    """The frontier of an example run, as far as it has come; cells to come are grey."""
    planned = [
        s for s in range(config.steps + 1) if s % config.eval_every == 0 or s == config.steps
    ]
    table = pd.DataFrame(evals, columns=["step", "level", "greedy"])
    table = table.drop_duplicates(["step", "level"], keep="last")
    grid = table.pivot(index="level", columns="step", values="greedy")
    grid = grid.reindex(index=list(LEVELS), columns=planned).astype(float)
    title = f"{paper.name} on sorting, seed {config.seed}"
    figure = plots.frontier({", ".join(c.name for c in paper.covers): grid}, title)
    figure.set_figwidth(7.5)  # one panel alone is narrower than the words below it
    return figure


def study_rows(paper: Paper) -> pd.DataFrame:
    """What the shipped studies say of the paper's strategies, a row per study and strategy.

    Columns: study, recipe, strategy, seeds, the mean final greedy accuracy over levels of it and of
    uniform, and `tokens ratio`: the median share of uniform's tokens to reach uniform's final mean.
    """
    names = {cover.name for cover in paper.covers}
    rows = []
    for study in STUDIES.values():
        mine = [c for c in study.contestants if c.select in names and c.engine == "scratch"]
        results = load_results(study.name) if mine else None
        for contestant in mine:
            final = results.final().groupby("recipe")["greedy"].mean()
            ratio = results.tokens_to_reach(contestant.label)["ratio"]
            rows.append(
                {
                    "study": study.name,
                    "recipe": contestant.label,
                    "strategy": contestant.select,
                    "seeds": len(ratio),
                    "final": final[contestant.label],
                    "uniform": final["uniform"],
                    "tokens ratio": ratio.median(),
                }
            )
    columns = ["study", "recipe", "strategy", "seeds", "final", "uniform", "tokens ratio"]
    return pd.DataFrame(rows, columns=columns)
