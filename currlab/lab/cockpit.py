"""The cockpit: buttons and dials that ask, pictures that look; the training never waits for it."""

from __future__ import annotations

import asyncio
import html
import time
from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets

from currlab.curricula.core import DIALS
from currlab.figures import to_html
from currlab.lab.dials import DialBox
from currlab.lab.mixture import mixture
from currlab.lab.panels import PANELS, Panel
from currlab.lab.records import Snapshot
from currlab.lab.session import Session

SECONDS_BETWEEN_LOOKS = 0.35
# Drawing holds the interpreter, so it gets a small share of the time while a model trains.
SHARE_FOR_DRAWING = 0.05
STATES = {
    "ready": ("○", "#555555"),
    "running": ("▶", "#0072B2"),
    "paused": ("❚❚", "#9A6700"),
    "finished": ("✔", "#00664C"),
    "stopped": ("■", "#555555"),
    "failed": ("✖", "#A33D00"),
}
CSS = """<style>
.currlab-cockpit{border:1px solid var(--jp-border-color2,#ccc);border-radius:8px;padding:10px;gap:8px}
.currlab-cockpit h4{margin:4px 0 0;font-size:13px;font-weight:600}
.currlab-cockpit progress{width:100%;height:8px}
.currlab-cockpit .chip{color:#fff;border-radius:10px;padding:1px 10px;font-weight:600;margin-right:10px}
.currlab-cockpit .trouble{color:#A33D00;font-weight:600}
.currlab-cockpit dl{margin:4px 8px;line-height:1.35;font-size:12px}
.currlab-cockpit dt{font-weight:600}.currlab-cockpit dd{margin:0 0 4px 12px}
.currlab-cockpit table{font-size:11px;border-collapse:collapse}
.currlab-cockpit td,.currlab-cockpit th{padding:1px 6px;text-align:right}
.currlab-cockpit .numbers{max-height:220px;overflow:auto}
.currlab-cockpit summary{cursor:pointer}
.currlab-cockpit :focus-visible{outline:2px solid #0072B2;outline-offset:2px}
</style>"""


class Cockpit:
    """All widgets of a session. `widget` is shown; `follow` keeps it up to date."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.status, self.log = widgets.HTML(), widgets.HTML()
        self._complaint = ""
        self.views = [PanelView(panel) for panel in PANELS]
        self.mixture = MixtureSlider(session)
        self.dials = {dial: DialBox(session, dial, self._complain) for dial in DIALS}
        self.buttons = self._buttons()
        self._task: asyncio.Task[None] | None = None
        self.widget = self._arranged()
        self._show_status(session.snapshot())

    def _buttons(self) -> dict[str, widgets.Button]:
        session = self.session
        told = {
            "pause": ("Pause", "pause", "Wait after this step", self._pause_or_go_on),
            "step": ("One step", "step-forward", "Take one step and pause", session.single_step),
            "stop": ("Stop", "stop", "End the run here, with its results", session.stop),
        }
        buttons = {}
        for name, (label, icon, tooltip, act) in told.items():
            width = widgets.Layout(width="7.5em")
            button = widgets.Button(description=label, icon=icon, tooltip=tooltip, layout=width)
            button.on_click(lambda _, act=act: (act(), self._show_status(session.snapshot())))
            buttons[name] = button
        return buttons

    def _arranged(self) -> widgets.Box:
        main = [widgets.HTML("<h4>Curriculum</h4>"), self.dials["select"].widget]
        main += [
            self.mixture.widget,
            widgets.HTML("<h4>Rollouts</h4>"),
            self.dials["sample"].widget,
        ]
        others = [dial for dial in DIALS if dial not in ("select", "sample")]
        more = widgets.Accordion(
            [widgets.VBox([self.dials[dial].widget for dial in others])],
            titles=("More dials: " + ", ".join(others),),
        )
        left = widgets.VBox([*main, more, self.log], layout=widgets.Layout(flex="1 1 300px"))
        wrap = {"display": "flex", "flex_flow": "row wrap", "align_items": "flex-start"}
        pictures = [view.widget for view in self.views]
        right = widgets.Box(pictures, layout=widgets.Layout(flex="3 1 600px", **wrap))
        top = widgets.Box(
            [widgets.HBox(list(self.buttons.values())), self.status], layout=widgets.Layout(**wrap)
        )
        self.status.layout = widgets.Layout(flex="1 1 320px")
        body = widgets.Box([left, right], layout=widgets.Layout(**wrap))
        whole = widgets.VBox([widgets.HTML(CSS), top, body])
        whole.add_class("currlab-cockpit")
        return whole

    # ------------------------------------------------------------ asking

    def _pause_or_go_on(self) -> None:
        (self.session.resume if self.session.state == "paused" else self.session.pause)()

    def _complain(self, text: str) -> None:
        self._complaint = text
        self._show_status(self.session.snapshot())

    # ------------------------------------------------------------ looking

    def follow(self) -> None:
        """Look at the session now and then from the kernel's own loop, until it has ended."""
        self._task = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        try:
            while True:
                snapshot = self.session.snapshot()
                took = self.refresh(snapshot)
                if took == 0 and self.session.done:
                    return
                rest = took / SHARE_FOR_DRAWING if self.session.state == "running" else 0
                await asyncio.sleep(max(SECONDS_BETWEEN_LOOKS, rest))
        except Exception as error:
            # A task's error is heard by nobody: say it where the learner looks.
            told = html.escape(f"{type(error).__name__}: {error}")
            self.status.value += f'<div class="trouble">This view has failed: {told}</div>'
            raise

    def refresh(self, snapshot: Snapshot) -> float:
        """Renew the words, and one picture that is out of date; seconds that took, 0 if none was."""
        self._show_status(snapshot)
        self.mixture.show(snapshot)
        stale = [view for view in self.views if view.version != snapshot.version]
        if not stale or not snapshot.steps:
            return 0.0
        started = time.perf_counter()
        min(stale, key=lambda view: view.version).show(snapshot)
        return time.perf_counter() - started

    def _show_status(self, snapshot: Snapshot) -> None:
        mark, colour = STATES[snapshot.state]
        left = snapshot.seconds_left
        step = snapshot.steps[-1].step if snapshot.steps else 0
        words = f"step {step} of {self.session.trainer.config.steps} · {snapshot.tokens:,} tokens"
        if left is not None and not self.session.done:
            words += f" · about {left:.0f} s of training left"
        trouble = self._complaint or snapshot.refused or snapshot.error
        self.status.value = (
            f'<div role="status"><span class="chip" style="background:{colour}">{mark} '
            f"{snapshot.state}</span>{words}</div>"
            f'<progress max="1" value="{snapshot.share:.3f}" aria-label="share of the run"></progress>'
            + (f'<div class="trouble">{html.escape(trouble)}</div>' if trouble else "")
        )
        paused, done = snapshot.state == "paused", self.session.done
        self.buttons["pause"].description = "Go on" if paused else "Pause"
        self.buttons["pause"].icon = "play" if paused else "pause"
        for button in self.buttons.values():
            button.disabled = done
        self.log.value = _log(snapshot.steering)


class PanelView:
    """One picture and the table behind it."""

    def __init__(self, panel: Panel) -> None:
        self.panel, self.version = panel, -1
        self.image = widgets.HTML("<i>after the first step</i>")
        self.table = widgets.HTML()
        numbers = widgets.Accordion([self.table], titles=("As a table",))
        parts = [widgets.HTML(f"<h4>{panel.title}</h4>"), self.image, numbers]
        layout = widgets.Layout(flex="1 1 330px", min_width="280px", max_width="560px")
        self.widget = widgets.VBox(parts, layout=layout)

    def show(self, snapshot: Snapshot) -> None:
        self.version = snapshot.version
        table = self.panel.table(snapshot)
        if table.empty:
            self.image.value = "<i>This strategy keeps no numbers.</i>"
            self.table.value = ""
            return
        figure = self.panel.figure(table)
        self.image.value = to_html(figure, self.panel.alt(table))
        self.table.value = f'<div class="numbers">{table.round(3).to_html(na_rep="")}</div>'


class MixtureSlider:
    """The share of hopeless arms among those that can be picked, once they have been measured."""

    def __init__(self, session: Session) -> None:
        self.session, self.split = session, None
        every = session.trainer.config.eval_every
        why = "measuring the levels first …" if every else "needs evaluations (eval_every is 0)"
        self.words = widgets.HTML(f"<small>Hopeless problems: {why}</small>")
        self.widget = widgets.VBox([self.words])

    def show(self, snapshot: Snapshot) -> None:
        """Make the slider when the evaluation before training is there; say what is offered."""
        if self.split is None and (split := mixture(snapshot.evaluations)) is not None:
            self.split = split
            options = [(f"{split.share(n):.0%}", n) for n in split.choices]
            now = min(split.choices, key=lambda n: abs(n - split.count(snapshot.arms)))
            slider = widgets.SelectionSlider(
                options=options,
                value=now,
                description="hopeless",
                continuous_update=False,
                tooltip="Share of arms that the model could not solve before training",
                style={"description_width": "38%"},
                layout=widgets.Layout(width="98%"),
            )
            slider.observe(lambda change: self.session.offer(split.arms(change["new"])), "value")
            self.widget.children = [slider, self.words]
        if self.split is not None:
            hopeless = self.split.count(snapshot.arms)
            self.words.value = (
                f"<small>{len(snapshot.arms)} levels can be picked, {hopeless} of them out of reach "
                "before training. A change starts the curriculum anew.</small>"
            )


def _log(steering: tuple[Mapping[str, Any], ...]) -> str:
    """What was changed, newest first."""
    rows = "".join(
        f"<dt>after step {line['step']}</dt><dd>{html.escape(_words(line))}</dd>"
        for line in reversed(steering[-8:])
    )
    return f"<h4>Your changes: {len(steering)}</h4><dl>{rows}</dl>"


def _words(line: Mapping[str, Any]) -> str:
    if line["change"] == "stop":
        return "stopped"
    if line["change"] == "arms":
        return f"{len(line['arms'])} levels can be picked"
    numbers = ", ".join(f"{name} {value}" for name, value in line["parameters"].items())
    return f"{line['dial']}: {line['strategy']}{f' ({numbers})' if numbers else ''}"
