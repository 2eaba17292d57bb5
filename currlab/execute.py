"""Execute a notebook headlessly with parameters, and leave the notebook and an HTML page behind."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError

from currlab.errors import CurrlabError
from currlab.parameters import check_parameters, read_parameters
from currlab.progress import progress
from currlab.report import notebook_page


@dataclass(frozen=True)
class Executed:
    """Where an executed notebook lies, its HTML page, and the seconds it took."""

    notebook: Path
    html: Path
    seconds: float


@dataclass(frozen=True)
class Job:
    """A notebook with checked parameters and the folder that its results go to."""

    notebook: Path
    parameters: Mapping[str, Any]
    folder: Path


class NotebookError(RuntimeError):
    """A cell raised. The message names it and the notebook that is kept with its outputs."""


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
    typed = check_parameters(path, read_parameters(path), given)
    folder = writable_folder(Path(out).resolve() / _folder_name(path, typed))
    out_dir = typed.get("out_dir", folder)
    return Job(path, {**typed, "out_dir": str(writable_folder(Path(out_dir).resolve()))}, folder)


def _folder_name(notebook: Path, parameters: Mapping[str, Any]) -> str:
    told = [str(parameters[k]) if k == "profile" else f"{k}={parameters[k]}" for k in parameters]
    name = "-".join([notebook.stem, *(part for part in told if not part.startswith("out_dir="))])
    return re.sub(r"[^\w.=-]+", "_", name)[:120]


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


def execute(
    notebook: str | Path,
    parameters: Mapping[str, Any] | None = None,
    profile: str | None = None,
    out: str | Path = "runs",
) -> Executed:
    """Execute a notebook in a fresh kernel of this Python; its own defaults fill what is not given.

    Raises CurrlabError before anything runs if a parameter is unknown, of the wrong type, or the
    folder cannot be written; NotebookError if a cell raises.
    """
    return run_job(prepare(notebook, parameters or {}, profile, out))


def run_job(job: Job) -> Executed:
    """Execute a prepared notebook; a failed one is kept and has its page, too."""
    target = job.folder / job.notebook.name
    page = target.with_suffix(".html")
    started = time.monotonic()
    failure: BaseException | None = None
    cells = [c for c in nbformat.read(job.notebook, as_version=4).cells if c.cell_type == "code"]
    # papermill adds a cell with the injected parameters.
    with progress(job.notebook.stem, len(cells) + 1) as advance:
        done = iter(range(1, len(cells) + 2))
        try:
            papermill.execute_notebook(
                _literal(job.notebook),
                _literal(target),
                parameters=dict(job.parameters),
                kernel_name="python3",
                language="python",
                cwd=job.folder,
                progress_bar=False,
                # Without it the kernel warns of its transport on every start.
                extra_arguments=["--IPKernelApp.log_level=40"],
                on_cell_executed=lambda **_: advance(next(done)),
            )
        except (papermill.PapermillExecutionError, DeadKernelError) as error:
            failure = error
    page.write_text(notebook_page(nbformat.read(target, as_version=4)), encoding="utf-8")
    if failure is not None:
        raise NotebookError(_failure_sentence(failure, job, target)) from failure
    return Executed(target, page, time.monotonic() - started)


def _literal(path: Path) -> str:
    """The path as papermill must get it: it fills parameters into braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _failure_sentence(failure: BaseException, job: Job, target: Path) -> str:
    if isinstance(failure, papermill.PapermillExecutionError):
        what = f"failed at In [{failure.exec_count}] with {failure.ename}: {failure.evalue}"
    else:
        what = "stopped because its kernel died"
    return f"Notebook '{job.notebook.name}' {what}. It is kept with its output: {target}"
