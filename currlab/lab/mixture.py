"""How much of what can be picked is hopeless: a slider over the levels of the tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from currlab.lab.records import Snapshot
from currlab.lab.session import Session
from currlab.tasks import get_task

# Below this share of problems solved at least once in eight tries, nearly every group of eight has
# equal rewards: there is nothing to learn from.
HOPELESS = 0.1
LARGEST_SHARE = 0.8


@dataclass(frozen=True)
class Mixture:
    """Arms within reach before training, and arms out of reach, nearest first."""

    reachable: tuple[str, ...]
    hopeless: tuple[str, ...]

    def arms(self, hopeless: int) -> tuple[str, ...]:
        """What can be picked with so many hopeless arms: all within reach, then the nearest."""
        return self.reachable + self.hopeless[:hopeless]

    def share(self, hopeless: int) -> float:
        """The share of hopeless arms; uniform choice wastes about this share of its prompts."""
        return hopeless / len(self.arms(hopeless)) if hopeless else 0.0

    @property
    def choices(self) -> list[int]:
        """Numbers of hopeless arms that make sense: none to four in five, never an empty catalog."""
        every = range(0 if self.reachable else 1, len(self.hopeless) + 1)
        allowed = [n for n in every if self.share(n) <= LARGEST_SHARE or not self.reachable]
        return allowed

    def count(self, arms: Sequence[str]) -> int:
        """How many of these arms are hopeless."""
        return len(set(arms) & set(self.hopeless))


def mixture(evaluation: Sequence[Mapping[str, Any]]) -> Mixture | None:
    """Split the arms by the evaluation before training; None without its pass@8.

    The tasks' levels beyond those evaluated follow as hopeless if the last one evaluated is: they
    can be offered, but evaluations stay on the levels of the run.
    """
    before = [row for row in evaluation if row["step"] == 0 and "pass_at_8" in row]
    first = {row["arm"]: row for row in before}.values()
    if not first:
        return None
    rows = sorted(first, key=lambda row: (row["level"], row["task"]))
    reachable = tuple(row["arm"] for row in rows if row["pass_at_8"] >= HOPELESS)
    hopeless = [row["arm"] for row in rows if row["pass_at_8"] < HOPELESS]
    last = {row["task"]: row for row in rows}
    beyond = [
        (level, f"{task}/{level}")
        for task, row in last.items()
        if row["pass_at_8"] < HOPELESS
        for level in get_task(task).levels
        if level > row["level"]
    ]
    return Mixture(reachable, (*hopeless, *(arm for _, arm in sorted(beyond))))


class MixtureSlider:
    """The share of hopeless arms among those that can be picked, once they have been measured."""

    def __init__(self, session: Session) -> None:
        self.session, self.split = session, None
        every = session.trainer.config.eval_every
        why = "measuring the levels first …" if every else "no pass@8 was measured before training."
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
