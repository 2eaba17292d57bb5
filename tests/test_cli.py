"""The command: quick help, one sentence for every error, exit codes, JSON."""

import json
import subprocess
import sys

import nbformat
import pytest
from click.testing import CliRunner

from currlab import cli
from currlab.errors import CurrlabError
from currlab.headless import parse_levels, parse_settings

CELL = 'profile: str = "cpu"\nselect: str = "sec"\nseed: int = 0\nout_dir: str = "runs"\n'


def call(*words):
    return CliRunner().invoke(cli.app, list(map(str, words)))


@pytest.fixture
def example(tmp_path):
    def write(*sources):
        cells = [nbformat.v4.new_code_cell(CELL, metadata={"tags": ["parameters"]})]
        cells += [nbformat.v4.new_code_cell(source) for source in sources]
        path = tmp_path / "00_example.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        return path

    return write


def test_help_is_quick_because_nothing_heavy_is_imported():
    program = (
        "import sys; sys.argv = ['currlab', '--help']\n"
        "from currlab.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('heavy:', {'torch', 'numpy', 'transformers', 'papermill'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "heavy: set()" in done.stdout, done.stderr
    assert "Examples:" in done.stdout


@pytest.mark.parametrize("name", sorted(cli.app.commands))
def test_every_command_explains_itself(name):
    done = call(name, "--help")
    assert done.exit_code == 0
    assert cli.app.commands[name].help


def test_threads_wait_passively_before_torch_is_loaded(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setattr(cli, "app", lambda: None)
    cli.main()
    import os

    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-p", "stratgy", "sec"], ["stratgy", "profile, select, seed, out_dir"]),
        (["-p", "seed", "one"], ["'seed'", "int"]),
        (["--profile", "fast"], ["fast", "smoke, cpu, gpu"]),
        (["-p", "out_dir", "/dev/null/x"], ["Cannot write", "/dev/null/x"]),
        (["--out", "/dev/null/x"], ["Cannot write", "/dev/null/x"]),
    ],
)
def test_bad_input_to_run_is_one_sentence_and_starts_nothing(example, tmp_path, words, told):
    out = tmp_path / "out"
    done = call("run", example("raise SystemError"), "--out", out, *words)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert all(part in done.stderr for part in told), done.stderr
    assert not list(tmp_path.rglob("out/**/*.ipynb"))


def test_one_bad_notebook_stops_all_before_they_start(example, tmp_path):
    done = call("run", example(), "99", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert not list(tmp_path.rglob("out/**/*.ipynb"))


def test_run_prints_where_the_results_are(example, tmp_path):
    done = call("run", example("print(seed)"), "-p", "seed", "3", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    notebook, html = done.stdout.splitlines()
    assert "seed=3" in notebook
    assert html.endswith(".html")


def test_a_failed_notebook_is_kept_named_and_exits_with_one(example, tmp_path):
    done = call("run", example("1 / 0"), "--out", tmp_path / "out")
    assert done.exit_code == 1
    (kept,) = (tmp_path / "out").rglob("*.ipynb")
    assert str(kept) in done.stderr


def test_unexpected_errors_are_one_sentence_and_debug_shows_where(monkeypatch):
    def broken(**_):
        raise KeyError("surprise")

    monkeypatch.setattr("currlab.headless.train_once", broken)
    done = call("train", "--out", "x")
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert "surprise" in done.stderr
    assert isinstance(call("--debug", "train", "--out", "x").exception, KeyError)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--select", "sce"], "sec"),
        (["--set", "sec.temprature=1"], "temperature"),
        (["--set", "sec.temperature=hot"], "float"),
        (["--set", "temperature"], "sec.temperature=0.15"),
        (["--levels", "sorting"], "sorting=1-12"),
        (["--levels", "sorting=0-3"], "levels of 'sorting'"),
        (["--levels", "juggling=1-3"], "juggling"),
        (["--steps", "0"], "'steps'"),
        (["--profile", "fast"], "smoke, cpu, gpu"),
        (["--engine", "tlr"], "scratch, trl"),
    ],
)
def test_bad_input_to_train_is_one_sentence_and_writes_nothing(tmp_path, words, told):
    done = call("train", "--out", tmp_path / "run", *words)
    assert done.exit_code == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_levels_and_settings_are_parsed():
    assert parse_levels(["gym:leg_counting=1,3-4", "sorting=2"]) == {
        "gym:leg_counting": (1, 3, 4),
        "sorting": (2,),
    }
    assert parse_settings(["sec.temperature=1", "sec.decay_absent=true", "x.y=a=b"]) == {
        "sec": {"temperature": 1, "decay_absent": True},
        "x": {"y": "a=b"},
    }
    for bad in (
        "",
        "=",
        "sorting=",
        "sorting=a-b",
        "sorting=1-",
        "sorting=-1",
        "sorting=5-1",
        "sorting=1-99999",
        "=1-2",
    ):
        with pytest.raises(CurrlabError, match="written like"):
            parse_levels([bad])
    for bad in ("", "sec", "sec.=1", ".x=1", "sec.temperature"):
        with pytest.raises(CurrlabError, match="written like"):
            parse_settings([bad])


def test_strategies_lists_all_and_describes_one_as_text_and_as_json():
    names = {s["name"] for s in json.loads(call("strategies", "--json").stdout)}
    assert {"sec", "uniform", "target", "easy_to_hard"} <= names
    (sec,) = json.loads(call("strategies", "sec", "--json").stdout)
    for knob in sec["parameters"]:
        assert knob["name"] in call("strategies", "sec").stdout
    assert call("strategies", "sce").exit_code == 2


def test_doctor_fails_only_if_something_needed_is_missing(monkeypatch):
    from currlab.doctor import Check

    monkeypatch.setattr("currlab.doctor.examine", lambda: [Check("gym", "INFO", "none")])
    assert call("doctor").exit_code == 0
    monkeypatch.setattr("currlab.doctor.examine", lambda: [Check("torch", "FAIL", "none")])
    assert call("doctor").exit_code == 1
    assert json.loads(call("doctor", "--json").stdout) == [
        {"name": "torch", "status": "FAIL", "detail": "none"}
    ]


def test_report_of_nothing_is_refused(tmp_path):
    done = call("report", tmp_path)
    assert done.exit_code == 2
    assert "neither a run" in done.stderr


def test_unknown_study_names_the_known_ones():
    done = call("study", "alchemy")
    assert done.exit_code == 2
    assert "foundations" in done.stderr
