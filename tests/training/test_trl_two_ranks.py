"""Two processes under torchrun: one curriculum, the numbers of one process, resume as on one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from trl_case import RESUMED, open_run, small_recipe, small_trainer, state_of, without_seconds

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


def test_the_numbers_are_those_of_one_process(two_ranks, tmp_path):
    with open_run(tmp_path / "one") as run:
        small_trainer(RESUMED, small_recipe(), run).train()
        one = {s: without_seconds(run.records(s)) for s in ("metrics", "groups", "eval")}
        weights = load_file(run.checkpoints / "checkpoint-6" / "model.safetensors")
    two = Run(two_ranks / "straight")
    for stream, records in one.items():
        lines = without_seconds(two.records(stream))
        assert [line.keys() for line in lines] == [line.keys() for line in records]
        for got, expected in zip(lines, records, strict=True):
            assert got == {
                k: pytest.approx(v, abs=1e-4) if isinstance(v, float) else v
                for k, v in expected.items()
            }
    weights_of_two = load_file(two.checkpoints / "checkpoint-6" / "model.safetensors")
    for name in weights:
        # Six steps of up to 3e-3 each.
        torch.testing.assert_close(weights_of_two[name], weights[name], atol=1e-3, rtol=0)


def test_an_interrupted_run_goes_on_bit_for_bit(two_ranks):
    straight, resumed = Run(two_ranks / "straight"), Run(two_ranks / "interrupted")
    assert state_of(resumed) == state_of(straight)
    for got, expected in zip(
        reports(two_ranks, "interrupted"), reports(two_ranks, "straight"), strict=True
    ):
        # The process without a run remembers only the steps since it was started again.
        assert got.pop("groups")[-8:] == expected.pop("groups")[-8:]
        assert got == expected
