"""A run folder survives kills, refuses two writers and changed settings, and never loses a line."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from currlab.errors import CurrlabError
from currlab.files import read_json, write_json_atomic
from currlab.runs import STREAMS, Run

CONFIG = {"select": "sec", "seed": 0, "levels": {"sorting": [1, 2]}}


def checkpoint(run, step, **extra):
    folder = run.checkpoints / f"checkpoint-{step}"
    folder.mkdir(parents=True, exist_ok=True)
    write_json_atomic(folder / "currlab.json", {"step": step, "offsets": run.offsets(), **extra})
    return folder


def test_new_run_keeps_config_versions_and_logs(tmp_path):
    with Run.open(tmp_path / "a" / "run", CONFIG) as run:
        run.log("metrics", {"step": 1, "reward": np.float32(0.25), "row": np.arange(2)})
        assert run.records("metrics") == [{"step": 1, "reward": 0.25, "row": [0, 1]}]
        assert not run.finished
        run.finish({"greedy": 0.5})
    reader = Run(tmp_path / "a" / "run")
    assert reader.config == CONFIG
    assert {"python", "torch", "trl", "currlab"} <= reader.versions.keys()
    assert reader.finished
    assert reader.results == {"greedy": 0.5}


def test_equal_config_resumes_and_tuples_equal_lists(tmp_path):
    with Run.open(tmp_path, CONFIG) as run:
        run.log("eval", {"n": 1})
    with Run.open(tmp_path, {**CONFIG, "levels": {"sorting": (1, 2)}}) as run:
        run.log("eval", {"n": 2})
        assert run.records("eval") == [{"n": 1}, {"n": 2}]


def test_other_config_is_refused_and_names_every_differing_key(tmp_path):
    Run.open(tmp_path, CONFIG).close()
    before = (tmp_path / "config.json").read_bytes()
    other = {"select": "sec", "seed": 1, "levels": {"sorting": [1]}, "steps": 3}
    with pytest.raises(CurrlabError) as error:
        Run.open(tmp_path, other)
    text = str(error.value)
    assert "'seed' is 0 there, 1 here" in text
    assert "'levels.sorting'" in text
    assert "'steps' is '(not set)' there, 3 here" in text
    assert "'select'" not in text
    assert (tmp_path / "config.json").read_bytes() == before
    Run.open(tmp_path, CONFIG).close()  # the refusal let go of the lock


def test_second_writer_is_refused_until_the_first_is_done(tmp_path):
    assert not Run(tmp_path / "none").is_written_to()
    with Run.open(tmp_path, CONFIG):
        assert Run(tmp_path).is_written_to()
        with pytest.raises(CurrlabError, match="Another process"):
            Run.open(tmp_path, CONFIG)
    assert not Run(tmp_path).is_written_to()
    Run.open(tmp_path, CONFIG).close()


def test_killed_writer_leaves_whole_lines_and_a_free_lock(tmp_path):
    program = textwrap.dedent(
        """
        import sys
        from currlab.runs import Run
        run = Run.open(sys.argv[1], {"seed": 0})
        for step in range(3):
            run.log("metrics", {"step": step})
        run._files["metrics"].write(b'{"step": 3, "rew')
        run._files["metrics"].flush()
        print("ready", flush=True)
        sys.stdin.read()
        """
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(CurrlabError, match="Another process"):
            Run.open(tmp_path, {"seed": 0})
        os.kill(process.pid, signal.SIGKILL)
    assert [r["step"] for r in Run(tmp_path).records("metrics")] == [0, 1, 2]
    with Run.open(tmp_path, {"seed": 0}) as run:
        run.log("metrics", {"step": 3})
        assert [r["step"] for r in run.records("metrics")] == [0, 1, 2, 3]


def test_cut_takes_logs_back_to_the_checkpoint(tmp_path):
    with Run.open(tmp_path, CONFIG) as run:
        run.log("metrics", {"step": 1})
        offsets = run.offsets()
        run.log("metrics", {"step": 2})
        run.log("groups", {"step": 2})
        run.cut(offsets)
        assert run.records("groups") == []
        run.log("metrics", {"step": 2, "again": True})
        assert run.records("metrics") == [{"step": 1}, {"step": 2, "again": True}]
        run.cut({})
        assert all(run.records(stream) == [] for stream in STREAMS)


@pytest.mark.parametrize("offset", [-1, 10_000])
def test_cut_beyond_the_log_is_refused_and_cuts_nothing(tmp_path, offset):
    with Run.open(tmp_path, CONFIG) as run:
        run.log("metrics", {"step": 1})
        run.log("groups", {"step": 1})
        with pytest.raises(CurrlabError, match="nothing was cut"):
            run.cut({"metrics": 0, "groups": offset})
        assert run.records("metrics") == [{"step": 1}]


def test_newest_checkpoint_is_the_newest_whole_one(tmp_path):
    with Run.open(tmp_path, CONFIG) as run:
        assert run.newest_checkpoint() is None
        checkpoint(run, 9)
        ten = checkpoint(run, 10)  # 10 is newer than 9 although "10" sorts before "9"
        (run.checkpoints / "checkpoint-11").mkdir()  # killed before currlab.json was written
        (run.checkpoints / "checkpoint-best").mkdir()
        assert run.newest_checkpoint() == ten


@pytest.mark.parametrize("content", [b"", b'{"step": 1', b"\xff\xfe\x00", b"[1]", b"null"])
def test_damaged_checkpoint_is_named_and_left_alone(tmp_path, content):
    with Run.open(tmp_path, CONFIG) as run:
        checkpoint(run, 10)
        state = checkpoint(run, 20) / "currlab.json"
        state.write_bytes(content)
        with pytest.raises(CurrlabError, match="checkpoint-20"):
            run.newest_checkpoint()
        assert state.read_bytes() == content


def test_atomic_write_keeps_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_json_atomic(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json_atomic(path, {"a": object()})
    assert read_json(path) == {"a": 1}

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="disk full"):
        write_json_atomic(path, {"a": 2})
    assert read_json(path) == {"a": 1}


def test_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CurrlabError, match="Cannot write to the run folder"):
        Run.open(tmp_path / "file" / "run", CONFIG)


def test_folder_with_other_things_is_not_taken_for_a_run(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(CurrlabError, match=r"thesis\.tex"):
        Run.open(tmp_path, CONFIG)


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_damaged_config_is_named(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(CurrlabError, match=r"config\.json"):
        Run.open(tmp_path, CONFIG)
    assert (tmp_path / "config.json").read_text() == content


def test_other_versions_are_told(tmp_path):
    Run.open(tmp_path, CONFIG).close()
    head = read_json(tmp_path / "config.json")
    head["versions"]["torch"] = "1.0"
    write_json_atomic(tmp_path / "config.json", head)
    with pytest.warns(UserWarning, match="other package versions"):
        Run.open(tmp_path, CONFIG).close()


def test_damaged_line_is_named(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"a": 1}\nnonsense\n{"a": 3}\n')
    with pytest.raises(CurrlabError, match="Line 2"):
        Run(tmp_path).records("metrics")


def test_unknown_log_and_reading_runs_refuse(tmp_path):
    Run.open(tmp_path, CONFIG).close()
    with pytest.raises(CurrlabError, match="metrics, groups, eval, steering"):
        Run(tmp_path).records("metric")
    with pytest.raises(CurrlabError, match="reading only"):
        Run(tmp_path).log("metrics", {})


def test_logs_hold_one_json_object_a_line(tmp_path):
    with Run.open(tmp_path, CONFIG) as run:
        run.log("groups", {"text": "two\nlines \u2028 and <b>tags</b>"})
    lines = (tmp_path / "groups.jsonl").read_bytes().splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["text"] == "two\nlines \u2028 and <b>tags</b>"
