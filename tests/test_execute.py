"""Headless notebooks: parameters are checked before anything runs, failures are kept and named."""

import json

import nbformat
import pytest

from currlab.errors import CurrlabError
from currlab.execute import NotebookError, execute, find_notebook, prepare
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
    monkeypatch.setattr("currlab.execute.notebooks_folder", lambda: tmp_path / "notebooks")
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


def test_other_parameters_get_another_folder(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb")
    first = prepare(path, {"seed": "1"}, "smoke", tmp_path / "out")
    second = prepare(path, {"seed": "2"}, "smoke", tmp_path / "out")
    assert first.folder != second.folder
    assert first.parameters["out_dir"] == str(first.folder)


def test_executed_notebook_has_the_parameters_a_page_and_results(tmp_path, capsys):
    source = "import json, pathlib, sys\n"
    source += "pathlib.Path(out_dir, 'results.json').write_text(json.dumps([seed, levels]))\n"
    source += "print(sys.executable, profile)"
    path = notebook(tmp_path / "01_example.ipynb", source)
    before = path.read_bytes()
    done = execute(path, {"seed": "7", "levels": "[5]"}, "smoke", tmp_path / "out")
    assert json.loads((done.notebook.parent / "results.json").read_text()) == [7, [5]]
    output = nbformat.read(done.notebook, as_version=4).cells[-1].outputs[0].text
    import sys

    assert output.split() == [sys.executable, "smoke"]
    page = done.html.read_text()
    assert "A title" in page
    assert "<math" in page
    assert "01_example: 3 of 3" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_braces_in_a_path_are_just_characters(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb", "print(seed)")
    done = execute(path, {"seed": 7}, out=tmp_path / "{seed} and {")
    assert done.notebook.is_relative_to(tmp_path / "{seed} and {")
    assert nbformat.read(done.notebook, as_version=4).cells[-1].outputs[0].text == "7\n"


def test_failed_notebook_is_kept_with_its_page_and_named(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb", "print('so far')", "1 / 0", "print('never')")
    with pytest.raises(NotebookError, match=r"In \[4\].*ZeroDivisionError.*01_example\.ipynb"):
        execute(path, out=tmp_path / "out")
    (kept,) = (tmp_path / "out").rglob("*.ipynb")
    text = kept.read_text()
    assert "so far" in text
    assert "ZeroDivisionError" in text
    assert kept.with_suffix(".html").exists()


def test_dead_kernel_is_a_failure_with_a_name(tmp_path):
    path = notebook(tmp_path / "01_example.ipynb", "import os; os._exit(9)")
    with pytest.raises(NotebookError, match="its kernel died"):
        execute(path, out=tmp_path / "out")
