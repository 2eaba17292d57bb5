"""`currlab train`: one run from start to finish, again, with other settings, and on two processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from currlab import cli

SMALL = ["--levels", "sorting=1-2", "--steps", "1", "--seed", "3"]


def train(out, *words):
    return CliRunner().invoke(cli.app, ["train", "--out", str(out), *SMALL, *words])


def test_a_finished_run_is_not_trained_again_and_other_settings_are_refused(tmp_path):
    first = train(tmp_path / "run")
    assert first.exit_code == 0, first.output
    results = json.loads(first.stdout)
    assert results["steps"] == 1
    before = {p: p.read_bytes() for p in (tmp_path / "run").glob("*.json*")}
    assert json.loads(train(tmp_path / "run").stdout) == results
    other = train(tmp_path / "run", "--set", "sec.temperature=0.5")
    assert other.exit_code == 2
    assert "temperature" in other.stderr
    assert {p: p.read_bytes() for p in (tmp_path / "run").glob("*.json*")} == before


def test_the_scratch_engine_refuses_several_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = train(tmp_path / "run", "--engine", "scratch")
    assert done.exit_code == 2
    assert "use the engine 'trl'" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_torchrun_trains_one_run_with_two_processes(tmp_path):
    torchrun = Path(sys.executable).with_name("torchrun")
    command = [torchrun, "--standalone", "--nproc_per_node", "2", "-m", "currlab", "train"]
    command += ["--engine", "trl", "--out", tmp_path / "run", *SMALL]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["steps"] == 1
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1]
