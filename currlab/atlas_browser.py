"""The atlas as widgets: filter the papers, read one, and run its recipe while you go on reading.

One daemon thread trains. Widget callbacks only start it and ask it to stop; the figure is drawn on
the kernel's own loop, from what the thread has logged so far.
"""

from __future__ import annotations

import asyncio
import html
from threading import Event, Thread
from typing import Any

import ipywidgets as widgets

from currlab import figures
from currlab.atlas import FILTERS, Paper, search_papers
from currlab.atlas_runs import example_figure, example_trainer, study_rows
from currlab.atlas_tables import paper_rows
from currlab.training.config import TrainingConfig

REFRESH_SECONDS = 0.4
ANY = "any"


class _StopError(Exception):
    """Raised inside the training loop to leave it between two steps."""


class ExampleRun:
    """One paper's example run in a thread of its own; `progress()` may be asked at any time."""

    def __init__(self, paper: Paper, seed: int, steps: int) -> None:
        self.paper, self.steps = paper, steps
        self.evals: list[dict[str, Any]] = []
        self.config: TrainingConfig | None = None
        self.step, self.stopped = 0, False
        self.error: Exception | None = None
        self._ask = Event()
        self._thread = Thread(target=self._work, args=(seed,), daemon=True)
        self._thread.start()

    def _work(self, seed: int) -> None:
        try:
            trainer = example_trainer(self.paper, seed, self.steps)
            self.config, self.evals = trainer.config, trainer.history["eval"]
            trainer.train(progress=False, on_step=self._on_step)
        except _StopError:
            self.stopped = True
        except Exception as error:  # shown to the learner by `progress`, raised by `result`
            self.error = error

    def _on_step(self, metrics: Any) -> None:
        self.step = int(metrics["step"])
        if self._ask.is_set():
            raise _StopError

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Ask the thread to stop after the step it is in, and return at once."""
        self._ask.set()

    def result(self) -> list[dict[str, Any]]:
        """Wait for the end; the evaluations, or the exception that the thread raised."""
        self._thread.join()
        if self.error is not None:
            raise self.error
        return self.evals

    def progress(self) -> str:
        """One plain sentence on where the run stands."""
        name = self.paper.name
        if self.error is not None:
            return f"{name}: failed with {type(self.error).__name__}: {self.error}"
        if self.stopped:
            return f"{name}: stopped after step {self.step} of {self.steps}."
        if not self.alive:
            return f"{name}: finished, {self.steps} steps."
        return (
            f"{name}: step {self.step} of {self.steps}."
            if self.config
            else f"{name}: getting ready."
        )


class AtlasBrowser:
    """Filters, a list, a button with its figure, a page; `display(browser.view)` in a notebook."""

    def __init__(self, seed: int = 0, steps: int = 20) -> None:
        self.seed, self.steps = seed, steps
        self.run: ExampleRun | None = None
        self._drawing: asyncio.Task[None] | None = None
        self.filters = {facet: self._filter(facet) for facet in ("dial", "axis", "need", "state")}
        self.search = widgets.Text(description="words", placeholder="such as bandit")
        self.found = widgets.HTML()
        self.list = widgets.Select(rows=12, layout={"width": "98%"})
        self.page = widgets.HTML()
        self.button = widgets.Button(description="Run it now", button_style="primary")
        self.stop_button = widgets.Button(description="Stop", disabled=True)
        self.status = widgets.HTML()
        self.figure = widgets.HTML()
        self.search.observe(lambda _: self._list_papers(), "value")
        self.list.observe(lambda _: self._show_page(), "value")
        self.button.on_click(lambda _: self.start())
        self.stop_button.on_click(lambda _: self.run and self.run.stop())
        rows = [widgets.HBox([*self.filters.values()]), widgets.HBox([self.search, self.found])]
        rows += [self.list, widgets.HBox([self.button, self.stop_button, self.status])]
        self.view = widgets.VBox([*rows, self.figure, self.page])
        self._list_papers()

    def _filter(self, facet: str) -> widgets.Dropdown:
        box = widgets.Dropdown(options=[ANY, *FILTERS[facet]], description=facet)
        box.observe(lambda _: self._list_papers(), "value")
        return box

    def papers(self) -> list[Paper]:
        """The papers that pass the filters."""
        wanted = {f: None if b.value == ANY else b.value for f, b in self.filters.items()}
        return search_papers(self.search.value, **wanted)

    @property
    def paper(self) -> Paper | None:
        """The paper that is picked."""
        return self.list.value

    def _list_papers(self) -> None:
        found, before = self.papers(), self.paper
        self.found.value = f"{len(found)} paper{'' if len(found) == 1 else 's'}"
        labels = [f"{p.number} · {p.name} · {'+'.join(p.dials)} · {p.state}" for p in found]
        self.list.options = list(zip(labels, found, strict=True))
        # New options leave a Select without a choice.
        self.list.value = before if before in found else next(iter(found), None)
        self._show_page()

    def _show_page(self) -> None:
        paper = self.paper
        self.page.value = paper_html(paper) if paper else "No paper passes these filters."
        self.button.disabled = not (paper and paper.covers)
        self.button.tooltip = "" if paper and paper.covers else "nothing here covers this paper"

    def start(self) -> None:
        """Run the picked paper's recipe; a run that is still going is stopped first."""
        if self.paper is None or not self.paper.covers:
            return
        if self.run is not None:
            self.run.stop()
        self.run = ExampleRun(self.paper, self.seed, self.steps)
        self.stop_button.disabled = False
        if self._drawing is not None:
            self._drawing.cancel()
        self._drawing = asyncio.get_event_loop().create_task(self._draw_until_done(self.run))

    async def _draw_until_done(self, run: ExampleRun) -> None:
        drawn = -1
        while True:
            alive = run.alive
            self.status.value = html.escape(run.progress())
            if run.config and len(run.evals) != drawn:
                drawn = len(run.evals)
                evals = run.evals[:drawn]
                self.figure.value = figures.to_html(example_figure(run.paper, evals, run.config))
            if not alive:
                self.stop_button.disabled = True
                return
            await asyncio.sleep(REFRESH_SECONDS)


def paper_html(paper: Paper) -> str:
    """A paper's page: what the atlas knows, its recipe as code, its rows in the shipped studies."""
    rows = "".join(
        f"<tr><th>{html.escape(label)}</th><td>{html.escape(str(words))}</td></tr>"
        for label, words in paper_rows(paper)
    )
    code = f"<pre>{html.escape(paper.code)}</pre>" if paper.code else ""
    studies = study_rows(paper)
    table = studies.to_html(index=False, float_format="{:.2f}".format) if len(studies) else ""
    said = "In the shipped studies:" if table else "In no shipped study yet."
    name = html.escape(f"{paper.number} · {paper.name}")
    return f"<h3>{name}</h3><table>{rows}</table>{code}<p>{said}</p>{table}"
