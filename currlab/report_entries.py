"""What a report is made of: runs, executed notebooks, studies, and what is broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from currlab.study_results import Results

LARGEST = 2**63 - 1


@dataclass(frozen=True, eq=False)
class Found:
    """Something to report: its name is its path below the reported folder."""

    name: str
    path: Path


@dataclass(frozen=True, eq=False)
class FoundRun(Found):
    """A training run, read and checked: `metrics` a row per step, `evals` one per step and arm."""

    config: Mapping[str, Any]
    versions: Mapping[str, Any]
    metrics: pd.DataFrame
    evals: pd.DataFrame
    steering: Sequence[Mapping[str, Any]]
    finished: bool


@dataclass(frozen=True, eq=False)
class FoundNotebook(Found):
    """An executed notebook: how it was made, and its own results if it left any."""

    title: str
    status: str
    execution: Mapping[str, Any]
    results: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class FoundStudy(Found):
    """The results of `currlab study`; `runs` is the folder of the runs behind them."""

    results: Results
    runs: Path


@dataclass(frozen=True, eq=False)
class Broken(Found):
    """What should have been a run, a notebook or a study, and why it cannot be shown."""

    kind: str
    why: str


def is_number(value: Any) -> bool:
    """Is it a number that tables and figures can hold?"""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or abs(value) <= LARGEST


def encodable(data: Any) -> Any:
    """The JSON value without the halves of characters that no file can hold."""
    if isinstance(data, str):
        return data.encode(errors="replace").decode()
    if isinstance(data, Mapping):
        return {encodable(key): encodable(value) for key, value in data.items()}
    if isinstance(data, list):
        return [encodable(value) for value in data]
    return data
