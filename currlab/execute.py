"""Execute a notebook headlessly with parameters; leave it behind with a page and its results.

A folder holds one notebook under one set of parameters: NAME.ipynb, NAME.html and results.json,
which also says how they were made. They are replaced only when an execution has come to its end:
until then it is NAME.unfinished.ipynb, and one in which a cell raised is kept as NAME.failed.ipynb.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import papermill
from filelock import FileLock, Timeout
from nbclient.exceptions import DeadKernelError

from currlab.errors import CurrlabError
from currlab.files import read_json, write_atomic, write_json_atomic
from currlab.jobs import Job, prepare, writable_folder
from currlab.notebook_html import notebook_page
from currlab.progress import progress

FAILED, UNFINISHED = ".failed.ipynb", ".unfinished.ipynb"


@dataclass(frozen=True)
class Executed:
    """Where an executed notebook lies, its HTML page, and the seconds it took."""

    notebook: Path
    html: Path
    seconds: float


class NotebookError(RuntimeError):
    """A cell raised. The message names it and the notebook that is kept with its outputs."""


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


def done_before(job: Job) -> Executed | None:
    """The results of the same notebook, parameters, package and versions, if they are there."""
    told = finished_execution(job.results)
    if told is None or any(told.get(key) != value for key, value in job.source.items()):
        return None
    if not job.path(".ipynb").exists():
        return None
    return Executed(job.path(".ipynb"), job.path(".html"), float(told.get("seconds", 0)))


def finished_execution(results: Path) -> dict[str, Any] | None:
    """How the results in this file were made; None if no execution has finished there."""
    try:
        data = read_json(results)
    except CurrlabError:
        # Missing or damaged, it keeps nothing from being executed.
        return None
    told = data.get("execution") if isinstance(data, dict) else None
    return told if isinstance(told, dict) and told.get("status") == "finished" else None


def run_job(job: Job, label: str | None = None) -> Executed:
    """Execute a prepared notebook; a failed one is kept and has its page, too."""
    with _only_writer(writable_folder(job.folder)):
        before, started = _stamp(job), time.monotonic()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        told = {"status": "finished", "started": now, **job.source}
        failure = _papermill(job, label or job.folder.name)
        told["seconds"] = round(time.monotonic() - started, 1)
        # A file from an earlier execution is not this one's.
        results = {} if _stamp(job) in (None, before) else read_json(job.own_results)
        results = results if isinstance(results, dict) else {"results": results}
        if failure is not None:
            told |= {"status": "failed", "error": _sentence(failure, job)}
            _keep(job, FAILED, told)
            if finished_execution(job.results) is None:
                write_json_atomic(job.results, {**results, "execution": told})
            raise NotebookError(
                f"{told['error']} It is kept with its output: {job.path(FAILED)}"
            ) from failure
        _keep(job, ".ipynb", told)
        # Written last: it says that the rest is whole.
        write_json_atomic(job.results, {**results, "execution": told})
        for outdated in (job.path(FAILED), job.path(FAILED).with_suffix(".html")):
            outdated.unlink(missing_ok=True)
        return Executed(job.path(".ipynb"), job.path(".html"), told["seconds"])


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise CurrlabError(
            f"Another process is executing a notebook in '{folder}'; wait for it."
        ) from error


def _stamp(job: Job) -> tuple[int, int] | None:
    """Tells whether the notebook has written its results.json since."""
    path = job.own_results
    if not path.exists():
        return None
    return path.stat().st_mtime_ns, path.stat().st_ino


def _papermill(job: Job, label: str) -> Exception | None:
    """Execute into the unfinished notebook, saved after every cell; gives why a cell failed."""
    cells = [c for c in nbformat.read(job.notebook, as_version=4).cells if c.cell_type == "code"]
    # papermill adds a cell with the injected parameters.
    with progress(label, len(cells) + 1) as advance:
        done = iter(range(1, len(cells) + 2))
        try:
            papermill.execute_notebook(
                _literal(job.notebook),
                _literal(job.path(UNFINISHED)),
                parameters=dict(job.parameters),
                kernel_name="python3",
                language="python",
                cwd=job.folder,
                progress_bar=False,
                # Without it the kernel warns of its transport on every start, and logs a traceback
                # of its own when Ctrl-C ends it.
                extra_arguments=["--IPKernelApp.log_level=50"],
                on_cell_executed=lambda **_: advance(next(done)),
            )
        except (papermill.PapermillExecutionError, DeadKernelError) as error:
            return error
    return None


def _literal(path: Path) -> str:
    """The path as papermill must get it: it fills parameters into braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _keep(job: Job, suffix: str, told: Mapping[str, Any]) -> None:
    """Put the executed notebook and its page in place, each whole."""
    notebook = nbformat.read(job.path(UNFINISHED), as_version=4)
    notebook.metadata["currlab"] = {**notebook.metadata.get("currlab", {}), "execution": told}
    page = notebook_page(notebook).encode(errors="replace")
    write_atomic(job.path(suffix).with_suffix(".html"), page)
    write_atomic(job.path(suffix), nbformat.writes(notebook).encode(errors="replace"))
    job.path(UNFINISHED).unlink()


def _sentence(failure: BaseException, job: Job) -> str:
    """What went wrong; a cell's own words are cut, and cannot write to the terminal."""
    if isinstance(failure, papermill.PapermillExecutionError):
        what = f"failed at In [{failure.exec_count}] with {failure.ename}: {failure.evalue}"
    else:
        what = "stopped because its kernel died"
    printable = "".join(c if c.isprintable() else " " for c in what)
    text = " ".join(printable.split())[:500].rstrip(".")
    return f"Notebook '{job.notebook.name}' {text}."
