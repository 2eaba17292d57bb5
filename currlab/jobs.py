"""Which notebooks to execute, with which parameters, and into which folders.

Everything that can be wrong is found here, before a kernel starts.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import nbformat

from currlab.errors import CurrlabError
from currlab.parameters import check_parameters, read_parameters, whole_numbers
from currlab.runs import package_versions


@dataclass(frozen=True)
class Job:
    """A notebook with checked parameters and the folder that its results go to.

    `parameters` are those that were given, in the notebook's types, and `out_dir`; `told` are all
    that the notebook has, with its own defaults, as its results tell them.
    """

    notebook: Path
    parameters: Mapping[str, Any]
    told: Mapping[str, Any]
    folder: Path

    @property
    def results(self) -> Path:
        """The notebook's own results and how they were made."""
        return self.folder / "results.json"

    @property
    def own_results(self) -> Path:
        """Where the notebook itself writes its results."""
        return self.folder / self.parameters["out_dir"] / "results.json"

    def path(self, suffix: str) -> Path:
        """A file of this notebook in its folder, such as that with the suffix ".html"."""
        return self.folder / f"{self.notebook.stem}{suffix}"

    @cached_property
    def source(self) -> dict[str, Any]:
        """What decides the results: equal sources need no second execution."""
        cells = nbformat.read(self.notebook, as_version=4).cells
        text = json.dumps([[cell.cell_type, cell.source] for cell in cells])
        return {
            "notebook": self.notebook.name,
            "notebook_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "package_sha256": _package_hash(),
            "parameters": json.loads(json.dumps(dict(self.told))),
            "versions": package_versions(),
        }


def notebooks_folder() -> Path:
    """Where the project's notebooks are: beside the package, or below the current folder."""
    places = [Path(__file__).parents[1] / "notebooks", Path.cwd() / "notebooks"]
    for place in places:
        if any(place.glob("*.ipynb")):
            return place
    raise CurrlabError(
        "No notebooks found; run the command in a checkout of the project, or name a notebook "
        "by its path."
    )


def find_notebook(name: str) -> Path:
    """A notebook by path, by its number ("00") or by the start of its name.

    >>> find_notebook("00").name
    '00_start_here.ipynb'
    """
    if name.endswith(".ipynb"):
        if not Path(name).is_file():
            raise CurrlabError(f"There is no notebook '{name}'.")
        return Path(name).resolve()
    known = sorted(notebooks_folder().glob("*.ipynb"))
    matching = [path for path in known if name and path.name.startswith(name)]
    if len(matching) != 1:
        trouble = "Several notebooks start with" if matching else "There is no notebook"
        names = ", ".join(path.stem for path in matching or known)
        raise CurrlabError(f"{trouble} '{name}'; name one of {names}, or a path.")
    return matching[0]


def prepare(
    notebook: str | Path,
    parameters: Mapping[str, Any],
    profile: str | None = None,
    out: str | Path = "runs",
) -> Job:
    """Check everything that can be checked before a kernel starts; nothing is written but folders.

    The results go to a folder below `out` that is named after the notebook and the parameters, so
    that runs with other parameters do not mix.
    """
    path = find_notebook(str(notebook))
    given = dict(parameters) if profile is None else {**parameters, "profile": profile}
    known = read_parameters(path)
    typed = check_parameters(path, known, given)
    folder = writable_folder(Path(out).resolve()) / _folder_name(path, typed)
    told = {name: parameter.default for name, parameter in known.items()} | typed
    if "out_dir" in typed:
        typed["out_dir"] = told["out_dir"] = str(writable_folder(Path(typed["out_dir"]).resolve()))
    else:
        # Notebooks run in their folder; results that name no other place can be moved and sent.
        typed["out_dir"] = "."
        told.pop("out_dir", None)
    return Job(path, typed, told, folder)


def _folder_name(notebook: Path, parameters: Mapping[str, Any]) -> str:
    """The notebook's name, the profile, and what else was given; other values, another name."""
    others = {k: v for k, v in sorted(parameters.items()) if k not in ("profile", "out_dir")}
    parts = [notebook.stem, *([parameters["profile"]] if "profile" in parameters else [])]
    plain = "-".join([*parts, *(f"{name}={value}" for name, value in others.items())])
    readable = re.sub(r"[^\w.=-]+", "_", plain)[:100].rstrip("_")
    if readable == plain:
        return plain
    # What was replaced or cut off might be all that tells two sets of parameters apart.
    return f"{readable}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"


def writable_folder(folder: Path) -> Path:
    """`folder`, made if it is not there; CurrlabError if files cannot be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{uuid4().hex}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CurrlabError(
            f"Cannot write to the output folder '{folder}' ({error.strerror}); name a folder that "
            "you may write to."
        ) from error
    return folder


def make_jobs(
    notebooks: Sequence[str],
    parameters: Mapping[str, Any],
    profile: str | None = None,
    seeds: str | None = None,
    out: str | Path = "runs",
) -> list[Job]:
    """A job for every notebook and seed, seed by seed: a stopped batch has whole sets.

    `seeds` is written like ``0-4`` or ``0,3``. CurrlabError also for two jobs that would write to
    the same folder.
    """
    if seeds is not None and "seed" in parameters:
        raise CurrlabError("Give either --seeds or -p seed, not both.")
    varied = [{}] if seeds is None else [{"seed": s} for s in whole_numbers(seeds, "seeds")]
    jobs: dict[Path, Job] = {}
    for seed in varied:
        for notebook in notebooks:
            job = prepare(notebook, {**parameters, **seed}, profile, out)
            other = jobs.setdefault(job.folder, job)
            if other.notebook != job.notebook:
                raise CurrlabError(
                    f"'{other.notebook}' and '{job.notebook}' have one name and would share a "
                    "folder; give each a folder of its own with --out."
                )
    if len(jobs) > 1 and "out_dir" in parameters:
        raise CurrlabError(
            "With several executions, -p out_dir would mix their results; use --out instead."
        )
    return list(jobs.values())


@lru_cache
def _package_hash() -> str:
    """A hash of every file of the package: code, weights, data and shipped results."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        name = path.relative_to(package)
        # Hidden files and those of editors decide nothing.
        if path.is_file() and path.suffix != ".pyc" and not re.search(r"(^|/)\.|~$", str(name)):
            digest.update(f"{name}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
