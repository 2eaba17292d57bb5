"""The atlas as text: tables for the terminal, a paper on a page, the README's table of strategies."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from currlab.atlas import (
    AXES,
    CLASSES,
    FAMILIES,
    NEEDS,
    STATES,
    Cover,
    Paper,
    all_covers,
    all_papers,
    count,
    cover_of,
)
from currlab.curricula import strategy_names
from currlab.curricula.core import DIALS
from currlab.curricula.registry import describe

BEGIN = "<!-- strategies: written by `make readme` -->"
END = "<!-- end of strategies -->"


def columns(rows: Sequence[Sequence[object]]) -> str:
    """Rows of cells as aligned columns; the last column is as long as it likes.

    >>> print(columns([("a", "long", "x"), ("bbb", "c", "y")]))
    a    long  x
    bbb  c     y
    """
    if not rows:
        return ""
    widths = [max(len(str(cell)) for cell in column) for column in zip(*rows, strict=True)]
    widths[-1] = 0
    lines = ["  ".join(str(c).ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def paper_table(papers: Sequence[Paper]) -> str:
    """Papers as a table, and below it how many there are in each state."""
    head = ("no.", "paper", "year", "class", "dials", "state", "strategies")
    rows = [
        (
            paper.number,
            paper.name,
            paper.year or "-",
            paper.paper_class,
            "+".join(paper.dials),
            paper.state + (" (in part)" if paper.missing else ""),
            ", ".join(cover.name for cover in paper.covers) or "-",
        )
        for paper in papers
    ]
    counts = ", ".join(f"{n} {state}" for state, n in count(papers, "state").items() if n)
    return f"{columns([head, *rows])}\n\n{len(papers)} papers: {counts or 'none'}"


def paper_rows(paper: Paper) -> list[tuple[str, object]]:
    """Everything the atlas knows of one paper, as (label, words)."""
    rows = [
        ("title", paper.title),
        ("year", paper.year or "not known here"),
        ("arXiv", paper.arxiv or "number not known here"),
        ("class", f"{paper.paper_class}: {CLASSES[paper.paper_class]}"),
        ("families", "; ".join(f"{f} {FAMILIES[f]}" for f in paper.families)),
        ("dials", ", ".join(paper.dials)),
        ("axis", ", ".join(paper.axis)),
        ("needs", "; ".join(f"{need} ({NEEDS[need]})" for need in paper.needs) or "nothing"),
        ("idea", paper.idea),
        (
            "claim",
            f"{paper.claim} (the authors' own)" if paper.claim else "no number in the source",
        ),
        ("state", paper.state),
        *[("covered by", f"{c.name}: {c.title} ({c.state})") for c in paper.covers],
    ]
    if paper.missing:
        rows.append(("not here", paper.missing))
    if paper.state == "documented":
        rows.append(("reason", paper.uncovered))
    return rows


def paper_page(paper: Paper) -> str:
    """One paper whole, for the terminal."""
    lines = [f"{paper.number} {paper.name}"]
    for label, words in paper_rows(paper):
        indent = {"initial_indent": f"{label:<12}", "subsequent_indent": " " * 12}
        lines += textwrap.wrap(str(words), 100, **indent)
    return "\n".join(lines + [f"{'code':<12}{line}" for line in paper.code.splitlines()])


def strategy_table() -> str:
    """All registered strategies: name, dials, state and title."""
    rows = [(c.name, "+".join(c.dials), c.state, c.title) for c in map(cover_of, strategy_names())]
    return columns([("strategy", "dials", "state", "title"), *rows])


def strategy_page(name: str) -> str:
    """One strategy: dials, family, papers with their titles, parameters with bounds."""
    about = describe(name)
    lines = [f"{name}: {about['title']}", f"turns {'+'.join(about['dials'])} ({about['state']})"]
    if about["family"]:
        lines.append(f"family {about['family']}, {FAMILIES[about['family']]}")
    papers = papers_of(cover_of(name))
    lines += ["", "Papers:" if papers else "No paper of the atlas."]
    lines += [f"  {paper.number} {paper.name}: {paper.title}" for paper in papers]
    lines += ["", "Parameters:" if about["parameters"] else "No parameters."]
    for knob in about["parameters"]:
        paper = "" if knob["paper"] is None else f"; the paper has {knob['paper']!r}"
        lines.append(
            f"  {knob['name']} = {knob['default']!r}, {_allowed(knob)}: {knob['help']}{paper}"
        )
    return "\n".join(lines)


def _allowed(knob: Mapping[str, Any]) -> str:
    """What a parameter may be, in words."""
    if knob["low"] is not None:
        return f"{knob['low']} to {knob['high']}"
    return "one of " + ", ".join(map(repr, knob["choices"] or (False, True)))


def papers_of(cover: Cover) -> list[Paper]:
    """The papers that a strategy names, in its own order."""
    by_name = {paper.name: paper for paper in all_papers()}
    return [by_name[name] for name in cover.papers if name in by_name]


def readme_table() -> str:
    """The strategies by dial, as Markdown: name, title, papers, state."""
    lines = ["| dial | strategy | what it does | papers | state |", "|---|---|---|---|---|"]
    order = {dial: i for i, dial in enumerate(DIALS)}
    for cover in sorted(all_covers(), key=lambda c: ([order[d] for d in c.dials], c.name)):
        papers = ", ".join(_linked(paper) for paper in papers_of(cover)) or "–"
        cells = ("+".join(cover.dials), f"`{cover.name}`", cover.title, papers, cover.state)
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    totals = count(all_papers(), "state")
    said = ", ".join(f"{totals[state]} {state}" for state in STATES)
    lines += ["", f"Of the {len(all_papers())} papers of the atlas: {said}."]
    return "\n".join(lines)


def _linked(paper: Paper) -> str:
    return f"[{paper.name}](https://arxiv.org/abs/{paper.arxiv})" if paper.arxiv else paper.name


def fill_readme(text: str) -> str:
    """A README's text with the table between its two marks made anew; ValueError without marks."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"the README has no table between '{BEGIN}' and '{END}'")
    return f"{before}{BEGIN}\n{readme_table()}\n{END}{after}"


# ---------------------------------------------------------------- what must hold


def inconsistencies(papers: Sequence[Paper]) -> list[str]:
    """What is wrong with the atlas and the registry together, one sentence each; none if all is well."""
    names = [paper.name for paper in papers]
    wrong = [
        f"Two papers are called '{n}'." for n in sorted({n for n in names if names.count(n) > 1})
    ]
    if [paper.number for paper in papers] != list(range(1, len(papers) + 1)):
        wrong.append("The papers are not numbered 1, 2, 3 and so on.")
    for cover in all_covers():
        wrong += [
            f"'{cover.name}' names '{name}', which the atlas does not have."
            for name in cover.papers
            if name not in names
        ]
        if cover.state not in STATES[:3]:
            wrong.append(f"'{cover.name}' has the unknown state '{cover.state}'.")
    for paper in papers:
        wrong += [f"{paper.name}: {sentence}" for sentence in _wrong_with(paper)]
    return wrong


def _wrong_with(paper: Paper) -> list[str]:
    known = {
        "dial": (paper.dials, (*DIALS, "none")),
        "need": (paper.needs, NEEDS),
        "axis": (paper.axis, AXES),
        "family": (paper.families, FAMILIES),
        "class": ((paper.paper_class,), CLASSES),
    }
    wrong = [
        f"unknown {facet} '{value}'."
        for facet, (values, allowed) in known.items()
        for value in values
        if value not in allowed
    ]
    wrong += [f"no {facet}." for facet in ("dial", "axis", "family") if not known[facet][0]]
    covers = paper.covers
    if covers and paper.uncovered:
        wrong.append(f"covered by '{covers[0].name}' and yet marked: {paper.uncovered}")
    if not covers and not paper.uncovered:
        wrong.append("neither a strategy, nor a reason, nor 'not yet'.")
    if paper.missing and not covers:
        wrong.append("says what is missing, but nothing covers it.")
    wrong += [
        f"turns {', '.join(paper.dials)}, but '{cover.name}' turns {', '.join(cover.dials)}."
        for cover in covers
        if not set(cover.dials) & set(paper.dials)
    ]
    return wrong
