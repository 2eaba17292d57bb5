"""The playground's picture: made once, filled anew at every touch of a slider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from currlab import plots
from currlab.student import History

STRETCHES = 20


class Curves:
    """Ability over steps and at the end, and where each strategy's prompts went.

    Making the axes takes longer than simulating a strategy; filling them again does not.
    """

    def __init__(self, labels: Sequence[str], levels: int, steps: int) -> None:
        self.labels, self.levels = tuple(labels), levels
        self.figure = Figure(figsize=(9.6, 5.6))
        grid = self.figure.add_gridspec(
            2, 6, hspace=0.5, wspace=1.1, left=0.07, right=0.97, top=0.93, bottom=0.1
        )
        over_steps = self.figure.add_subplot(grid[0, :3])
        at_end = self.figure.add_subplot(grid[0, 3:])
        self.lines, self.ends, self.maps = [], [], []
        width = 6 // len(labels)
        for i, label in enumerate(labels):
            plain = {**plots.style(i), "marker": ""}
            self.lines += over_steps.plot(np.zeros(steps + 1), label=label, **plain)
            self.ends += at_end.plot(range(1, levels + 1), np.zeros(levels), **plots.style(i))
            below = self.figure.add_subplot(grid[1, width * i : width * (i + 1)])
            self.maps.append(_empty_map(below, label, levels, steps))
            below.tick_params(labelleft=i == 0)
        self.figure.axes[2].set_ylabel("level")
        _label(over_steps, "Mean pass rate of all levels", "step")
        _label(at_end, "Pass rate of each level at the end", "level")
        over_steps.legend(fontsize=8, frameon=False, loc="upper left")
        for axes in self.figure.axes:
            axes.locator_params(nbins=3)  # ticks are half of the time that drawing takes

    def fill(self, histories: Mapping[str, History]) -> Figure:
        """The figure with these histories, which have the picture's labels, levels and steps."""
        shares = [_shares(history) for history in histories.values()]
        brightest = max(part.max() for part in shares)  # one colour scale for all maps
        for i, history in enumerate(histories.values()):
            self.lines[i].set_ydata(history.pass_rate.mean(1))
            self.ends[i].set_ydata(history.pass_rate[-1])
            self.maps[i].set(data=shares[i], clim=(0, brightest))
        return self.figure


def _label(axes: Axes, title: str, x_label: str) -> None:
    # A fixed height: finding one that avoids the ticks takes a sixth of the drawing time.
    axes.set_title(title, y=1.0)
    axes.set_xlabel(x_label)
    plots.percent_axis(axes)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _empty_map(axes: Axes, label: str, levels: int, steps: int) -> AxesImage:
    """Where the shares of a strategy's prompts will stand, light where large."""
    axes.set_title(f"prompts: {label}", fontsize=9, y=1.0)
    axes.set_xlabel("step")
    look = {"cmap": "cividis", "aspect": "auto", "interpolation": "nearest", "origin": "lower"}
    extent = (0, steps, 0.5, levels + 0.5)
    return axes.imshow(np.zeros((levels, STRETCHES)), extent=extent, **look)


def _shares(history: History) -> np.ndarray:
    """Shares of the levels among the prompts of each stretch of the run, (levels, stretches)."""
    parts = np.array([part.sum(0) for part in np.array_split(history.prompts, STRETCHES)])
    return (parts / parts.sum(1, keepdims=True)).T
