"""Recipes x seeds at an equal token budget, each run in its own folder; small results to ship.

The statistics and verdicts of larger comparisons build on this: a study is a grid of runs that
share everything but the recipe and the seed, so that runs of equal seeds are pairs.
"""

from __future__ import annotations

import ast
import datetime
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import stats

import currlab
from currlab.curricula import make_recipe
from currlab.errors import CurrlabError
from currlab.evaluation import evaluate
from currlab.files import read_json, write_json_atomic
from currlab.models import load_model
from currlab.runs import Run, package_versions
from currlab.training.config import TrainingConfig
from currlab.training.policy import LanguagePolicy

PACKAGE = Path(currlab.__file__).parent
# What a run's numbers depend on; a change elsewhere cannot make results stale.
CODE = ("tasks", "models", "curricula", "training", "evaluation.py")
# The name under which the base model stands among the recipes of a study's evaluations.
BASE = "base"
STEP_COLUMNS = ("step", "tokens_generated", "reward", "zero_variance", "entropy", "length")


@dataclass(frozen=True)
class Contestant:
    """A recipe in a study: its label, the select strategy, parameters, engine and seeds."""

    label: str
    select: str
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    engine: str = "scratch"
    seeds: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Study:
    """A grid of runs: contestants x seeds, everything else equal."""

    name: str
    config: TrainingConfig
    contestants: tuple[Contestant, ...]
    seeds: tuple[int, ...]

    def runs(self) -> list[tuple[Contestant, int]]:
        """All (contestant, seed), seed by seed, so that a stopped study has whole pairs."""
        every = sorted({s for c in self.contestants for s in c.seeds or self.seeds})
        return [
            (c, seed) for seed in every for c in self.contestants if seed in (c.seeds or self.seeds)
        ]

    def folder(self, root: Path, contestant: Contestant, seed: int) -> Path:
        return root / self.name / f"{contestant.label}-{seed}"


STUDIES = {
    "foundations": Study(
        name="foundations",
        config=TrainingConfig(
            steps=100_000,
            token_budget=900_000,
            eval_every=20,
            eval_problems=64,
            checkpoint_every=100,
        ),
        contestants=(
            Contestant("uniform", "uniform"),
            Contestant("staged", "easy_to_hard"),
            Contestant("target", "target"),
            Contestant("sec", "sec"),
            Contestant("sec-trl", "sec", engine="trl", seeds=(0, 1)),
        ),
        seeds=(0, 1, 2, 3, 4),
    ),
    # Ten of the sixteen levels are out of reach at the start: where choosing can matter most.
    "select": Study(
        name="select",
        config=TrainingConfig(
            levels={"sorting": tuple(range(1, 17))},
            steps=100_000,
            token_budget=600_000,
            eval_every=20,
            eval_problems=64,
            checkpoint_every=100,
        ),
        contestants=tuple(
            Contestant(name, name)
            for name in ("uniform", "easy_to_hard", "sec", "dump", "bots", "pcl")
        )
        # BOTS takes the best level only; this one also asks for its neighbours.
        + (Contestant("bots-soft", "bots", {"bots": {"temperature": 0.1}}),),
        seeds=tuple(range(8)),
    ),
}


def find_study(name: str) -> Study:
    if name not in STUDIES:
        raise CurrlabError(f"Unknown study '{name}'; known studies are {', '.join(STUDIES)}.")
    return STUDIES[name]


# ---------------------------------------------------------------- running


def run_one(study: Study, contestant: Contestant, seed: int, root: Path) -> str:
    """One run of the grid, on one torch thread; resumes, and returns its label when finished."""
    import torch

    from currlab.training.launch import launch

    torch.set_num_threads(1)
    recipe = make_recipe(contestant.select, seed=seed, settings=contestant.settings)
    launch(
        recipe,
        replace(study.config, seed=seed),
        study.folder(root, contestant, seed),
        contestant.engine,
        progress=False,
    )
    return f"{contestant.label}-{seed}"


def run_study(
    study: Study,
    root: Path,
    workers: int = 1,
    said: Callable[[str], None] = print,
) -> Results:
    """Run what is not finished yet, `workers` runs at a time, and gather the results."""
    grid = study.runs()
    started = datetime.datetime.now()
    jobs = (delayed(run_one)(study, c, seed, root) for c, seed in grid)
    for done, label in enumerate(
        Parallel(n_jobs=workers, return_as="generator_unordered")(jobs), start=1
    ):
        spent = datetime.datetime.now() - started
        left = str(spent / done * (len(grid) - done)).split(".")[0]
        said(f"{done}/{len(grid)} runs finished ({label}), about {left} left")
    return gather(study, root)


# ---------------------------------------------------------------- results


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


def gather(study: Study, root: Path) -> Results:
    """Read the finished runs of a study back from their folders."""
    evals, steps = before_warm_up(study), []
    for contestant, seed in study.runs():
        run = Run(study.folder(root, contestant, seed))
        if not run.finished:
            raise CurrlabError(f"Run '{run.folder}' is not finished; run the study again.")
        who = {"recipe": contestant.label, "engine": contestant.engine, "seed": seed}
        evals += [{**who, **record} for record in run.records("eval")]
        lines = run.records("metrics")
        steps += [{**who, **{k: line[k] for k in STEP_COLUMNS}} for line in lines[::5]]
    return Results(pd.DataFrame(evals), pd.DataFrame(steps), study_meta(study))


def before_warm_up(study: Study) -> list[dict[str, Any]]:
    """The base model on the study's test problems, as evaluation rows of the recipe "base"."""
    model, tokenizer = load_model("tiny-base")
    policy = LanguagePolicy(model, tokenizer, study.config.max_new_tokens)
    who = {"recipe": BASE, "engine": "none", "seed": study.seeds[0], "step": 0, "tokens": 0}
    return [{**who, **r} for r in evaluate(policy, study.config.levels, study.config.eval_problems)]


def study_meta(study: Study) -> dict[str, Any]:
    return {
        "study": json.loads(json.dumps(asdict(study))),
        "code": code_hash(),
        "versions": package_versions(),
        "date": datetime.date.today().isoformat(),
        "command": f"currlab study {study.name}",
    }


def code_hash(package: Path = PACKAGE) -> str:
    """A hash of the code that decides a run's numbers and of the shipped weights.

    Comments, docstrings and layout do not count.
    """
    digest = hashlib.sha256()
    for part in CODE:
        root = package / part
        paths = [root] if root.is_file() else sorted(root.rglob("*"))
        for path in paths:
            if path.suffix == ".py":
                digest.update(ast.dump(_without_docstrings(path.read_text())).encode())
            elif path.suffix == ".safetensors":
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _without_docstrings(source: str) -> ast.Module:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                body[0] = ast.Expr(ast.Constant(""))
    return tree


def save_results(results: Results, path: Path) -> None:
    """Write results small enough to ship: columns of rounded numbers."""
    tables = {
        name: {column: _short(table[column]) for column in table}
        for name, table in (("evals", results.evals), ("steps", results.steps))
    }
    write_json_atomic(path, {"meta": results.meta, **tables}, indent=None)


def _short(column: pd.Series) -> list[Any]:
    if column.dtype.kind == "f":
        return [None if np.isnan(v) else round(float(v), 4) for v in column]
    return column.tolist()


def shipped_path(name: str) -> Path:
    """Where the package keeps the results of study `name`."""
    return Path(str(files("currlab") / "results" / f"{name}.json"))


def load_results(name: str) -> Results:
    """The results that come with the package; `currlab study NAME` makes them again."""
    find_study(name)
    data = read_json(shipped_path(name))
    return Results(pd.DataFrame(data["evals"]), pd.DataFrame(data["steps"]), data["meta"])
