"""Widgets for one dial, made from the parameters that its strategies declare."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import ipywidgets as widgets

from currlab.curricula import describe, strategy_names
from currlab.curricula.registry import STRATEGIES
from currlab.errors import CurrlabError
from currlab.lab.session import Session

QUESTIONS = {
    "select": "Which problem comes next?",
    "present": "How is it shown?",
    "sample": "How many rollouts, how hot?",
    "reward": "What earns credit?",
    "update": "Which signal moves the weights?",
}
WIDE = widgets.Layout(width="98%")
STYLE = {"description_width": "38%"}


class DialBox:
    """A drop-down of the dial's strategies, and a widget for each parameter of the chosen one."""

    def __init__(self, session: Session, dial: str, complain: Callable[[str], None]) -> None:
        self.session, self.dial, self.complain = session, dial, complain
        now = getattr(session.trainer.recipe, dial)
        names = sorted({*strategy_names(dial), now.name})
        titles = {name: STRATEGIES[name].title if name in STRATEGIES else name for name in names}
        options = sorted((titles[name], name) for name in names)
        self.choice = widgets.Dropdown(
            options=options,
            value=now.name,
            description=dial,
            layout=WIDE,
            style={"description_width": "4.5em"},
            tooltip=QUESTIONS[dial],
        )
        self.reset = widgets.Button(
            description="Reset to defaults", icon="undo", tooltip="Our default of every parameter"
        )
        self.paper = widgets.Button(
            description="As in the paper", icon="book", tooltip="The paper's own values where known"
        )
        self.about, self.body = widgets.HTML(), widgets.VBox()
        self.fields: dict[str, widgets.Widget] = {}
        self._quiet = False
        self.choice.observe(self._swap, "value")
        self.reset.on_click(lambda _: self._fill("default"))
        self.paper.on_click(lambda _: self._fill("paper"))
        self.choice.disabled = bool(why := session.fixed(dial))
        self.why = widgets.HTML(f"<small>{html.escape(why)}</small>" if why else "")
        self._build(asdict(now.parameters))
        self.widget = widgets.VBox([self.choice, self.about, self.why, self.body])

    def _build(self, values: Mapping[str, Any]) -> None:
        name = self.choice.value
        self.about.value = _about(name)
        self.known = describe(name)["parameters"] if name in STRATEGIES else []
        self.fields = {p["name"]: parameter_widget(p, values[p["name"]]) for p in self.known}
        for key, field in self.fields.items():
            field.observe(lambda change, key=key: self._set(key, change["new"]), "value")
            field.disabled |= bool(self.session.fixed(self.dial, key))
        rows: list[widgets.Widget] = list(self.fields.values())
        if self.known:
            papers = any(p["paper"] is not None for p in self.known)
            buttons = [self.reset, self.paper] if papers else [self.reset]
            rows += [widgets.HBox(buttons), widgets.HTML(_meanings(self.known))]
        self.body.children = rows

    def _swap(self, change: Mapping[str, Any]) -> None:
        def ask() -> None:
            self.session.swap(self.dial, change["new"])
            self._build({p["name"]: p["default"] for p in describe(change["new"])["parameters"]})

        self._try(ask)

    def _set(self, name: str, value: Any) -> None:
        if not self._quiet:
            # Float sliders give 1.2000000000000002.
            value = float(f"{value:.6g}") if isinstance(value, float) else value
            self._try(lambda: self.session.set(self.dial, **{name: value}))

    def _fill(self, which: str) -> None:
        """Set all fields to their "default" or to the "paper" value, as one change."""
        values = {
            p["name"]: p[which]
            for p in self.known
            if p[which] is not None and not self.fields[p["name"]].disabled
        }
        self._quiet = True
        try:
            for name, value in values.items():
                self.fields[name].value = value
        finally:
            self._quiet = False
        self._try(lambda: self.session.set(self.dial, **values))

    def _try(self, ask: Callable[[], None]) -> None:
        try:
            ask()
            self.complain("")
        except CurrlabError as error:
            self.complain(str(error))


def parameter_widget(parameter: Mapping[str, Any], value: Any) -> widgets.Widget:
    """A slider, box, switch or drop-down for one parameter, as its type and bounds suggest."""
    low, high = parameter["low"], parameter["high"]
    common = {
        "description": parameter["name"].replace("_", " "),
        "tooltip": _meaning(parameter),
        "layout": WIDE,
        "style": STYLE,
    }
    if parameter["choices"] is not None:
        return widgets.Dropdown(options=parameter["choices"], value=value, **common)
    if isinstance(value, bool):
        return widgets.Checkbox(value=value, indent=False, **{**common, "style": {}})
    if isinstance(value, int):
        kind = widgets.IntSlider if high - low <= 300 else widgets.BoundedIntText
        return kind(value=value, min=low, max=high, **common)
    if isinstance(value, float) and low > 0 and high / low >= 100:
        # Over several powers of ten an even slider would leave no room for the small values.
        return widgets.FloatLogSlider(
            value=value,
            min=math.log10(low),
            max=math.log10(high),
            step=0.02,
            readout_format=".3g",
            continuous_update=False,
            **common,
        )
    if isinstance(value, float):
        step = 10 ** math.floor(math.log10(high - low)) / 50
        return widgets.FloatSlider(
            value=value,
            min=low,
            max=high,
            step=step,
            readout_format=".3g",
            continuous_update=False,
            **common,
        )
    return widgets.Text(value=str(value), disabled=True, **common)


def _about(name: str) -> str:
    """What a strategy does, in its first sentence, and how near it is to which paper."""
    cls = STRATEGIES.get(name)
    if cls is None:
        return ""
    lines = (cls.__doc__ or cls.title).strip().partition("\n\n")[0].split()
    told = " ".join(lines).partition(". ")[0].rstrip(".").replace("`", "") + "."
    if cls.papers:
        near = {"implemented": "as in", "inspired": "inspired by", "analogue": "an analogue of"}
        told += f" ({near[cls.state]} {', '.join(cls.papers)})"
    return f"<small>{html.escape(told)}</small>"


def _meanings(parameters: list[Mapping[str, Any]]) -> str:
    """What the parameters mean, for those who cannot hover."""
    rows = "".join(
        f"<dt>{html.escape(p['name'])}</dt><dd>{html.escape(_meaning(p))}</dd>" for p in parameters
    )
    return f"<details><summary>What these mean</summary><dl>{rows}</dl></details>"


def _meaning(parameter: Mapping[str, Any]) -> str:
    paper = parameter["paper"]
    return parameter["help"] + ("" if paper is None else f" (paper: {paper})")
