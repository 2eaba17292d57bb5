"""What a study leaves behind: results gathered from its runs, small enough to ship.

`currlab.study_plan` says what a study is and `currlab.study_grids` which there are;
`currlab.study_run` runs one, `currlab.study_table` compares its runs, `currlab.study_files` reads
studies of your own.
"""

from __future__ import annotations

import ast
import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import currlab
from currlab.errors import CurrlabError
from currlab.evaluation import evaluate
from currlab.files import read_json, write_json_atomic
from currlab.models import load_model
from currlab.runs import Run, package_versions
from currlab.study_grids import find_study
from currlab.study_plan import Contestant, Study
from currlab.study_results import BASE, Results
from currlab.training.config import TrainingConfig
from currlab.training.policy import LanguagePolicy

PACKAGE = Path(currlab.__file__).parent
# What a run's numbers depend on; a change elsewhere cannot make results stale.
CODE = ("tasks", "models", "curricula", "training", "evaluation.py")
# Often the same in every row.
CONSTANT = ("engine", "task")
STEP_COLUMNS = ("step", "tokens_generated", "reward", "zero_variance", "entropy", "length")


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
    """Write results small enough to ship: columns of rounded numbers, or the one value of a column."""
    tables = {
        name: {column: _short(table[column]) for column in table}
        for name, table in (("evals", results.evals), ("steps", results.steps))
    }
    write_json_atomic(path, {"meta": results.meta, **tables}, indent=None)


def _short(column: pd.Series) -> Any:
    if column.name in CONSTANT and column.nunique() == 1:
        return column.iloc[0]
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
