"""What must never be in the project: machine paths, pickles, evaluated text, outputs, large files."""

import ast
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
TOP = {
    "README.md",
    "environment.yml",
    "pyproject.toml",
    "Makefile",
    "LICENSE",
    "notebooks",
    "binder",
    "currlab",
    "tests",
}
# Put together here, so that this file passes its own test.
PLACES = [f"/{name}/" for name in ("work", "tmp", "root", "opt", "home")]
PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib", ".npy"}
OPTIONAL = {"vllm", "peft", "deepspeed", "liger_kernel", "bitsandbytes", "reasoning_gym"}
UNPICKLERS = {"pickle", "dill", "cloudpickle", "shelve", "marshal"}
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def tracked():
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout: which files belong to the project cannot be told")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def trees():
    for path in [*(ROOT / "currlab").rglob("*.py"), *(ROOT / ".ci").glob("*.py")]:
        yield path, ast.parse(path.read_text())


def test_top_level_is_the_designed_one(tracked):
    top = {path.relative_to(ROOT).parts[0] for path in tracked}
    assert {name for name in top if not name.startswith(".")} <= TOP


def test_no_path_of_any_machine(tracked):
    for path in tracked:
        if path.suffix != ".safetensors":
            text = path.read_bytes()
            assert not [place for place in PLACES if place.encode() in text], path


def test_no_pickles_and_no_large_files(tracked):
    for path in tracked:
        assert path.suffix not in PICKLES, path
        assert path.stat().st_size < 5_000_000, path


def test_nothing_has_the_name_of_an_optional_package(tracked):
    for path in tracked:
        assert not OPTIONAL & {*path.relative_to(ROOT).parts[:-1], path.stem}, path


def test_nothing_is_unpickled_or_evaluated():
    for path, tree in trees():
        for node in ast.walk(tree):
            where = f"{path}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & UNPICKLERS, where
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert called not in {"eval", "exec", "compile", "yaml.load", "joblib.load"}, where
                assert called != "torch.load" or keywords.get("weights_only") == "True", where
                assert keywords.get("trust_remote_code", "False") == "False", where
                assert keywords.get("shell", "False") == "False", where


def test_no_global_random_state():
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"random.seed", "np.random.seed", "numpy.random.seed"}, path


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stripped(path):
    sys.path.insert(0, str(ROOT / ".ci"))
    try:
        from strip_notebooks import stripped
    finally:
        sys.path.pop(0)
    text = path.read_text()
    assert nbformat.reads(text, 4) == nbformat.reads(stripped(text), 4), "run: make format"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_cells_have_ids_of_their_own(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert max(Counter(cell.id for cell in notebook.cells).values()) == 1


def test_strip_check_names_a_notebook_with_outputs_and_strip_cleans_it(tmp_path):
    output = nbformat.v4.new_output("stream", text="7")
    cell = nbformat.v4.new_code_cell("7", outputs=[output], execution_count=3)
    cell.metadata = nbformat.from_dict({"tags": ["parameters"], "papermill": {"duration": 1}})
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {}, "currlab": {"a": 1}})
    path = tmp_path / "x.ipynb"
    nbformat.write(notebook, path)
    script = [sys.executable, ROOT / ".ci/strip_notebooks.py"]
    before = path.read_bytes()
    checked = subprocess.run([*script, "--check", path], capture_output=True, text=True)
    assert checked.returncode == 1
    assert "x.ipynb" in checked.stdout
    assert path.read_bytes() == before
    subprocess.run([*script, path], check=True)
    clean = nbformat.read(path, 4)
    assert clean.cells[0].outputs == []
    assert clean.cells[0].execution_count is None
    assert clean.cells[0].metadata == {"tags": ["parameters"]}
    assert clean.cells[0].id == cell.id
    assert set(clean.metadata) == {"currlab", "kernelspec", "language_info"}
    assert subprocess.run([*script, "--check", path]).returncode == 0
