"""The microscope: from the map of a run down to single completions, coloured by advantage."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
from IPython.display import HTML, display
from matplotlib import colormaps
from matplotlib.colors import to_hex
from transformers import PreTrainedTokenizerFast

from currlab.errors import CurrlabError
from currlab.lab.controls import drive
from currlab.lab.groups import VALUES, Record, Tokenize, cells, group_html, group_table, overview
from currlab.lab.live_cell import somebody_can_steer
from currlab.models import build_tokenizer
from currlab.runs import Run

GROUPS_LISTED = 200
CSS = """<style>
.currlab-microscope .widget-gridbox .jupyter-button{padding:0;margin:1px;min-width:0;height:24px;font-size:11px;width:auto}
.currlab-microscope .head{font-size:11px;text-align:center;line-height:24px}
.currlab-microscope .widget-html-content{line-height:1.5}
.currlab-microscope small{font-size:12px;color:var(--jp-ui-font-color2,#555)}
.currlab-microscope table{border-collapse:collapse;font-size:12px}
.currlab-microscope td,.currlab-microscope th{padding:2px 8px;text-align:right;vertical-align:top}
.currlab-microscope .text{text-align:left}
.currlab-microscope td.text{white-space:pre-wrap;overflow-wrap:anywhere;font-family:monospace}
.currlab-microscope td.text span{color:#000;border-radius:2px;box-shadow:inset 0 0 0 .5px #0004}
.currlab-microscope :focus-visible{outline:2px solid #0072B2;outline-offset:1px}
</style>"""


class Microscope:
    """All widgets: the map, the groups of the cell that was clicked, the group that was chosen."""

    def __init__(self, read: Callable[[], Sequence[Record]], tokenize: Tokenize) -> None:
        self._read, self._tokenize = read, tokenize
        self.value = widgets.ToggleButtons(
            options=VALUES, tooltips=[f"Show the share of: {value}" for value in VALUES]
        )
        self.again = widgets.Button(
            description="Look again", icon="refresh", tooltip="Read the run anew, while it trains"
        )
        self.map = widgets.GridBox()
        self.groups = widgets.Select(
            rows=7, description="groups", layout=widgets.Layout(width="98%"), disabled=True
        )
        self.detail, self.trouble = widgets.HTML("<i>Click a cell of the map.</i>"), widgets.HTML()
        self.value.observe(lambda _: self._paint(), "value")
        self.groups.observe(lambda change: self._show_group(change["new"]), "value")
        self.again.on_click(lambda _: self.look())
        top = widgets.Box([self.value, self.again], layout=widgets.Layout(flex_flow="row wrap"))
        told = widgets.HTML("<small>Numbers are %, light is much. Grey: nothing was asked.</small>")
        parts = [widgets.HTML(CSS), top, told, self.trouble, self.map, self.groups, self.detail]
        self.widget = widgets.VBox(parts)
        self.widget.add_class("currlab-microscope")
        self.buttons: dict[tuple[str, int], widgets.Button] = {}
        self.look()

    def look(self) -> None:
        """Read the groups that there are now, and lay out the map."""
        try:
            self.records = list(self._read())
            self.table = group_table(self.records)
        except CurrlabError as error:
            self.trouble.value = f'<b role="alert">{html.escape(str(error))}</b>'
            return
        self.trouble.value = ""
        numbers = cells(self.table, VALUES[0])
        ends = [int(end) for end in numbers.columns]
        self.buttons = {
            (arm, end): self._cell(arm, end) for arm in reversed(numbers.index) for end in ends
        }
        laid: list[widgets.Widget] = []
        for arm in reversed(numbers.index):
            laid += [_head(html.escape(arm)), *(self.buttons[arm, end] for end in ends)]
        laid += [_head("steps up to"), *(_head(str(end)) for end in ends)]
        columns = f"minmax(70px, max-content) repeat({len(ends)}, minmax(28px, 1fr))"
        self.map.layout = widgets.Layout(grid_template_columns=columns, width="98%")
        self.map.children = laid
        self._paint()

    def _cell(self, arm: str, end: int) -> widgets.Button:
        inside = self.table[(self.table["arm"] == arm) & (self.table["until"] == end)]
        button = widgets.Button(disabled=inside.empty)
        if not inside.empty:
            first, informative = inside["step"].min(), int(inside["informative groups"].sum())
            button.tooltip = (
                f"{arm}, steps {first} to {end}: {len(inside)} groups, pass rate "
                f"{inside['pass rate'].mean():.0%}, {informative} of them informative"
            )
            button.on_click(lambda _: self._list_groups(list(inside.index)))
        return button

    def _paint(self) -> None:
        if not self.buttons:
            return
        numbers, colours = cells(self.table, self.value.value), colormaps["cividis"]
        for (arm, end), button in self.buttons.items():
            share = numbers.loc[arm, end]
            with button.hold_sync():
                button.description = "" if np.isnan(share) else f"{100 * share:.0f}"
                shade = "#dddddd" if np.isnan(share) else to_hex(colours(share))
                dark = not np.isnan(share) and share < 0.5
                button.style = {"button_color": shade, "text_color": "white" if dark else "black"}

    def _list_groups(self, indices: Sequence[int]) -> None:
        options = [
            (
                f"step {record['step']} · {record['prompt']} · "
                f"{sum(record['correct'])} of {len(record['correct'])} right",
                index,
            )
            for index in indices[:GROUPS_LISTED]
            for record in [self.records[index]]
        ]
        more = len(indices) - len(options)
        self.trouble.value = f"The first {GROUPS_LISTED} groups; {more} more." if more else ""
        self.groups.disabled = False
        self.groups.options = options
        self.groups.value = indices[0]

    def _show_group(self, index: int | None) -> None:
        if index is not None:
            self.detail.value = group_html(self.records[index], self._tokenize)


def _head(text: str) -> widgets.HTML:
    return widgets.HTML(f'<div class="head">{text}</div>')


def microscope(source: Any) -> Microscope | None:
    """Look into a run: click a cell of the map, then a group, and read its completions.

    `source` is a trainer, a session of `lab.live`, or a run's folder. Where nobody can click, the
    maps and the group nearest a pass rate of one half are shown.

    >>> lab.microscope(trainer)  # in a notebook  # doctest: +SKIP
    """
    read, tokenize = _reader(getattr(source, "trainer", source))
    if somebody_can_steer():
        shown = Microscope(read, tokenize)
        display(shown.widget)
        return shown
    records = list(read())
    table = group_table(records)
    middle = int((table["pass rate"] - 0.5).abs().to_numpy().argmin())
    one = group_html(records[middle], tokenize)
    display(HTML(f'{CSS}{overview(table)}<div class="currlab-microscope">{one}</div>'))
    return None


def _reader(source: Any) -> tuple[Callable[[], Sequence[Record]], Tokenize]:
    """A function that reads the groups now, and one that cuts a text into tokens."""
    if isinstance(source, str | Path | Run):
        run = source if isinstance(source, Run) else Run(source)
        return lambda: run.records("groups"), _tokenize_as(_tokenizer_of(run))
    if hasattr(source, "journal"):
        source = drive(source)  # TRL's trainer
    if not hasattr(source, "history"):
        raise CurrlabError(
            "The microscope looks at a trainer, a session or the folder of a run; got "
            f"{type(source).__name__}."
        )
    return lambda: list(source.history["groups"]), _tokenize_as(source.tokenizer)


def _tokenizer_of(run: Run) -> Any:
    """The tokenizer beside a run's weights, or that of the shipped models; None if neither is known."""
    found = run.newest_checkpoint()
    if found is not None and (found / "tokenizer.json").exists():
        return PreTrainedTokenizerFast.from_pretrained(found)
    model = run.config.get("training", {}).get("model", "")
    return build_tokenizer() if model.startswith("tiny") else None


def _tokenize_as(tokenizer: Any) -> Tokenize:
    if tokenizer is None:
        return lambda text: [text]

    def tokenize(text: str) -> list[str]:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        return [tokenizer.decode([i]) for i in ids]

    return tokenize
