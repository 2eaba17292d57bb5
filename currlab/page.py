"""The shell of every HTML page, and text, tables and foreign HTML made safe to put into it.

Pages open offline, in light and dark, and run no script: a content security policy lets the
browser load nothing and execute nothing, so that not even a model's output could do so; all text
is escaped besides.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from functools import lru_cache
from numbers import Number
from typing import Any

import pandas as pd
from nbconvert.preprocessors.sanitize import SanitizeHTML
from pygments.formatters import HtmlFormatter

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
STYLE = """
:root { color-scheme: light dark; --text: #1d1f21; --back: #fff; --soft: #f8f8f6; --line: #c8c8c4;
  --muted: #5b5e61; --link: #0b5cad; --bad: #98150f; --bad-back: #fdecea; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e4e2; --back: #17191c; --soft: #23262a;
  --line: #4a4e54; --muted: #a8acb1; --link: #82bdf5; --bad: #ffb4ab; --bad-back: #431c18; } }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.55 system-ui, sans-serif;
  color: var(--text); background: var(--back); overflow-wrap: break-word; }
a[href] { color: var(--link); }
a.skip { position: absolute; left: -99rem; }
a.skip:focus { position: static; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
h1, h2, h3, h4, h5, h6 { line-height: 1.25; margin: 1.6em 0 .5em; }
h2 { border-bottom: 1px solid var(--line); padding-bottom: .2em; }
h4 { font-size: 1.15rem; } h5 { font-size: 1.05rem; } h6 { font-size: 1rem; }
figure { margin: 1rem 0; }
img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
pre { overflow-x: auto; padding: .6rem .8rem; background: var(--soft); border-radius: 4px;
  white-space: pre-wrap; font-size: .85rem; line-height: 1.45; }
code { font-size: .9em; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .88rem; }
caption { text-align: left; padding-bottom: .3rem; color: var(--muted); }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left;
  vertical-align: top; overflow-wrap: break-word; max-width: 34rem; }
thead th { background: var(--soft); }
tbody th { font-weight: 500; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number, td.short { white-space: nowrap; }
.note, .prompt, figcaption { color: var(--muted); font-size: .88rem; }
.trouble, .output_error pre, .output_stderr pre, .celltag_papermill-error-cell-tag {
  background: var(--bad-back); color: var(--bad); }
.trouble { padding: .6rem 1rem; border-radius: 4px; }
details { margin: .6rem 0; }
details.code { margin: .2rem 0; }
summary { cursor: pointer; }
details.entry { border: 1px solid var(--line); border-radius: 6px; padding: 0 1rem; margin: 1rem 0; }
details.entry > summary { padding: .7rem 0; }
details.entry > summary > h3 { display: inline; margin: 0; font-size: 1.1rem; }
details.entry > div { scroll-margin-top: 4rem; }
details.code > summary, details.more > summary { color: var(--muted); font-size: .85rem; }
@media print { body { max-width: none; } }
"""
MATHML = (
    "math mrow mi mo mn ms mtext mfrac msqrt mroot msub msup msubsup munder mover munderover "
    "mtable mtr mtd mspace mpadded mphantom mstyle menclose mmultiscripts "
)
TAGS = (
    "a b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 "
    "h2 h3 h4 h5 h6 hr i img ins kbd li ol p pre s samp section small span strong sub summary sup "
    "table tbody td tfoot th thead tr tt u ul var"
)
ATTRIBUTES = (
    "class title alt src href colspan rowspan scope width height open role aria-label "
    "xmlns display displaystyle mathvariant stretchy accent accentunder columnalign columnspacing "
    "rowspacing columnlines rowlines linethickness fence form separator lspace rspace minsize "
    "maxsize depth voffset notation scriptlevel symmetric movablelimits style"
)
# No colours: those that were chosen for a white page cannot be read on a dark one.
STYLES = ["text-align", "max-width", "font-weight", "font-style", "white-space"]
IMAGE = re.compile(r'src="(data:image/(?:png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]+)"')
LONGEST_TEXT = 2000
SHORT = 16  # characters of a cell that stay on one line


def page(title: str, body: str) -> str:
    """A whole HTML page; `title` is escaped here, `body` is HTML already."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Browsers would ask the host of a page for an icon.
        '<link rel="icon" href="data:,">'
        f"<title>{text(title)}</title><style>{STYLE}{_code_colours()}</style></head>"
        f'<body><main id="main">\n{body}\n</main></body></html>\n'
    )


@lru_cache
def _code_colours() -> str:
    light, dark = (
        "\n".join(
            line
            for line in HtmlFormatter(style=name).get_style_defs(".highlight").splitlines()
            if line.startswith(".highlight .")
        )
        for name in ("default", "github-dark")
    )
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


# ---------------------------------------------------------------- text and tables


def text(value: Any, most: int = LONGEST_TEXT) -> str:
    """Any value as escaped text, cut where it is too long to read; controls become visible."""
    words = value if isinstance(value, str) else str(value)
    if len(words) > most:
        words = f"{words[:most]}… ({len(words):,} characters)"
    return html.escape("".join(c if c.isprintable() or c in "\n\t" else "�" for c in words))


def table(frame: pd.DataFrame, caption: str, links: Mapping[str, str] | None = None) -> str:
    """The frame as a table whose first column heads its rows; `links` are targets of those heads."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in frame.columns)
    rows = "".join(
        f"<tr>{_head_cell(first, links or {})}{''.join(map(_cell, rest))}</tr>"
        for first, *rest in frame.itertuples(index=False, name=None)
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{text(caption)}">'
        f"<table><caption>{text(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _head_cell(value: Any, links: Mapping[str, str]) -> str:
    inside = text(value)
    if str(value) in links:
        inside = f'<a href="{html.escape(links[str(value)], quote=True)}">{inside}</a>'
    return f'<th scope="row">{inside}</th>'


def _cell(value: Any) -> str:
    if isinstance(value, Number) and not isinstance(value, bool):
        return f'<td class="number">{number(value)}</td>'
    if isinstance(value, str) and len(value) <= SHORT:
        return f'<td class="short">{text(value)}</td>'
    return f"<td>{text(value)}</td>"


def number(value: Any) -> str:
    """A number as a table shows it: whole ones with separators, others to four digits.

    >>> number(98091), number(0.71875), number(float("nan"))
    ('98,091', '0.7188', '–')
    """
    if value != value:
        return "–"
    if 1000 <= abs(value) < 1e15 or (float(value).is_integer() and abs(value) < 1000):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def pairs(values: Mapping[str, Any], name: str, caption: str) -> str:
    """A table with a row for each name and value."""
    frame = pd.DataFrame(
        {name: list(values), "value": pd.Series(list(values.values()), dtype=object)}
    )
    return table(frame, caption)


def folded(title: str, content: str) -> str:
    """Content that most readers pass over, behind a line that opens it."""
    return f'<details class="more"><summary>{text(title)}</summary>{content}</details>'


def note(words: str) -> str:
    """A short paragraph below a figure or a table."""
    return f'<p class="note">{text(words)}</p>'


# ---------------------------------------------------------------- HTML from elsewhere


def clean(fragment: str) -> str:
    """HTML that others wrote, with nothing but harmless, balanced tags; the rest becomes text."""
    # Stylesheets would change the whole page; pictures are no markup, and long.
    fragment = re.sub(r"<style\b.*?</style\s*>", "", fragment, flags=re.DOTALL | re.IGNORECASE)
    pictures: list[str] = []

    def set_aside(found: re.Match[str]) -> str:
        pictures.append(found[1])
        return f'src="#{len(pictures) - 1}"'

    sanitised = _sanitizer().sanitize_html_tags(IMAGE.sub(set_aside, fragment))

    def put_back(found: re.Match[str]) -> str:
        at = found[1].strip("\"'").removeprefix("#")
        known = at.isdigit() and int(at) < len(pictures)
        return f'src="{pictures[int(at)] if known else "data:,"}"'

    return re.sub(r"""\bsrc=("[^"]*"|'[^']*')""", put_back, sanitised)


@lru_cache
def _sanitizer() -> SanitizeHTML:
    known = frozenset(ATTRIBUTES.split())

    def allowed(tag: str, name: str, value: str) -> bool:
        return name in known

    return SanitizeHTML(tags=(MATHML + TAGS).split(), attributes=allowed, styles=STYLES)
