"""The cockpit: buttons and dials that ask, pictures that look; the training never waits for it."""

from __future__ import annotations

import asyncio
import html
import time

import ipywidgets as widgets

from currlab.curricula.core import DIALS
from currlab.lab.dials import DialBox
from currlab.lab.mixture import MixtureSlider
from currlab.lab.panels import PANELS
from currlab.lab.records import Snapshot
from currlab.lab.session import Session
from currlab.lab.views import PanelView, log_html, status_html, where_kept

SECONDS_BETWEEN_LOOKS = 0.35
# Drawing holds the interpreter, so it gets a small share of the time while a model trains.
SHARE_FOR_DRAWING = 0.05
CSS = """<style>
.currlab-cockpit{border:1px solid var(--jp-border-color2,#ccc);border-radius:8px;padding:10px;gap:6px}
.currlab-cockpit .widget-html-content{line-height:1.4}
.currlab-cockpit h4{margin:4px 0 0;font-size:13px;font-weight:600}
.currlab-cockpit progress{display:block;width:100%;height:8px;margin:4px 0}
.currlab-cockpit .chip{color:#fff;border-radius:10px;padding:2px 10px;font-weight:600;margin-right:10px}
.currlab-cockpit .trouble{color:var(--jp-error-color1,#A33D00);font-weight:600}
.currlab-cockpit dl{margin:4px 0;font-size:12px}
.currlab-cockpit dt,.currlab-cockpit dd{float:none;width:auto;display:block;padding:0}
.currlab-cockpit dt{font-weight:600}.currlab-cockpit dd{margin:0 0 4px 12px}
.currlab-cockpit table{font-size:11px;border-collapse:collapse}
.currlab-cockpit td,.currlab-cockpit th{padding:1px 6px;text-align:right}
.currlab-cockpit summary{cursor:pointer}
.currlab-cockpit small{font-size:12px;color:var(--jp-ui-font-color2,#555)}
.currlab-cockpit :focus-visible{outline:2px solid #0072B2;outline-offset:2px}
</style>"""


class Cockpit:
    """All widgets of a session. `widget` is shown; `follow` keeps it up to date."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.status, self.log = widgets.HTML(), widgets.HTML()
        self._complaint, self._failure, self._start = "", "", session.snapshot().recipe
        self._place = f"<small>{html.escape(where_kept(session))}</small>"
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
        left = widgets.VBox([*main, more, self.log], layout=widgets.Layout(flex="1 1 240px"))
        wrap = {"display": "flex", "flex_flow": "row wrap", "align_items": "flex-start"}
        columns = "repeat(auto-fit, minmax(min(100%, 250px), 1fr))"
        right = widgets.GridBox(
            [view.widget for view in self.views],
            layout=widgets.Layout(
                flex="3 1 520px", grid_template_columns=columns, grid_gap="8px 12px", min_width="0"
            ),
        )
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
            self._failure = f"This view has failed: {type(error).__name__}: {error}"
            self._show_status(self.session.snapshot())
            raise

    def refresh(self, snapshot: Snapshot) -> float:
        """Renew the words, and the pictures that are out of date; seconds that took, 0 if none was."""
        self._show_status(snapshot)
        self.mixture.show(snapshot)
        stale = [view for view in self.views if view.version != snapshot.version]
        if not stale or not snapshot.steps:
            return 0.0
        started = time.perf_counter()
        for view in stale:
            view.show(snapshot)
        return time.perf_counter() - started

    def _show_status(self, snapshot: Snapshot) -> None:
        trouble = self._failure or self._complaint or snapshot.refused or snapshot.error
        self.status.value = status_html(snapshot, self.session.trainer.config.steps, trouble)
        self.log.value = log_html(snapshot.steering, self._start) + self._place
        paused = snapshot.state == "paused"
        self.buttons["pause"].description = "Go on" if paused else "Pause"
        self.buttons["pause"].icon = "play" if paused else "pause"
        for button in self.buttons.values():
            button.disabled = self.session.done
