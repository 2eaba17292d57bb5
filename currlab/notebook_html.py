"""An executed notebook as HTML that needs no script and no network: formulas become MathML."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

import nbformat
from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from currlab.page import clean, page, pairs

# What can be shown without a script, the richest first.
SHOWN = (
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/latex",
    "text/plain",
)
WIDGET = "application/vnd.jupyter.widget-view+json"
LONGEST_OUTPUT = 200_000  # characters, pictures not counted
FOLDED = """{% extends "index.html.j2" %}
{% block in_prompt %}{% endblock %}
{% block input %}<details class="code"><summary>Code
{%- if cell.execution_count %} of In [{{ cell.execution_count }}]{% endif %}</summary>
{{ super() }}</details>{% endblock %}
"""
LINK = re.compile(r'<a\b[^>]*?href="([^"]*)"[^>]*>')
DATA = re.compile(r"data:image/[^\"']+")


def notebook_page(notebook: nbformat.NotebookNode) -> str:
    """An executed notebook as one page. Widgets are left out: drawing them needs scripts."""
    return page(title_of(notebook), notebook_body(notebook) + how_it_was_made(notebook, 2))


def title_of(notebook: nbformat.NotebookNode) -> str:
    lines = [line for cell in notebook.cells[:5] for line in cell.source.splitlines()]
    headings = [line.lstrip("# ") for line in lines if line.startswith("# ")]
    return headings[0] if headings else "Notebook"


def execution_of(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """How `currlab run` made the notebook, as it noted there; empty for others."""
    told = notebook.metadata.get("currlab", {})
    told = told.get("execution", {}) if isinstance(told, dict) else {}
    return dict(told) if isinstance(told, dict) else {}


def how_it_was_made(notebook: nbformat.NotebookNode, level: int) -> str:
    """Parameters, versions and the time it took, as tables; empty if the notebook does not say."""
    told = execution_of(notebook)
    parts = [
        pairs(told[name], name[:-1], f"{name.capitalize()} of this execution")
        for name in ("parameters", "versions")
        if isinstance(told.get(name), dict)
    ]
    names = {"status": "status", "started": "started", "seconds": "seconds"}
    names |= {"notebook_sha256": "hash of the notebook", "package_sha256": "hash of the package"}
    facts = {title: told[name] for name, title in names.items() if name in told}
    if facts:
        parts.append(pairs(facts, "fact", "The execution"))
    return f"<h{level}>How this was made</h{level}>{''.join(parts)}" if parts else ""


def notebook_body(
    notebook: nbformat.NotebookNode,
    shift: int = 0,
    folded: bool = False,
    inside: Mapping[str, str] | None = None,
) -> str:
    """The cells as HTML, with headings `shift` levels lower and, if `folded`, the code folded.

    `inside` says where on the page other notebooks are, by file name; links to files that a
    reader of the page has not got become plain text.
    """
    shown = nbformat.from_dict(notebook)
    shown.metadata.pop("widgets", None)
    figures = 0
    for cell in shown.cells:
        cell.source = _short(cell.source)
        if cell.cell_type == "code":
            cell.outputs = [out for out in map(_shown, cell.outputs) if out is not None]
            for out in cell.outputs:
                figures += _describe(out, figures + 1)
    exporter = _OfflineExporter(template_name="basic")
    if folded:
        exporter.raw_template = FOLDED
    body, _ = exporter.from_notebook_node(shown)
    body = LINK.sub(lambda found: _link(found[1], inside or {}), clean(body))
    return re.sub(r"<(/?)h([1-6])>", lambda m: f"<{m[1]}h{min(6, int(m[2]) + shift)}>", body)


def _shown(output: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    """The output as far as a page without scripts can show it; None if it cannot."""
    if output.output_type == "stream":
        output.text = _short(output.text)
    elif output.output_type == "error":
        output.traceback = [_short(line) for line in output.traceback]
    else:
        kinds = [kind for kind in SHOWN if kind in output.data]
        if not kinds or WIDGET in output.data:
            return None
        content = output.data[kinds[0]]
        if kinds[0].startswith("text/"):
            length = len(DATA.sub("", content))
            if length > LONGEST_OUTPUT:
                kinds = ["text/plain"]
                content = f"(An output of {length:,} characters is left out.)"
        # The exporter leaves formulas among outputs as they are typed; those of prose it converts.
        kind = "text/markdown" if kinds[0] == "text/latex" else kinds[0]
        output.data = nbformat.from_dict({kind: content})
        output.metadata = {k: v for k, v in output.metadata.items() if k.startswith("image/")}
    return output


def _short(text: str) -> str:
    if len(text) <= LONGEST_OUTPUT:
        return text
    return f"{text[:LONGEST_OUTPUT]}\n… ({len(text):,} characters)"


def _describe(output: nbformat.NotebookNode, number: int) -> bool:
    """Give a bare picture the only words there are for it; says whether it was one."""
    kinds = [kind for kind in output.get("data", {}) if kind.startswith("image/")]
    for kind in kinds:
        told = dict(output.metadata.get(kind, {}))
        told.setdefault("alt", f"Figure {number} of the notebook, without a description")
        output.metadata = nbformat.from_dict({kind: told})
    return bool(kinds)


def _link(target: str, inside: Mapping[str, str]) -> str:
    """An opening tag: to the web, to a place on this page, or to nowhere."""
    if target.startswith(("https://", "http://", "mailto:")):
        return f'<a href="{target}" rel="noreferrer">'
    name = target.split("#")[0]
    return f'<a href="{inside[name]}">' if name in inside else "<a>"


class _MathRenderer(IPythonRenderer):
    """Formulas as MathML, which browsers draw by themselves; headings without links to them."""

    def heading(self, text: str, level: int, **_: Any) -> str:
        return f"<h{level}>{text}</h{level}>\n"

    def inline_math(self, body: str) -> str:
        return _mathml(body, "inline")

    def block_math(self, body: str) -> str:
        return _mathml(body, "block")

    def latex_environment(self, name: str, body: str) -> str:
        return _mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")


def _mathml(tex: str, display: str) -> str:
    try:
        # The converter knows `aligned` by its older name.
        return convert(tex.replace("{aligned}", "{split}"), display=display)
    except Exception:  # its errors have no common base; the reader then sees the formula as typed
        return f"<code>{html.escape(tex)}</code>"


class _OfflineExporter(HTMLExporter):
    """nbconvert's plainest template, which asks for nothing from the network."""

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        renderer = _MathRenderer(escape=False, anchor_link_text="")
        return MarkdownWithMath(renderer=renderer).render(source)
