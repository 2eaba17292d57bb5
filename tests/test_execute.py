"""Headless notebooks: parameters are checked before anything runs, failures are kept and named."""

import json
import subprocess
import sys
import time

import nbformat
import pytest
from filelock import FileLock

from currlab.errors import CurrlabError
from currlab.execute import NotebookError, done_before, execute, run_job
from currlab.jobs import find_notebook, make_jobs, prepare
from currlab.parameters import check_parameters, parse_parameters, read_parameters

CELL = """\
profile: str = "cpu"  # smoke, cpu or gpu
seed: int = 0  # of every random draw; µ is no ASCII
rate: float = 0.5  # learning rate
live: bool = False
levels: list[int] = [1, 2]  # of sorting
limit: int | None = None  # tokens
out_dir: str = "runs/00"  # results
helper = 3
"""


def notebook(path, *sources, parameters=CELL):
    cells = [nbformat.v4.new_markdown_cell("# A title\n\nwith $x^2$")]
    cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


@pytest.fixture
def checked(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb")
    return lambda **given: check_parameters(path, read_parameters(path), given)


def test_parameters_carry_type_default_and_help():
    parameters = {p.name: p for p in parse_parameters(CELL)}
    assert list(parameters) == [
        "profile",
        "seed",
        "rate",
        "live",
        "levels",
        "limit",
        "out_dir",
    ]
    assert parameters["seed"].default == 0
    assert parameters["seed"].help == "of every random draw; µ is no ASCII"
    assert parameters["levels"].type == "list[int]"


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"seed": "3"}, 3),
        ({"rate": "3"}, 3.0),
        ({"rate": 1}, 1.0),
        ({"live": "True"}, True),
        ({"levels": "[3, 4]"}, [3, 4]),
        ({"limit": "none"}, None),
        ({"limit": "7"}, 7),
        ({"out_dir": "3"}, "3"),
        ({"out_dir": "true"}, "true"),
    ],
)
def test_text_becomes_the_declared_type(checked, given, value):
    (found,) = checked(**given).values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "given",
    [
        {"seed": "1.5"},
        {"seed": "sec"},
        {"seed": True},
        {"seed": None},
        {"rate": "true"},
        {"rate": "nan"},
        {"live": "1"},
        {"levels": "[1, 'two']"},
        {"levels": "sec"},
        {"levels": "__import__('os')"},
        {"limit": "[]"},
        {"out_dir": 3},
        {"seed": "(" * 10_000},
    ],
)
def test_wrong_types_name_the_type_and_an_example(checked, given):
    (name,) = given
    with pytest.raises(CurrlabError, match=f"'{name}' must be of type .*, such as"):
        checked(**given)


def test_unknown_parameter_names_the_known_ones(checked):
    with pytest.raises(CurrlabError, match=r"'stratgy'.*profile, seed, rate"):
        checked(stratgy="sec")


def test_unknown_profile_is_refused_before_anything_is_written(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb")
    with pytest.raises(CurrlabError, match="smoke, cpu, gpu"):
        execute(path, profile="fast", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["", "99", "01_example.ipynb", "nowhere/x.ipynb"])
def test_unknown_notebook_is_refused(name, tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    notebook(tmp_path / "notebooks" / "01_example.ipynb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("currlab.jobs.notebooks_folder", lambda: tmp_path / "notebooks")
    with pytest.raises(CurrlabError, match="no notebook"):
        find_notebook(name)
    assert find_notebook("01") == find_notebook("01_ex")


def test_unwritable_folders_are_refused(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb")
    (tmp_path / "file").touch()
    with pytest.raises(CurrlabError, match="Cannot write to the output folder"):
        prepare(path, {}, out=tmp_path / "file")
    with pytest.raises(CurrlabError, match="Cannot write to the output folder"):
        prepare(path, {"out_dir": str(tmp_path / "file" / "x")}, out=tmp_path / "out")


@pytest.mark.parametrize("content", ["", "{}", "not JSON", '{"cells": []}'])
def test_broken_notebook_is_named(tmp_path, content):
    path = tmp_path / "01_broken.ipynb"
    path.write_text(content)
    with pytest.raises(CurrlabError, match="01_broken"):
        prepare(path, {}, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"seed": "1"}, {"seed": "2"}),
        ({"levels": "[1, 23]"}, {"levels": "[12, 3]"}),
        ({"out_dir": "x", "rate": "0.1"}, {"out_dir": "x", "rate": "0.2"}),
        ({"levels": str(list(range(200)))}, {"levels": str(list(range(201)))}),
    ],
)
def test_other_parameters_get_another_folder(tmp_path, monkeypatch, one, other):
    monkeypatch.chdir(tmp_path)
    path = notebook(tmp_path / "01_example.ipynb")
    first, second = (prepare(path, given, "smoke", tmp_path / "out") for given in (one, other))
    assert first.folder != second.folder
    assert first.folder == prepare(path, one, "smoke", tmp_path / "out").folder
    assert len(first.folder.name) < 120


def test_folder_does_not_depend_on_the_order_of_parameters(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb")
    a = prepare(path, {"seed": 1, "rate": 0.5}, "smoke", tmp_path)
    b = prepare(path, {"rate": 0.5, "profile": "smoke", "seed": 1}, None, tmp_path)
    assert a.folder == b.folder
    assert a.folder.name == "01_example-smoke-rate=0.5-seed=1"


def results(executed):
    return json.loads((executed.notebook.parent / "results.json").read_text())


WRITES = """\
import json, pathlib, sys
pathlib.Path(out_dir, 'results.json').write_text(json.dumps({"seed": seed, "levels": levels}))
print(sys.executable, profile)"""


def test_executed_notebook_has_the_parameters_a_page_and_results(tmp_path, capsys):
    path = notebook(tmp_path / "01_example.ipynb", WRITES)
    before = path.read_bytes()
    done = execute(path, {"seed": "7", "levels": "[5]"}, "smoke", tmp_path / "out")
    told = results(done)
    assert (told["seed"], told["levels"]) == (7, [5])
    made = told["execution"]
    assert made["status"] == "finished"
    assert made["parameters"] == {
        "profile": "smoke",
        "seed": 7,
        "rate": 0.5,
        "live": False,
        "levels": [5],
        "limit": None,
    }
    assert made["notebook"] == "01_example.ipynb"
    assert made["versions"]["torch"]
    assert made["seconds"] > 0
    output = nbformat.read(done.notebook, as_version=4).cells[-1].outputs[0].text
    assert output.split() == [sys.executable, "smoke"]
    page = done.html.read_text()
    assert "A title" in page
    assert "<math" in page
    assert made["notebook_sha256"] in page
    assert "3 of 3" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert str(tmp_path) not in page, "a page to be sent tells nobody's folders"


def test_results_that_are_no_dictionary_or_lie_elsewhere_are_kept(tmp_path):
    write = "import pathlib; pathlib.Path(out_dir, 'results.json').write_text('[1, 2]')"
    path = notebook(tmp_path / "01_example.ipynb", write)
    done = execute(path, {"out_dir": str(tmp_path / "mine")}, out=tmp_path / "out")
    assert results(done)["results"] == [1, 2]
    assert json.loads((tmp_path / "mine" / "results.json").read_text()) == [1, 2]


def test_braces_in_a_path_are_just_characters(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb", "print(seed)")
    done = execute(path, {"seed": 7}, out=tmp_path / "{seed} and {")
    assert done.notebook.is_relative_to(tmp_path / "{seed} and {")
    assert nbformat.read(done.notebook, as_version=4).cells[-1].outputs[0].text == "7\n"


def test_failed_notebook_is_kept_with_its_page_and_named(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb", "print('so far')", "1 / 0", "print('never')")
    with pytest.raises(NotebookError, match=r"In \[4\].*ZeroDivisionError.*01_example\.failed"):
        execute(path, out=tmp_path / "out")
    (kept,) = (tmp_path / "out").rglob("*.ipynb")
    text = kept.read_text()
    assert "so far" in text
    assert "ZeroDivisionError" in text
    assert kept.with_suffix(".html").exists()
    made = json.loads((kept.parent / "results.json").read_text())["execution"]
    assert made["status"] == "failed"
    assert "ZeroDivisionError" in made["error"]


def test_dead_kernel_is_a_failure_with_a_name(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb", "import os; os._exit(9)")
    with pytest.raises(NotebookError, match="its kernel died"):
        execute(path, out=tmp_path / "out")


def test_an_error_s_control_characters_do_not_reach_the_terminal(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb", "raise ValueError('a\\x1b[2Jb\\n' + 'c' * 9999)")
    with pytest.raises(NotebookError) as failure:
        execute(path, out=tmp_path / "out")
    assert str(failure.value).isprintable()
    assert len(str(failure.value)) < 1000


# ---------------------------------------------------------------- once more


def test_done_before_means_the_same_notebook_parameters_and_package(tmp_path, monkeypatch):
    path = notebook(tmp_path / "01_example.ipynb", WRITES)

    def job(**given):
        return prepare(path, given, out=tmp_path / "out")

    assert done_before(job()) is None
    done = run_job(job())
    assert done_before(job()) == done
    assert done_before(job(seed=1)) is None
    with monkeypatch.context() as patched:
        patched.setattr("currlab.jobs.package_versions", lambda: {"torch": "0.1"})
        assert done_before(job()) is None
    with monkeypatch.context() as patched:
        patched.setattr("currlab.jobs._package_hash", lambda: "other code")
        assert done_before(job()) is None
    notebook(path, WRITES, "print('changed')")
    assert done_before(job()) is None


def test_damaged_results_are_made_again(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb", WRITES)
    job = prepare(path, {}, out=tmp_path / "out")
    done = run_job(job)
    for content in (b"", b"[]", b'{"execution": 3}', b'{"execution": {}}', b"\xff", b"[" * 99_999):
        job.results.write_bytes(content)
        assert done_before(job) is None
    run_job(job)
    assert done_before(job).notebook == done.notebook


def test_a_failure_leaves_the_good_results_of_before_and_success_clears_it(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb", WRITES)
    good = execute(path, out=tmp_path / "out")
    before = {p.name: p.read_bytes() for p in good.notebook.parent.iterdir()}
    notebook(path, "1 / 0", WRITES)
    with pytest.raises(NotebookError):
        execute(path, out=tmp_path / "out")
    after = {p.name: p.read_bytes() for p in good.notebook.parent.iterdir()}
    assert after.keys() - before.keys() == {"01_example.failed.ipynb", "01_example.failed.html"}
    assert all(after[name] == before[name] for name in before)
    notebook(path, WRITES, "print(2)")
    execute(path, out=tmp_path / "out")
    assert {p.name for p in good.notebook.parent.iterdir()} == before.keys()


def test_results_of_an_earlier_execution_are_not_taken_for_new_ones(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb", WRITES)
    execute(path, out=tmp_path / "out")
    notebook(path, "print('writes nothing')")
    assert results(execute(path, out=tmp_path / "out")).keys() == {"execution"}


KILLED = """\
import sys
from currlab.execute import execute
execute(sys.argv[1], out=sys.argv[2])
"""


def test_killed_in_the_middle_nothing_good_is_lost_and_it_is_done_again(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb", WRITES)
    good = execute(path, out=tmp_path / "out")
    folder = good.notebook.parent
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    wait = f"import pathlib, time\npathlib.Path({str(tmp_path / 'here')!r}).touch()\ntime.sleep(60)"
    notebook(path, "print('so far')", wait, WRITES)
    command = [sys.executable, "-c", KILLED, path, tmp_path / "out"]
    process = subprocess.Popen(command)
    try:
        end = time.monotonic() + 60
        while not (tmp_path / "here").exists() and time.monotonic() < end:
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    after = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert after.keys() - before.keys() == {"01_example.unfinished.ipynb"}
    assert b"so far" in after["01_example.unfinished.ipynb"]
    assert all(after[name] == before[name] for name in before)
    job = prepare(path, {}, out=tmp_path / "out")
    assert done_before(job) is None
    notebook(path, WRITES, "print(3)")
    run_job(prepare(path, {}, out=tmp_path / "out"))
    assert {p.name for p in folder.iterdir()} == before.keys()


def test_two_processes_do_not_execute_into_one_folder(tmp_path):
    job = prepare(notebook(tmp_path / "01_example.ipynb"), {}, out=tmp_path / "out")
    job.folder.mkdir()
    with FileLock(job.folder / ".lock"), pytest.raises(CurrlabError, match="Another process"):
        run_job(job)
    assert not list(job.folder.glob("*.ipynb"))


# ---------------------------------------------------------------- many


def test_seeds_make_a_folder_each_seed_by_seed(tmp_path):
    paths = [notebook(tmp_path / f"0{i}_example.ipynb") for i in (1, 2)]
    jobs = make_jobs([str(p) for p in paths], {"rate": "1"}, "smoke", "0,3-4", tmp_path / "out")
    assert [(job.notebook.name[:2], job.parameters["seed"]) for job in jobs] == [
        ("01", 0),
        ("02", 0),
        ("01", 3),
        ("02", 3),
        ("01", 4),
        ("02", 4),
    ]
    assert len({job.folder for job in jobs}) == 6


def test_one_notebook_named_twice_is_one_job(tmp_path):
    path = str(notebook(tmp_path / "01_example.ipynb"))
    assert len(make_jobs([path, path], {}, out=tmp_path / "out")) == 1


@pytest.mark.parametrize(
    ("given", "seeds", "told"),
    [
        ({}, "a", "whole numbers such as 0-7"),
        ({}, "", "whole numbers"),
        ({}, "3-1", "whole numbers"),
        ({}, "1,1", "different"),
        ({}, "-1", "whole numbers"),
        ({"seed": "1"}, "0-1", "either --seeds or -p seed"),
        ({"out_dir": "x"}, "0-1", "mix their results"),
    ],
)
def test_bad_seeds_are_refused(tmp_path, monkeypatch, given, seeds, told):
    monkeypatch.chdir(tmp_path)
    path = str(notebook(tmp_path / "01_example.ipynb"))
    with pytest.raises(CurrlabError, match=told):
        make_jobs([path], given, None, seeds, tmp_path / "out")


def test_two_notebooks_of_one_name_would_share_a_folder(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    paths = [str(notebook(tmp_path / folder / "01_example.ipynb")) for folder in ("a", "b")]
    with pytest.raises(CurrlabError, match="share a folder"):
        make_jobs(paths, {}, out=tmp_path / "out")
