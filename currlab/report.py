"""Reports: one self-contained page on a run, an executed notebook, or a folder full of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from currlab.errors import CurrlabError
from currlab.files import write_atomic
from currlab.notebook_html import notebook_page
from currlab.report_entries import Broken, FoundNotebook
from currlab.report_files import find, read_notebook, read_run
from currlab.report_folder import FolderPage
from currlab.report_run import run_page


@dataclass(frozen=True)
class Report:
    """A written page, and what it names as broken."""

    path: Path
    broken: Sequence[Broken]


def write_report(folders: Sequence[Path], out: Path | None = None) -> list[Report]:
    """A page for each folder, in it as report.html; with `out`, one page on all of them.

    CurrlabError if there is nothing to report, or the page cannot be written.
    """
    together = [list(folders)] if out else [[folder] for folder in folders]
    reports = []
    for roots in together:
        whole, broken = report(roots)
        path = out or roots[0] / "report.html"
        try:
            write_atomic(path, whole.encode(errors="replace"))
        except OSError as error:
            raise CurrlabError(f"Cannot write '{path}' ({error.strerror}); use --out.") from error
        reports.append(Report(path, broken))
    return reports


def report(roots: Sequence[Path]) -> tuple[str, Sequence[Broken]]:
    """The page on the folders: of one run, of one executed notebook, or of everything below."""
    for root in roots:
        if not root.is_dir():
            raise CurrlabError(f"There is no folder '{root}'.")
    if len(roots) == 1 and (roots[0] / "config.json").is_file():
        run = read_run(roots[0].resolve().name, roots[0])
        if run is not None:
            return run_page(run), ()
    found = find(roots)
    if not found:
        places = ", ".join(f"'{root}'" for root in roots)
        raise CurrlabError(
            f"{places} holds neither a run (config.json) nor an executed notebook (.ipynb) nor a "
            "study."
        )
    if len(found) == 1 and roots[0] in (found[0].path, found[0].path.parent):
        if isinstance(found[0], FoundNotebook):
            return notebook_page(read_notebook(found[0].path)), ()
        if isinstance(found[0], Broken):
            raise CurrlabError(found[0].why)
    folder = FolderPage(roots, found)
    return folder.whole(), folder.broken
