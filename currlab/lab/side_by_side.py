"""The playground: strategies side by side on the simulated student, redrawn at every touch."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ipywidgets as widgets
import pandas as pd
from IPython.display import HTML, display

from currlab.curricula import Catalog, describe, make_recipe, strategy_names
from currlab.curricula.registry import STRATEGIES, parameter_rows
from currlab.errors import CurrlabError
from currlab.lab.curves import ability, prompts
from currlab.lab.dials import WIDE, parameter_widget
from currlab.lab.drawing import side_by_side, together
from currlab.lab.live_cell import somebody_can_steer
from currlab.lab.svg import sample
from currlab.student import History, StudentParameters, simulate

# Fewer problems a step than a training has, each of which teaches more in return: a play is quicker.
STEPS, PROMPTS = 300, 8
LESSON = StudentParameters.learning_rate * 32 / PROMPTS
# What the student is like, as far as the playground lets one change it.
STUDENT_SLIDERS = ("edge", "spread", "transfer", "forgetting")
LEVELS, LEVELS_AT_FIRST = (4, 16), 12  # sorting has 16


@dataclass(frozen=True)
class Play:
    """Everything that decides a curve: equal plays give equal curves."""

    strategy: str
    settings: tuple[tuple[str, Any], ...] = ()
    student: tuple[tuple[str, float], ...] = ()
    levels: int = LEVELS_AT_FIRST
    seed: int = 0


@lru_cache(maxsize=64)
def played(play: Play) -> History:
    """The history of a play; what was played lately is remembered, so one slider costs one play."""
    recipe = make_recipe(
        play.strategy, seed=play.seed, settings={play.strategy: dict(play.settings)}
    )
    catalog = Catalog.of({"sorting": range(1, play.levels + 1)})
    student = StudentParameters(learning_rate=LESSON, **dict(play.student))
    return simulate(recipe, student, catalog, STEPS, PROMPTS, seed=play.seed)


def table(histories: Mapping[str, History]) -> pd.DataFrame:
    """The numbers behind the curves, a row a strategy."""
    rows = {
        label: {
            "mean pass rate over the run": history.pass_rate.mean(),
            "mean pass rate at the end": history.pass_rate[-1].mean(),
            "levels solved half of the time": int((history.pass_rate[-1] >= 0.5).sum()),
            "groups that taught nothing": 1 - history.informative_share,
        }
        for label, history in histories.items()
    }
    return pd.DataFrame(rows).T


class Slot:
    """One strategy: a drop-down, and a widget for each of its parameters."""

    def __init__(self, number: int, name: str, redraw: Callable[[], None]) -> None:
        self.redraw = redraw
        options = sorted((STRATEGIES[n].title, n) for n in strategy_names("select"))
        tooltip = f"Strategy {number + 1}"
        self.choice = widgets.Dropdown(options=options, value=name, layout=WIDE, tooltip=tooltip)
        self.body = widgets.VBox()
        self.choice.observe(lambda _: (self._build(), self.redraw()), "value")
        self._build()
        layout = widgets.Layout(flex="1 1 230px", min_width="220px")
        head = widgets.HTML(f"<b>Strategy {number + 1}</b> {sample(number)}")
        self.widget = widgets.VBox([head, self.choice, self.body], layout=layout)

    def _build(self) -> None:
        self.fields = fields_of(describe(self.choice.value)["parameters"], self.redraw)
        self.body.children = list(self.fields.values())

    def settings(self) -> tuple[tuple[str, Any], ...]:
        return values_of(self.fields)


def fields_of(
    parameters: Sequence[Mapping[str, Any]], redraw: Callable[[], None]
) -> dict[str, widgets.Widget]:
    """A widget for each parameter, at its default, that redraws when it is changed."""
    fields = {p["name"]: parameter_widget(p, p["default"]) for p in parameters}
    for field in fields.values():
        field.observe(lambda _: redraw(), "value")
    return fields


def values_of(fields: Mapping[str, widgets.Widget]) -> tuple[tuple[str, Any], ...]:
    """What the widgets say; float sliders give 1.2000000000000002."""
    return tuple(
        (name, float(f"{field.value:.6g}") if isinstance(field.value, float) else field.value)
        for name, field in fields.items()
    )


class Playground:
    """All widgets. `widget` is shown; every change redraws the one picture and its table."""

    def __init__(self, names: Sequence[str], seed: int = 0) -> None:
        if not 1 <= len(names) <= 3:
            raise CurrlabError(f"The playground takes one to three strategies; got {len(names)}.")
        for name in names:
            if name not in strategy_names("select"):
                describe(name)  # says which strategies there are, if it is none at all
                raise CurrlabError(f"'{name}' does not turn the select dial.")
        self.seed = seed
        self.slots = [Slot(number, name, self.redraw) for number, name in enumerate(names)]
        rows = [p for p in parameter_rows(StudentParameters) if p["name"] in STUDENT_SLIDERS]
        self.student = fields_of(rows, self.redraw)
        more = {"name": "levels", "help": "of sorting; more levels, more of them hopeless"}
        low, high = LEVELS
        self.levels = parameter_widget(
            {**more, "low": low, "high": high, "choices": None, "paper": None}, LEVELS_AT_FIRST
        )
        self.levels.observe(lambda _: self.redraw(), "value")
        self.picture, self.numbers, self.trouble = (widgets.HTML() for _ in range(3))
        learner = widgets.VBox(
            [widgets.HTML("<b>The student</b>"), self.levels, *self.student.values()],
            layout=widgets.Layout(flex="1 1 230px", min_width="220px"),
        )
        wrap = widgets.Layout(display="flex", flex_flow="row wrap", align_items="flex-start")
        knobs = widgets.Box([*(slot.widget for slot in self.slots), learner], layout=wrap)
        behind = widgets.Accordion([self.numbers], titles=("As a table",))
        self.widget = widgets.VBox([knobs, self.trouble, self.picture, behind])
        self.widget.add_class("currlab-playground")
        self.redraw()

    def plays(self) -> list[Play]:
        """What is asked for now."""
        student = values_of(self.student)
        return [
            Play(slot.choice.value, slot.settings(), student, self.levels.value, self.seed)
            for slot in self.slots
        ]

    def histories(self) -> dict[str, History]:
        """One history a slot, under different labels even where strategies are equal."""
        found: dict[str, History] = {}
        for number, play in enumerate(self.plays(), start=1):
            label = play.strategy if play.strategy not in found else f"{play.strategy} ({number})"
            found[label] = played(play)
        return found

    def redraw(self) -> None:
        """Play what has changed and draw all; what cannot be played is said, the picture stays."""
        try:
            histories = self.histories()
        except CurrlabError as error:
            self.trouble.value = f'<b role="alert">{html.escape(str(error))}</b>'
            return
        self.trouble.value = ""
        pictures = (ability(histories), prompts(histories))
        self.picture.value = "".join(map(side_by_side, pictures))
        self.numbers.value = table(histories).round(3).to_html()


def playground(*names: str, seed: int = 0) -> Playground:
    """Show strategies side by side on the simulated student; a static figure where nobody steers.

    >>> lab.playground("uniform", "sec", "bots")  # in a notebook  # doctest: +SKIP
    """
    shown = Playground(names or ("uniform", "sec", "bots"), seed)
    if somebody_can_steer():
        display(shown.widget)
    else:
        histories = shown.histories()
        pictures = [*ability(histories), *prompts(histories)]
        display(HTML(together(pictures) + shown.numbers.value))
    return shown
