"""The parts of the cockpit that look: one picture with its table, and the words about the run."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets

from currlab.lab.panels import Panel, table_html
from currlab.lab.records import Snapshot
from currlab.lab.session import Session

STATES = {
    "ready": ("○", "#555555"),
    "running": ("▶", "#0072B2"),
    "paused": ("❚❚", "#9A6700"),
    "finished": ("✔", "#00664C"),
    "stopped": ("■", "#555555"),
    "failed": ("✖", "#A33D00"),
}
CHANGES_SHOWN = 4


class PanelView:
    """One picture, the table behind it, and where there is one the choice of what it shows."""

    def __init__(self, panel: Panel) -> None:
        self.panel, self.version = panel, -1
        self.image = widgets.HTML("<i>after the first step</i>")
        self.table = widgets.HTML(layout=widgets.Layout(display="none"))
        self.open = widgets.ToggleButton(
            description="Table",
            icon="table",
            tooltip=f"{panel.title}: the numbers as a table",
            layout=widgets.Layout(width="auto", height="26px", flex="0 0 auto"),
        )
        self.choice = widgets.Dropdown(
            layout=widgets.Layout(flex="1 1 120px", width="auto", display="none"),
            tooltip="Which of the strategies' numbers",
        )
        self.choice.add_class("choice")
        title = widgets.HTML(f"<h4>{panel.title}</h4>", layout=widgets.Layout(flex="1 1 auto"))
        head = widgets.HBox([title, self.choice, self.open])
        self._last: Snapshot | None = None
        self.open.observe(lambda _: self._again(), "value")
        self.choice.observe(lambda _: self._again(), "value")
        self.widget = widgets.VBox([head, self.image, self.table])

    def show(self, snapshot: Snapshot) -> None:
        self._last, self.version = snapshot, snapshot.version
        self._offer(self.panel.choices(snapshot))
        table = self.panel.table(snapshot, self.choice.value or "")
        self.table.layout.display = "flex" if self.open.value else "none"
        if table.empty:
            self.image.value = "<i>No strategy has kept numbers so far.</i>"
            self.table.value = ""
            return
        figure = self.panel.figure(table, snapshot.changed_at)
        self.image.value = figure.picture.html(figure.words)
        self.table.value = table_html(table) if self.open.value else ""

    def _offer(self, choices: list[str]) -> None:
        """Let the learner choose among these, and keep the choice as long as it is among them."""
        if tuple(choices) != self.choice.options:
            chosen = self.choice.value
            self.choice.options = tuple(choices)
            self.choice.value = chosen if chosen in choices else next(iter(choices), None)
        self.choice.layout.display = "flex" if len(choices) > 1 else "none"

    def _again(self) -> None:
        if self._last is not None:
            self.show(self._last)


def status_html(snapshot: Snapshot, steps: int, trouble: str) -> str:
    """The state, how far the run is, what it has cost, how long it will take, and what went wrong."""
    mark, colour = STATES[snapshot.state]
    done = snapshot.state in ("finished", "stopped", "failed")
    step = snapshot.steps[-1].step if snapshot.steps else 0
    words = f"step {step} of {steps} · {snapshot.tokens:,} tokens"
    if snapshot.seconds_left is not None and not done:
        words += f" · about {time_words(snapshot.seconds_left)} of training left"
    return (
        f'<div role="status"><span class="chip" style="background:{colour}">{mark} '
        f"{snapshot.state}</span>{words}</div>"
        f'<progress max="1" value="{snapshot.share:.3f}" aria-label="share of the run"></progress>'
        + (f'<div class="trouble" role="alert">{html.escape(trouble)}</div>' if trouble else "")
    )


def time_words(seconds: float) -> str:
    """
    >>> time_words(42.3), time_words(600), time_words(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def where_kept(session: Session) -> str:
    """Where the run is on disk, and how it is repeated."""
    run = session.kept or getattr(session.trainer, "run", None)
    if run is None:
        return "This run is not kept on disk."
    return f"Kept in {run.folder}. To repeat it: currlab replay {run.folder}"


def log_html(steering: tuple[Mapping[str, Any], ...], start: Mapping[str, Any]) -> str:
    """What was changed, newest first; `start` is the recipe before the first change."""
    now = {dial: dict(told) for dial, told in start.items()}
    rows = []
    for line in steering:
        before = now[line["dial"]]
        rows.append(
            f"<dt>after step {line['step']}</dt><dd>{html.escape(_words(line, before))}</dd>"
        )
        now[line["dial"]] = {name: line[name] for name in ("strategy", "parameters", "seed")}
    newest = "".join(reversed(rows[-CHANGES_SHOWN:]))
    return f"<h4>Your changes: {len(steering)}</h4><dl>{newest}</dl>"


def _words(line: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    if line["change"] == "stop":
        return "stopped"
    if line["change"] == "arms":
        return f"{len(line['arms'])} levels can be picked"
    numbers = line["parameters"]
    if line["change"] == "parameters":
        old = before["parameters"]
        told = [f"{k} {old[k]} → {v}" for k, v in numbers.items() if v != old.get(k, v)]
        if told:
            return f"{line['strategy']}: {', '.join(told)}"
    told = ", ".join(f"{name} {value}" for name, value in numbers.items())
    return f"{line['dial']}: {line['strategy']}{f' ({told})' if told else ''}"
