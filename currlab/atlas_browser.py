"""The atlas as widgets: filter the papers, read one, and run its recipe while you go on reading.

A session of the lab trains in a thread of its own. Widget callbacks only start it and ask it to
stop; the figure is drawn on the kernel's loop, from what the session says of itself.
"""

from __future__ import annotations

import asyncio
import html

import ipywidgets as widgets

from currlab import figures
from currlab.atlas import FILTERS, Paper, search_papers
from currlab.atlas_runs import example_figure, example_trainer, study_rows
from currlab.atlas_tables import paper_rows
from currlab.lab.session import Session

REFRESH_SECONDS = 0.4
ANY = "any"


class AtlasBrowser:
    """Filters, a list, a button with its figure, a page; `display(browser.view)` in a notebook."""

    def __init__(self, seed: int = 0, steps: int = 20) -> None:
        self.seed, self.steps = seed, steps
        self.session: Session | None = None
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
        self.stop_button.on_click(lambda _: self.stop())
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
        self.stop()
        if self._drawing is not None:
            self._drawing.cancel()
        self.session, self.figure.value = None, ""
        self.stop_button.disabled = False
        self._drawing = asyncio.get_event_loop().create_task(self._run(self.paper))

    def stop(self) -> None:
        """Stop what is running after the step that it is in; returns at once."""
        if self.session is not None:
            self.session.stop()
        elif self._drawing is not None and not self._drawing.done():
            self._drawing.cancel()
            self.status.value = "Stopped before the first step."
        self.stop_button.disabled = True

    async def _run(self, paper: Paper) -> None:
        """Train, and draw until it is over."""
        self.status.value = html.escape(f"{paper.name}: getting ready.")
        try:
            # Elsewhere, because a warm-up takes seconds and widgets must go on answering.
            trainer = await asyncio.to_thread(example_trainer, paper, self.seed, self.steps)
        except Exception as error:  # nobody sees what a task raises
            self.status.value = html.escape(f"{paper.name}: {error}")
            return
        self.session = Session(trainer)
        self.session.start()
        drawn, over = 0, False
        while not over:
            over = self.session.done  # asked first, so that the last picture is of the end
            shot = self.session.snapshot()
            said = shot.error or f"{shot.state}, {len(shot.steps)} of {self.steps} steps."
            self.status.value = html.escape(f"{paper.name}: {said}")
            if len(shot.evaluations) > drawn:
                drawn = len(shot.evaluations)
                figure = example_figure(paper, shot.evaluations, trainer.config)
                self.figure.value = figures.to_html(figure)
            await asyncio.sleep(0 if over else REFRESH_SECONDS)
        self.stop_button.disabled = True


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
