"""Figures of GPUs that were at hand: read from the records in the package, not measured here."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pandas as pd

from currlab.files import read_json

# A test of tests/gpu, and the property that it reports.
SAMPLING = "test_the_graph_gives_the_other_decoders_tokens"
UPDATE = "test_an_update_of_the_small_model"
STEP = "test_the_step_of_the_profile"
WAYS = {"graph": "CUDA graph", "eager": "kernel by kernel", "hugging_face": "the model's forward"}


def gpu_records() -> list[dict[str, Any]]:
    """The shipped records of runs on a GPU, newest first.

    Each is what `make test-gpu` writes, with the notebooks that ran in profile gpu added.
    """
    folder = files("currlab") / "data" / "gpu"
    records = [read_json(str(path)) for path in folder.iterdir() if path.name.endswith(".json")]
    return sorted(records, key=lambda record: record["date"], reverse=True)


def sampling_table(record: dict[str, Any]) -> pd.DataFrame:
    """Sampled tokens a second: a row for each model and number of rows, a column for each way."""
    rows = {}
    for case, told in _cases(record, SAMPLING):
        size, count = case.split("-")
        for dtype in ("float32", "bfloat16"):
            speeds = told["tokens_per_second"]
            rows[size, int(count), dtype] = {
                title: speeds[f"{way}_{dtype}"] for way, title in WAYS.items()
            }
    table = pd.DataFrame(rows).T.sort_index(level=[0, 1], ascending=[False, True])
    return table.rename_axis(["model", "rows", "numbers"])


def update_table(record: dict[str, Any]) -> pd.DataFrame:
    """Forward and backward of a step's rows: seconds, and peak memory in GiB, for each way."""
    rows = {
        way: {
            "seconds": told["seconds_update"],
            "GiB at most": told["peak_memory_bytes"] / 2**30,
            "rows at a time": told["rows_at_a_time"],
        }
        for way, told in _cases(record, UPDATE)
    }
    return pd.DataFrame(rows).T.astype({"rows at a time": int})


def step_table(record: dict[str, Any]) -> pd.DataFrame:
    """Medians of a training step in profile gpu and in profile cpu, on the same machine."""
    [(_, told)] = _cases(record, STEP)
    return pd.DataFrame({"gpu": told["profile_gpu"], "cpu": told["profile_cpu"]}).drop(
        "peak_memory_bytes"
    )


def _cases(record: dict[str, Any], test: str) -> list[tuple[str, dict[str, Any]]]:
    """(parameters, what was told) of every run of a test that passed."""
    found = []
    for told in record["tests"]:
        name, _, parameters = told["test"].rpartition("::")[2].partition("[")
        if name == test and told["outcome"] == "passed":
            found.append((parameters.rstrip("]"), told))
    return found
