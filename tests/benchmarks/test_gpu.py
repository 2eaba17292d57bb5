"""The shipped records of a GPU: whole, from a GPU, and what README and notebook 90 make of them."""

from pathlib import Path

import pytest

from currlab.benchmarks.gpu import gpu_records, sampling_table, step_table, update_table

RECORDS = gpu_records()
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
each_record = pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["device"])


@each_record
def test_a_record_says_where_and_with_what_it_was_made(record):
    assert "NVIDIA" in record["device"]
    assert record["cuda"]
    assert {"torch", "transformers", "trl"} <= set(record["versions"])
    assert all(test["outcome"] == "passed" for test in record["tests"])
    assert all(test["peak_memory_bytes"] > 0 for test in record["tests"])
    assert 0 < record["seconds_of_all_tests"] < 600


@each_record
def test_the_tables_hold_every_case(record):
    sampling = sampling_table(record)
    assert {"tiny", "small"} == set(sampling.index.get_level_values("model"))
    assert (sampling > 0).all().all()
    updates = update_table(record)
    assert {"tf32", "float32"} < set(updates.index)
    assert (updates["GiB at most"] > 0).all()
    steps = step_table(record)
    assert steps.loc["tokens_per_second", "gpu"] > steps.loc["tokens_per_second", "cpu"]


def test_the_graph_pays_wherever_it_was_measured():
    """Why `decoder_for` gives a GPU the graphed decoder: if this fails, that is to be thought over."""
    sampling = sampling_table(RECORDS[0])
    assert (sampling["CUDA graph"] > sampling["kernel by kernel"]).all()


def test_the_readme_names_the_newest_record():
    assert RECORDS[0]["device"] in README
    assert RECORDS[0]["date"][:10] in README
    assert f"torch {RECORDS[0]['versions']['torch']}" in README
