"""Predict, then run: the learner draws the curve that is expected, and it is kept with the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets
from IPython.display import display

from currlab.errors import CurrlabError
from currlab.files import read_json, write_json_atomic
from currlab.lab.live_cell import somebody_can_steer

NOTHING_YET = "No prediction yet: move a slider, with the mouse or the arrow keys."


class Prediction:
    """One slider for each label; `values` are None until the first of them is moved.

    What is drawn is written to `file` at once, and found there when the cell is run again.
    """

    def __init__(self, labels: Sequence[Any], file: str | Path) -> None:
        self.labels, self.file = [str(label) for label in labels], Path(file)
        if not self.labels:
            raise CurrlabError("A prediction needs at least one label, such as a level.")
        self.values: list[float] | None = self._stored()
        self.sliders = [self._slider(i) for i in range(len(self.labels))]
        self.forget = widgets.Button(
            description="Forget it", icon="undo", tooltip="Take the prediction back"
        )
        self.forget.on_click(lambda _: self._forget())
        self.told = widgets.HTML()
        row = widgets.Layout(display="flex", flex_flow="row wrap")
        self.widget = widgets.VBox(
            [widgets.Box(self.sliders, layout=row), widgets.HBox([self.forget, self.told])]
        )
        self.widget.add_class("currlab-prediction")
        self._tell()

    def _slider(self, place: int) -> widgets.FloatSlider:
        slider = widgets.FloatSlider(
            value=self.values[place] if self.values else 0.5,
            min=0.0,
            max=1.0,
            step=0.05,
            orientation="vertical",
            description=self.labels[place],
            readout_format=".0%",
            tooltip=f"Your prediction for {self.labels[place]}",
            layout=widgets.Layout(height="170px", width="56px"),
        )
        slider.observe(lambda _: self._keep(), "value")
        return slider

    def _keep(self) -> None:
        self.values = [round(slider.value, 4) for slider in self.sliders]
        write_json_atomic(self.file, {"labels": self.labels, "values": self.values})
        self._tell()

    def _forget(self) -> None:
        self.values = None
        self.file.unlink(missing_ok=True)
        self._tell()

    def _tell(self) -> None:
        self.forget.disabled = self.values is None
        kept = f"Your prediction is kept in {self.file.name}. It will be drawn over the result."
        self.told.value = f'<span role="status">{kept if self.values else NOTHING_YET}</span>'

    def _stored(self) -> list[float] | None:
        """What was drawn before for the same labels; None if there is nothing."""
        if not self.file.exists():
            return None
        kept = read_json(self.file)
        values = kept.get("values") if isinstance(kept, dict) else None
        whole = isinstance(values, list) and all(
            isinstance(value, int | float) and 0 <= value <= 1 for value in values
        )
        if not whole or len(values) != len(kept.get("labels", ())):
            raise CurrlabError(f"'{self.file}' holds no prediction; delete it to make a new one.")
        return values if kept["labels"] == self.labels else None


def predict(labels: Sequence[Any], file: str | Path) -> Prediction:
    """Let the learner draw one share (0 to 1) for each label; nothing is asked where nobody sits.

    >>> prediction = lab.predict(levels, out / "prediction.json")  # doctest: +SKIP
    >>> figures.show(plots.accuracy_by_level(rows, title, prediction.values))  # doctest: +SKIP
    """
    prediction = Prediction(labels, file)
    if somebody_can_steer():
        display(prediction.widget)
    return prediction
