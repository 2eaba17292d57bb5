"""Many notebooks: a failure stops nothing, what is done is not repeated, Ctrl-C keeps the rest."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest

from currlab.batch import run_batch
from currlab.jobs import make_jobs

CELL = 'profile: str = "cpu"\nseed: int = 0\nout_dir: str = "runs/01"\n'


@pytest.fixture
def write(tmp_path):
    def notebook(name, *sources, **metadata):
        cells = [nbformat.v4.new_code_cell(CELL, metadata={"tags": ["parameters"]})]
        cells += [nbformat.v4.new_code_cell(source) for source in sources]
        path = tmp_path / f"{name}.ipynb"
        made = nbformat.v4.new_notebook(cells=cells, metadata={"currlab": metadata})
        nbformat.write(made, path)
        return str(path)

    return notebook


def statuses(out):
    return {
        path.parent.name: json.loads(path.read_text())["execution"]["status"]
        for path in out.rglob("results.json")
    }


def test_a_failure_stops_nothing_and_is_named_at_the_end(write, tmp_path, capsys):
    paths = [write("01_bad", "1 / 0"), write("02_good", "print(seed)")]
    jobs = make_jobs(paths, {}, "smoke", "0-1", tmp_path / "out")
    said = []
    assert run_batch(jobs, said.append) == 1
    assert statuses(tmp_path / "out") == {
        "01_bad-smoke-seed=0": "failed",
        "01_bad-smoke-seed=1": "failed",
        "02_good-smoke-seed=0": "finished",
        "02_good-smoke-seed=1": "finished",
    }
    *_, last = capsys.readouterr().err.splitlines()
    assert last == "2 of 4 finished; failed: 01_bad-smoke-seed=0, 01_bad-smoke-seed=1"
    assert [line for text in said for line in text.splitlines() if "02_good" not in line] == []


def test_what_is_done_is_not_repeated_and_a_failure_is_tried_again(write, tmp_path, capsys):
    counter = tmp_path / "counter"
    counting = f"open({str(counter)!r}, 'a').write('x')"
    paths = [write("01_good", counting), write("02_bad", counting, "1 / 0")]
    for expected in ("xx", "xxx"):
        assert run_batch(make_jobs(paths, {}, out=tmp_path / "out"), lambda _: None) == 1
        assert counter.read_text() == expected
    assert "01_good: done before" in capsys.readouterr().err
    paths = [paths[0], write("02_bad", counting)]
    said = []
    assert run_batch(make_jobs(paths, {}, out=tmp_path / "out"), said.append) == 0
    assert counter.read_text() == "xxxx"
    assert len(said) == 2, "what was done before is told like what is new"


def test_the_time_left_follows_the_measured_times_and_this_machine(write, tmp_path, capsys):
    slow = {"measured": {"smoke": {"seconds": 3600}}}
    paths = [write(f"0{i}_example", "1", **slow) for i in (1, 2, 3)]
    assert run_batch(make_jobs(paths, {}, "smoke", out=tmp_path / "out"), lambda _: None) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "all" in line]
    assert "about 1:00:00; all 3 that are left: about 3:00:00" in lines[0]
    assert "all 2 that are left: about 0:0" in lines[1], "this machine is faster"


def test_whatever_happens_to_one_the_others_are_tried(write, tmp_path, monkeypatch, capsys):
    from currlab import batch

    whole = batch.run_job

    def full_disk(job, label):
        if "01" in label:
            raise OSError(28, "No space left on device")
        return whole(job, label)

    monkeypatch.setattr(batch, "run_job", full_disk)
    paths = [write("01_example", "1"), write("02_example", "1")]
    assert run_batch(make_jobs(paths, {}, out=tmp_path / "out"), lambda _: None) == 1
    assert "No space left" in capsys.readouterr().err
    assert statuses(tmp_path / "out") == {"02_example": "finished"}


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(write, tmp_path):
    here = tmp_path / "here"
    wait = f"import pathlib, time\nif not pathlib.Path({str(here)!r}).exists():\n"
    wait += f"    pathlib.Path({str(here)!r}).touch()\n    time.sleep(60)"
    paths = [write("01_example", "1"), write("02_example", "print('so far')", wait)]
    command = [sys.executable, "-m", "currlab", "run", *paths, "--out", str(tmp_path / "out")]
    # Where the tests run in the background of a shell, they and their children ignore SIGINT.
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    end = time.monotonic() + 90
    while not here.exists() and time.monotonic() < end:
        time.sleep(0.05)
    # As a terminal does: to every process of the foreground group.
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1].startswith("Stopped: 1 of 2 finished and kept, 0 failed.")
    assert "Traceback" not in errors
    assert statuses(tmp_path / "out") == {"01_example": "finished"}
    kept = tmp_path / "out" / "02_example" / "02_example.unfinished.ipynb"
    assert "so far" in kept.read_text()
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "01_example: done before" in again.stderr
    assert statuses(tmp_path / "out") == {"01_example": "finished", "02_example": "finished"}
    assert not kept.exists()
