"""Every notebook: what it must hold, solutions that pass their checks, and its cases executed.

`make test` executes each notebook in its first settings, `make test-all` in all of them. The
executed cases assert on results.json: what the text claims must be visible in the numbers. The
assertions are in `notebook_claims/notebook_NN.py`, a function `claims(case, results)` each.
"""

import ast
import importlib
import json
import re
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest

from currlab import exercises
from currlab.execute import execute
from currlab.parameters import read_parameters
from currlab.profiles import PROFILES

FOLDER = Path(__file__).parents[1] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
LINE = re.compile(r"\w+: [\w\[\], |]+ = .+  # [^=]+")
CHECK = re.compile(r'exercises\.check\("(\w+)"')
FENCED = re.compile(r"<summary>Solution</summary>.*?```python\n(.*?)```.*?</details>", re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
LONGEST_CELL = 30

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])


def cells(path, kind=None):
    every = nbformat.read(path, as_version=4).cells
    return [cell for cell in every if kind in (None, cell.cell_type)]


def header(path):
    return nbformat.read(path, as_version=4).metadata


def test_there_are_notebooks_with_numbers_of_their_own():
    numbers = [path.name[:2] for path in PATHS]
    assert len(set(numbers)) == len(numbers) >= 6


# ---------------------------------------------------------------- what every notebook has


@each_notebook
def test_title_cell_has_objectives_prerequisites_papers_and_a_glossary(path):
    title = cells(path)[0]
    assert title.cell_type == "markdown"
    assert title.source.startswith(f"# {path.name[:2]} · ")
    assert len(re.findall(r"^- ", title.source, re.MULTILINE)) >= 3, "three objectives"
    assert re.search(r"\*\*(Before this|You need)", title.source)
    assert "**Papers**" in title.source
    assert re.search(r"\b\d{4}\.\d{5}\b", title.source), "an arXiv id"
    assert "GLOSSARY.md" in title.source


@each_notebook
def test_the_title_s_time_and_memory_are_the_measured_ones(path):
    measured = header(path).currlab.measured
    told = [line for line in cells(path)[0].source.splitlines() if "**Time and memory**" in line]
    assert len(told) == 1
    for profile, numbers in measured.items():
        assert profile in PROFILES
        assert numbers.seconds > 0
        assert numbers.peak_mb > 0
        assert f"{profile}: {numbers.seconds:.0f} s, {numbers.peak_mb:.0f} MB" in told[0]
        assert f"measured {max(n.date for n in measured.values())}" in told[0]
    assert set(measured) >= {"smoke", "cpu"}


@each_notebook
def test_parameters_cell_says_what_everything_means(path):
    tagged = [cell for cell in cells(path) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert all(LINE.fullmatch(line) for line in tagged[0].source.splitlines())
    known = read_parameters(path)
    assert list(known)[:3] == ["profile", "seed", "out_dir"]
    assert known["profile"].default == "cpu"
    assert known["out_dir"].default == f"runs/{path.name[:2]}"


@each_notebook
def test_cases_are_different_settings_of_known_parameters(path):
    known, cases = read_parameters(path), header(path).currlab.cases
    assert len(cases) >= 2
    assert len({json.dumps(case, sort_keys=True) for case in cases}) == len(cases)
    assert all(set(case) <= set(known) - {"profile", "out_dir"} for case in cases)


@each_notebook
def test_ids_carry_the_notebook_s_number_and_the_kernel_is_python3(path):
    number = path.name[:2]
    assert all(re.fullmatch(rf"{number}-\d\d-[a-z0-9-]+", cell.id) for cell in cells(path))
    assert header(path).kernelspec.name == "python3"


# Drawn with sliders, or typed where it is not a share for each of some labels.
PREDICTIONS = ("prediction = lab.predict(", "prediction = None")


@each_notebook
def test_the_learner_predicts_before_the_run_and_sees_the_prediction_drawn(path):
    sources = [cell.source for cell in cells(path)]
    at = next(i for i, source in enumerate(sources) if source.startswith(PREDICTIONS))
    assert any("**Predict" in source for source in sources[:at])
    drawn = [source for source in sources[at + 1 :] if re.search(r"\bprediction\b", source)]
    assert any("plots." in source or "your prediction" in source for source in drawn)


@each_notebook
def test_code_cells_are_short_and_use_nothing_that_hangs_or_installs(path):
    for cell in cells(path, "code"):
        assert len(cell.source.splitlines()) <= LONGEST_CELL, cell.id
        for banned in ("pyplot", "widgets.Output", "pip install", "%matplotlib", "eval(", "exec("):
            assert banned not in cell.source.replace(".eval(", ""), (cell.id, banned)
        ast.parse(cell.source)


@each_notebook
def test_recap_and_results_come_last(path):
    *_, recap, last = cells(path)
    assert any(cell.source.startswith("## Recap") for cell in cells(path)[-4:]), recap.id
    assert last.cell_type == "code"
    assert "write_json_atomic(" in last.source
    assert "results.json" in last.source


@each_notebook
def test_links_lead_somewhere(path):
    for cell in cells(path, "markdown"):
        for target in LINK.findall(cell.source):
            if not target.startswith("http"):
                assert (FOLDER / target).exists(), (cell.id, target)


# ---------------------------------------------------------------- exercises


def exercises_of(path):
    """(name, source of the learner's cell, source of the folded solution) of every exercise."""
    every, found = cells(path), []
    for i, cell in enumerate(every):
        if cell.cell_type == "code" and (name := CHECK.search(cell.source)):
            after = [c.source for c in every[i + 1 :] if FENCED.search(c.source)]
            found.append((name.group(1), cell.source, FENCED.search(after[0]).group(1)))
    return found


@each_notebook
def test_every_notebook_has_two_to_four_exercises_with_hints(path):
    assert 2 <= len(exercises_of(path)) <= 4
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    assert text.count("<summary>Hint</summary>") >= 2


EXERCISES = [(path.name[:2], *found) for path in PATHS for found in exercises_of(path)]


@pytest.mark.parametrize(("number", "name", "stub", "solution"), EXERCISES)
def test_solutions_pass_their_check_and_stubs_wait_to_be_written(
    number, name, stub, solution, capsys
):
    """Runs the project's own solutions, as a learner would who pastes them into the cell."""
    assert f"def {name}(" in stub
    space = {"exercises": exercises}
    exec(compile(stub, f"{number}-{name}", "exec"), space)
    assert "not written yet" in capsys.readouterr().out
    exec(compile(solution, f"{number}-{name}", "exec"), space)
    assert exercises.check(name, space[name]), capsys.readouterr().out


def test_every_exercise_of_the_package_is_used_in_a_notebook():
    assert sorted(name for _, name, _, _ in EXERCISES) == exercises.exercise_names()


# ---------------------------------------------------------------- executed


CLAIMS = {
    path.stem[-2:]: importlib.import_module(f"notebook_claims.{path.stem}").claims
    for path in sorted((Path(__file__).parent / "notebook_claims").glob("notebook_*.py"))
}
CASES = [
    pytest.param(path, i, id=f"{path.name[:2]}-{i}", marks=[pytest.mark.second] if i else [])
    for path in PATHS
    for i in range(len(header(path).currlab.cases))
]


def test_every_notebook_s_claims_are_checked():
    assert set(CLAIMS) == {path.name[:2] for path in PATHS}


@pytest.mark.notebook
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("path", "number"), CASES)
def test_notebook_runs_in_profile_smoke_and_shows_what_it_claims(path, number, tmp_path):
    case = dict(header(path).currlab.cases[number])
    if case.get("task", "").startswith("gym:") and find_spec("reasoning_gym") is None:
        pytest.skip("reasoning-gym is not installed (extra 'gym')")
    done = execute(path, case, profile="smoke", out=tmp_path)
    # Runs that the notebook keeps have files of that name, too, in folders below.
    found = done.notebook.with_name("results.json")
    CLAIMS[path.name[:2]](case, json.loads(found.read_text()))
    assert_page_is_whole(done.html.read_text(encoding="utf-8"))
    assert 'alt="' in done.html.read_text(encoding="utf-8")


def assert_page_is_whole(page):
    """Every figure is inside the page and has alt text; nothing is loaded from elsewhere."""
    images = re.findall(r"<img [^>]*>", page)
    assert images
    for image in images:
        assert re.search(r'alt="[^"]+"', image), image[:200]
        assert re.search(r'src="data:image/(png|svg\+xml);base64,', image), image[:200]
