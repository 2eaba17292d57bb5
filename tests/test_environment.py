"""One list of dependencies: the conda files, the constraints and the imports agree with it."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Names under which packages are imported, where they are not the packages' own.
IMPORTED_AS = {"PIL": "pillow", "yaml": "pyyaml", "IPython": "ipython"}


def conda(path):
    """The Python range and the list for pip of a conda file."""
    entries = yaml.safe_load((ROOT / path).read_text())["dependencies"]
    (python,) = [e for e in entries if isinstance(e, str) and e.startswith("python")]
    (pip,) = [e["pip"] for e in entries if isinstance(e, dict)]
    return python.removeprefix("python"), pip


@pytest.mark.parametrize("path", ["environment.yml", "binder/environment.yml"])
def test_conda_files_mirror_the_list(path):
    _, pip = conda(path)
    assert [line for line in pip if not line.startswith("-")] == PROJECT["dependencies"]


def test_conda_files_allow_only_supported_pythons():
    assert conda("environment.yml")[0] == PROJECT["requires-python"]
    python = conda("binder/environment.yml")[0].removeprefix("=")
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)


def test_binder_takes_torch_without_cuda_and_adds_the_package_afterwards():
    _, pip = conda("binder/environment.yml")
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in pip
    assert "pip install --no-cache-dir --no-deps ." in (ROOT / "binder/postBuild").read_text()


@pytest.mark.parametrize("path", ["binder/postBuild", "binder/start", ".ci/run"])
def test_scripts_are_executable_and_parse(path):
    assert os.access(ROOT / path, os.X_OK)
    assert (ROOT / path).read_text().startswith("#!")
    subprocess.run(["bash", "-n", ROOT / path], check=True)


def constraints():
    lines = (ROOT / ".ci/constraints.txt").read_text().split()
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def test_constraints_are_exact_and_name_no_place():
    for requirement in constraints().values():
        assert requirement.url is None
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier)), requirement


@pytest.mark.parametrize("extra", ["", "cluster", "gym", "test"])
def test_constraints_freeze_what_the_list_allows(extra):
    extras = PROJECT["optional-dependencies"]
    frozen = constraints()
    for line in extras[extra] if extra else PROJECT["dependencies"]:
        wanted = Requirement(line)
        exact = next(iter(frozen[canonicalize_name(wanted.name)].specifier)).version
        assert wanted.specifier.contains(exact), wanted


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


def test_everything_imported_is_declared():
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    lines = PROJECT["dependencies"] + extras
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    # ipykernel brings IPython; the two are released together.
    known = declared | {"currlab", "ipython"} | set(sys.stdlib_module_names)
    for path in (ROOT / "currlab").rglob("*.py"):
        for name in imports(path):
            package = IMPORTED_AS.get(name, name)
            assert canonicalize_name(package) in known or package in known, f"{path}: {name}"


@pytest.mark.parametrize("target", ["lab", "report", "test", "study", "format"])
def test_makefile_targets_start_with_the_set_up(target):
    """Nothing is run here: make only says what it would do on a fresh machine."""
    command = ["make", "-n", "-B", target, "TORCH_INDEX=https://example.invalid"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    steps = done.stdout
    torch = next(d for d in PROJECT["dependencies"] if d.startswith("torch=="))
    assert steps.index("-m venv .venv") < steps.index(torch) < steps.index("-e .")
    assert "example.invalid" in steps


def test_makefile_without_an_index_takes_pypi():
    command = ["make", "-n", "-B", "lab", "TORCH_INDEX="]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert 'test -z ""' in done.stdout
