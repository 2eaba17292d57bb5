"""Two processes under torchrun: one curriculum, the numbers of one process, resume as on one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from trl_case import (
    KINDS,
    RESUMED,
    SHORT,
    change_it,
    kind_of_recipe,
    open_run,
    small_recipe,
    small_trainer,
    state_of,
    without_seconds,
)

from currlab.lab.session import Session
from currlab.runs import Run


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    script = Path(__file__).with_name("trl_ranks.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, script, folder], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def reports(folder, name):
    return [json.loads((folder / f"{name}-{rank}.json").read_text()) for rank in (0, 1)]


def test_both_processes_have_the_same_curriculum_and_the_same_weights(two_ranks):
    first, second = reports(two_ranks, "straight")
    assert first == second
    assert len(first["groups"]) == 24


def compare(one, two):
    """Every log of both runs, to float tolerance."""
    for stream in ("metrics", "groups", "eval", "steering"):
        lines, records = without_seconds(two.records(stream)), without_seconds(one.records(stream))
        assert [line.keys() for line in lines] == [line.keys() for line in records]
        for got, expected in zip(lines, records, strict=True):
            for name, value in expected.items():
                numbers = isinstance(value, float) or name == "advantages"
                assert got[name] == (pytest.approx(value, abs=1e-4) if numbers else value), name


def test_the_numbers_are_those_of_one_process(two_ranks, tmp_path):
    with open_run(tmp_path / "one") as run:
        small_trainer(RESUMED, small_recipe(), run).train()
    two = Run(two_ranks / "straight")
    compare(run, two)
    weights = load_file(run.checkpoints / "checkpoint-6" / "model.safetensors")
    weights_of_two = load_file(two.checkpoints / "checkpoint-6" / "model.safetensors")
    for name in weights:
        # Six steps of up to 3e-3 each.
        torch.testing.assert_close(weights_of_two[name], weights[name], atol=1e-3, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_probes_and_hints_are_those_of_one_process(kind, two_ranks, tmp_path):
    first, second = reports(two_ranks, kind)
    assert first == second
    with open_run(tmp_path / "one") as run:
        small_trainer(SHORT, kind_of_recipe(kind), run).train()
    compare(run, Run(two_ranks / kind))


def test_a_live_change_is_made_by_both_processes_and_logged_once(two_ranks, tmp_path):
    first, second = reports(two_ranks, "steered")
    assert first == second
    two = Run(two_ranks / "steered")
    assert two.records("steering") == first["steering"]
    told = [(line["step"], line["dial"], line["change"]) for line in first["steering"]]
    assert told == [
        (2, "select", "parameters"),
        (3, "select", "strategy"),
        (3, "sample", "parameters"),
    ]
    assert first["recipe"] != reports(two_ranks, "straight")[0]["recipe"]
    with open_run(tmp_path / "one") as run:
        session = Session(small_trainer(RESUMED, small_recipe(), run))
        change_it(session)
        session.run()
        assert run.finished
    compare(run, two)
    assert "only the first one is asked" in (two_ranks / "refused.txt").read_text()


def test_a_steered_run_goes_on_without_anybody_steering(two_ranks):
    """It was interrupted after the changes; its checkpoint knows of the new strategies."""
    assert state_of(Run(two_ranks / "steered-again")) == state_of(Run(two_ranks / "steered"))
    steering = [Run(two_ranks / name).records("steering") for name in ("steered", "steered-again")]
    assert steering[0] == steering[1]


def test_what_ends_the_first_process_between_two_steps_ends_the_other(two_ranks):
    first, second = reports(two_ranks, "abandoned")
    assert first == {"error": "division by zero", "step": 2}
    assert second == {"error": "The first process ended the run between two steps.", "step": 2}


def test_an_interrupted_run_goes_on_bit_for_bit(two_ranks):
    straight, resumed = Run(two_ranks / "straight"), Run(two_ranks / "interrupted")
    assert state_of(resumed) == state_of(straight)
    for got, expected in zip(
        reports(two_ranks, "interrupted"), reports(two_ranks, "straight"), strict=True
    ):
        # The process without a run remembers only the steps since it was started again.
        assert got.pop("groups")[-8:] == expected.pop("groups")[-8:]
        assert got == expected
