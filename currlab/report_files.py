"""What a folder holds that can be reported: runs, executed notebooks, studies; and what is broken.

Whoever wrote the files is not trusted: what cannot be read becomes a `Broken` entry that says why,
and never keeps the rest from being reported.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd

from currlab.errors import CurrlabError
from currlab.files import read_json
from currlab.notebook_html import execution_of, title_of
from currlab.plots import KINDS
from currlab.report_entries import (
    LARGEST,
    Broken,
    Found,
    FoundNotebook,
    FoundRun,
    FoundStudy,
    encodable,
    is_number,
)
from currlab.runs import Run
from currlab.study_results import Results

MOST_ENTRIES = 2000
SUFFIXES = {".failed.ipynb": "failed", ".unfinished.ipynb": "not finished", ".ipynb": "finished"}
STUDY = b'{"meta": {"study": '  # how currlab.study.save_results begins
EVALUATED = frozenset({"tokens", "n", *KINDS})
# Folders of models have a config.json, too.
OF_A_MODEL = {"architectures", "model_type", "peft_type"}


def find(roots: Sequence[Path]) -> list[Found]:
    """Everything to report in the folders, in the order of names; links to folders are not followed.

    CurrlabError if there are more than `MOST_ENTRIES`.
    """
    found: list[Found] = []
    names = [root.resolve().name for root in roots]
    for root in roots:
        called = root.resolve().name
        called = encodable(called if names.count(called) == 1 else root.as_posix())
        for entry in _walk(root, called, short=len(roots) == 1):
            found.append(entry)
            if len(found) > MOST_ENTRIES:
                raise CurrlabError(
                    f"There are more than {MOST_ENTRIES} runs and notebooks in '{root}'; report "
                    "on a part of it."
                )
    return found


def _walk(root: Path, called: str, short: bool) -> Iterator[Found]:
    def name(path: Path) -> str:
        inside = encodable(path.relative_to(root).as_posix())
        if inside == ".":
            return called
        return inside if short else f"{called}/{inside}"

    unreadable: list[OSError] = []
    for folder, below, names in os.walk(root, onerror=unreadable.append):
        below[:] = sorted(d for d in below if not d.startswith(".") and d != "checkpoints")
        here = Path(folder)
        files = sorted(n for n in names if not n.startswith(".") and (here / n).is_file())
        if "config.json" in files:
            yield from _attempt(read_run, name(here), here, "run")
        for file in files:
            if file.endswith(".ipynb"):
                yield from _attempt(_read_notebook, name(here / file), here / file, "notebook")
            elif file.endswith(".json") and _begins(here / file, STUDY):
                yield from _attempt(_read_study, name(here / file), here / file, "study")
        alone = not any(file.endswith(".ipynb") or file == "config.json" for file in files)
        if "results.json" in files and alone:
            yield from _attempt(_lost_notebook, name(here), here, "notebook")
    for error in unreadable:
        where = Path(error.filename)
        yield Broken(name(where), where, "folder", f"It cannot be opened: {error.strerror}.")


def _attempt(
    read: Callable[[str, Path], Found | None], name: str, path: Path, kind: str
) -> Iterator[Found]:
    try:
        entry = read(name, path)
    except CurrlabError as error:
        entry = Broken(name, path, kind, encodable(str(error)))
    except Exception as error:
        # Files from anywhere can be wrong in more ways than can be listed.
        why = f"It cannot be read ({type(error).__name__}: {error})."
        entry = Broken(name, path, kind, encodable(why))
    if entry is not None:
        yield entry


def _begins(path: Path, start: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(start)) == start
    except OSError:
        return False  # what cannot be opened does not show that it is a study


# ---------------------------------------------------------------- runs


def read_run(name: str, folder: Path) -> FoundRun | None:
    """A run with everything that a page shows of it; None for the folder of a model.

    CurrlabError says which file is damaged, and where.
    """
    head = read_json(folder / "config.json")
    if isinstance(head, dict) and OF_A_MODEL & head.keys():
        return None
    run = Run(folder)
    if not isinstance(run.config, dict) or not isinstance(run.versions, dict):
        raise CurrlabError(f"'{folder / 'config.json'}' does not hold a run's config and versions.")
    if run.finished:
        read_json(folder / "results.json")
    return FoundRun(
        name,
        folder,
        encodable(run.config),
        encodable(run.versions),
        pd.DataFrame(_records(run, "metrics", {"step"})),
        pd.DataFrame(_records(run, "eval", {"step", "level", "greedy"}, EVALUATED)),
        _records(run, "steering"),
        run.finished,
    )


def _records(
    run: Run, stream: str, needed: Set[str] = frozenset(), if_there: Set[str] = frozenset()
) -> list[dict[str, Any]]:
    """The lines of a log: objects, these of their fields numbers, all of them of a usable size."""
    records = run.records(stream)
    for line, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise CurrlabError(f"Line {line} of '{run.folder / stream}.jsonl' is no object.")
        for name in sorted(needed | (if_there & record.keys())):
            if not is_number(record.get(name)):
                raise CurrlabError(
                    f"Line {line} of '{run.folder / stream}.jsonl' has no number '{name}'."
                )
        if any(isinstance(value, int) and abs(value) > LARGEST for value in record.values()):
            raise CurrlabError(
                f"Line {line} of '{run.folder / stream}.jsonl' has too large a number."
            )
    return encodable(records)


# ---------------------------------------------------------------- notebooks and studies


def _read_notebook(name: str, path: Path) -> FoundNotebook:
    notebook = read_notebook(path)
    status = next(word for suffix, word in SUFFIXES.items() if path.name.endswith(suffix))
    execution = encodable(execution_of(notebook))
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    if any(out.output_type == "error" for out in outputs):
        status = "failed"
    elif not execution and not any(cell.get("execution_count") for cell in notebook.cells):
        status = "not executed"
    results = path.with_name("results.json")
    own = read_json(results) if status == "finished" and results.is_file() else {}
    own = {k: v for k, v in own.items() if k != "execution"} if isinstance(own, dict) else {}
    title = encodable(title_of(notebook))
    return FoundNotebook(_short(name, status), path, title, status, execution, encodable(own))


def _short(name: str, status: str) -> str:
    """``00_start_here-smoke`` for ``00_start_here-smoke/00_start_here.ipynb``: once is enough."""
    folder, _, file = name.rpartition("/")
    if not folder.rpartition("/")[2].startswith(file.split(".")[0]):
        return name
    return folder if file.count(".") == 1 else f"{folder} ({status})"


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """The notebook in a file; CurrlabError if there is none in it."""
    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise CurrlabError(f"'{path}' cannot be read as a notebook.") from error
    return notebook


def _lost_notebook(name: str, folder: Path) -> Broken | None:
    """An execution's results without the notebook that they came from."""
    data = read_json(folder / "results.json")
    told = data.get("execution") if isinstance(data, dict) else None
    if not isinstance(told, dict):
        return None
    lost = str(told.get("notebook"))
    return Broken(name, folder, "notebook", f"Its results are there, but '{lost}' is missing.")


def _read_study(name: str, path: Path) -> FoundStudy:
    data = read_json(path)
    try:
        evals, steps = pd.DataFrame(data["evals"]), pd.DataFrame(data["steps"])
        results, title = Results(evals, steps, data["meta"]), data["meta"]["study"]["name"]
    except (LookupError, TypeError, ValueError) as error:
        raise CurrlabError(f"'{path}' does not hold a study's results.") from error
    return FoundStudy(f"study {title}", path, results, path.parent / str(title))
