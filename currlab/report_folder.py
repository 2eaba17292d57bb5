"""A folder of runs, executed notebooks and studies as one page that can be sent to somebody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from currlab import __version__
from currlab.page import note, page, table, text
from currlab.progress import progress
from currlab.report_compare import comparisons, run_table
from currlab.report_entries import Broken, Found, FoundNotebook, FoundRun, FoundStudy
from currlab.report_notebooks import (
    findings,
    notebook_section,
    notebook_table,
    said,
    source_name,
)
from currlab.report_run import run_body
from currlab.report_studies import study_section

MOST_RUNS = 12  # with a section of their own
MOST_BYTES = 30_000_000  # of the notebooks on a page
Kind = TypeVar("Kind", bound=Found)


class FolderPage:
    """The parts of the page in their order; what fails while it is drawn joins the `broken`."""

    def __init__(self, roots: Sequence[Path], found: Sequence[Found]) -> None:
        self.title = "Report on " + ", ".join(root.resolve().name for root in roots)
        self.studies = _of(FoundStudy, found)
        runs = _of(FoundRun, found)
        places = {study.runs for study in self.studies}
        self.runs = [run for run in runs if places.isdisjoint(run.path.parents)]
        self.in_studies = len(runs) - len(self.runs)
        self.notebooks = _of(FoundNotebook, found)
        self.broken = _of(Broken, found)
        # Where the section of an entry is, by the entry's name.
        self.links: dict[str, str] = {}

    def whole(self) -> str:
        # The summary is made last: it links to the other parts and names what could not be drawn.
        parts = {
            "Studies": self._study_parts,
            "Curves of comparable runs": lambda: self._drawn("curves", comparisons, self.runs),
            "What the notebooks found": lambda: self._drawn("numbers", findings, self.notebooks),
            "Runs": self._run_parts,
            "Notebooks": self._notebook_parts,
        }
        contents: dict[str, list[str]] = {}
        with progress("report", len(parts)) as advance:
            for done, (title, make) in enumerate(parts.items(), start=1):
                contents[title] = make()
                advance(done)
        sections = {"Summary": self._summary(), **contents}
        sections = {title: content for title, content in sections.items() if content}
        listed = "".join(f'<li><a href="#{_anchor(t)}">{t}</a></li>' for t in sections)
        written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        head = [
            f'<a class="skip" href="#{_anchor("Summary")}">Skip to the summary</a>',
            f"<h1>{text(self.title)}</h1>",
            note(f"Written {written} by currlab {__version__}."),
            f'<nav aria-label="Contents"><ul>{listed}</ul></nav>',
        ]
        for title, content in sections.items():
            head += [f'<h2 id="{_anchor(title)}">{title}</h2>', *content]
        return page(self.title, "\n".join(head))

    def _drawn(self, kind: str, draw: Callable[..., str | list[str]], *what: Any) -> list[str]:
        """What `draw` makes of it; numbers that nobody foresaw must not cost the other parts."""
        try:
            parts = draw(*what)
        except Exception as error:
            first = what[0]
            name, path = (first.name, first.path) if isinstance(first, Found) else (kind, Path())
            why = f"It cannot be drawn ({type(error).__name__}: {error})."
            self.broken.append(Broken(name, path, kind, why))
            return []
        return [parts] if isinstance(parts, str) else parts

    # ------------------------------------------------------------ parts

    def _summary(self) -> list[str]:
        tables: list[str] = []
        if self.notebooks:
            tables += self._drawn("table", notebook_table, self.notebooks, self.links)
        if self.runs:
            tables += self._drawn("table", run_table, self.runs, self.links)
        words = [f"<p>{text(self._counts())}</p>"]
        if self.broken:
            rows = [[b.name, b.kind, "failed", b.why] for b in self.broken]
            frame = pd.DataFrame(rows, columns=["name", "kind", "status", "why"])
            words.append(table(frame, "What could not be read"))
        return [*words, *tables]

    def _counts(self) -> str:
        words = [
            _counted("notebook", (n.status for n in self.notebooks)),
            _counted("run", ("finished" if r.finished else "not finished" for r in self.runs)),
        ]
        if self.studies:
            words.append(f"results of {', '.join(study.name for study in self.studies)}")
        if self.in_studies:
            words.append(f"{self.in_studies} runs of studies, which are not listed one by one")
        if self.broken:
            words.append(f"{len(self.broken)} that could not be read")
        return "; ".join(filter(None, words)) + "."

    def _study_parts(self) -> list[str]:
        parts: list[str] = []
        for study in self.studies:
            drawn = self._drawn("study", study_section, study)
            parts += [f"<h3>{text(study.name)}</h3>", *drawn] if drawn else []
        return parts

    def _run_parts(self) -> list[str]:
        parts = []
        for number, run in enumerate(self.runs[:MOST_RUNS], start=1):
            drawn = self._drawn("run", lambda run: run_body(run, level=4, brief=True), run)
            parts += self._entry(f"run-{number}", run, run.name, "", drawn)
        left = len(self.runs) - MOST_RUNS
        if left > 0:
            parts.append(
                note(
                    f"{left} more runs are in the tables only; currlab report with the folder of "
                    "one writes a page on it."
                )
            )
        return parts

    def _notebook_parts(self) -> list[str]:
        shown = self._chosen()
        anchors = {one.name: f"notebook-{number}" for number, one in enumerate(shown, start=1)}
        # Links from one notebook to another lead to the first execution of it.
        inside = {source_name(one): f"#{anchors[one.name]}" for one in reversed(shown)}
        parts = []
        for one in shown:
            drawn = self._drawn("notebook", notebook_section, one, inside)
            parts += self._entry(anchors[one.name], one, one.title, said(one), drawn)
        left = [one.name for one in self.notebooks if one.name not in anchors]
        if left:
            words = "Not on this page, because it would be too long or they were not executed"
            parts.append(note(f"{words}: {', '.join(left)}."))
        return parts

    def _chosen(self) -> list[FoundNotebook]:
        """The notebooks that fit on the page, in their order: every one once before any twice."""
        seen: dict[str, int] = {}
        ranks: dict[str, int] = {}
        for one in self.notebooks:
            ranks[one.name] = seen[source_name(one)] = seen.get(source_name(one), 0) + 1
        total, chosen = 0, set()
        for one in sorted(self.notebooks, key=lambda one: ranks[one.name]):
            total += one.path.stat().st_size
            if total <= MOST_BYTES and one.status != "not executed":
                chosen.add(one.name)
        return [one for one in self.notebooks if one.name in chosen]

    def _entry(
        self, anchor: str, entry: Found, title: str, words: str, content: Sequence[str]
    ) -> list[str]:
        """A folded part with a heading, which the tables link to; nothing without content."""
        if not content:
            return []
        self.links[entry.name] = f"#{anchor}"
        return [
            f'<details class="entry"><summary><h3>{text(title)}</h3> '
            f'<span class="note">{text(words)}</span></summary>',
            # Browsers open the fold for a link to something inside it.
            f'<div id="{anchor}">',
            *content,
            "</div></details>",
        ]


def _of(kind: type[Kind], found: Sequence[Found]) -> list[Kind]:
    return [entry for entry in found if isinstance(entry, kind)]


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _counted(noun: str, states: Iterable[str]) -> str:
    """How many there are in every state: ``3 notebooks: 2 finished, 1 failed``."""
    counts = pd.Series(list(states), dtype=object).value_counts(sort=False)
    if counts.empty:
        return ""
    total = int(counts.sum())
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{total} {noun}{'s' if total > 1 else ''}: {told}"
