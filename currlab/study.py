"""Recipes x seeds at an equal token budget, each run in its own folder; small results to ship.

A study is a grid of runs that share everything but the recipe and the seed, so that runs of equal
seeds are pairs. `currlab.study_run` runs them, `currlab.study_table` compares them,
`currlab.study_files` reads studies of your own.
"""

from __future__ import annotations

import ast
import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import currlab
from currlab.curricula import Recipe, make_recipe
from currlab.errors import CurrlabError
from currlab.evaluation import evaluate
from currlab.files import read_json, write_json_atomic
from currlab.models import load_model
from currlab.runs import Run, package_versions
from currlab.study_results import BASE, Results
from currlab.training.config import TrainingConfig
from currlab.training.policy import LanguagePolicy

PACKAGE = Path(currlab.__file__).parent
# What a run's numbers depend on; a change elsewhere cannot make results stale.
CODE = ("tasks", "models", "curricula", "training", "evaluation.py")
STEP_COLUMNS = ("step", "tokens_generated", "reward", "zero_variance", "entropy", "length")


@dataclass(frozen=True)
class Contestant:
    """A recipe in a study: its label, strategies, their parameters, engine and seeds.

    `dials` names strategies of the other dials, such as ``{"present": "cog_drift"}``.
    """

    label: str
    select: str
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    engine: str = "scratch"
    seeds: tuple[int, ...] | None = None
    dials: Mapping[str, str] = field(default_factory=dict)

    def recipe(self, seed: int = 0) -> Recipe:
        return make_recipe(self.select, seed, self.settings, **self.dials)


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
        contestants=(
            *(
                Contestant(name, name)
                for name in ("uniform", "easy_to_hard", "sec", "dump", "bots", "pcl")
            ),
            # BOTS takes the best level only; this one also asks for its neighbours.
            Contestant("bots-soft", "bots", {"bots": {"temperature": 0.1}}),
        ),
        seeds=tuple(range(8)),
    ),
}


def find_study(name: str) -> Study:
    if name not in STUDIES:
        raise CurrlabError(f"Unknown study '{name}'; known studies are {', '.join(STUDIES)}.")
    return STUDIES[name]


# ---------------------------------------------------------------- results


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


def complete(described: Mapping[str, Any]) -> dict[str, Any]:
    """A study as an older version described it, with the defaults of fields that came later."""
    plain = Contestant("", "")
    now = json.loads(json.dumps({"config": asdict(TrainingConfig()), "contestant": asdict(plain)}))
    return {
        **described,
        "config": {**now["config"], **described["config"]},
        "contestants": [{**now["contestant"], **one} for one in described["contestants"]],
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
    return read_results(shipped_path(name))


def read_results(path: Path) -> Results:
    """Results that `save_results` wrote."""
    data = read_json(path)
    return Results(pd.DataFrame(data["evals"]), pd.DataFrame(data["steps"]), data["meta"])
