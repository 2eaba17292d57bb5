"""Figures as a page shows them: HTML images that need no other file, with alt text from the data."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from IPython.display import HTML, DisplayHandle, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def alt_text(figure: Figure) -> str:
    """What the figure shows, in words made from its titles, labels and data."""
    parts = [figure.get_suptitle()] + [_describe(axes) for axes in figure.axes]
    return " ".join(part.rstrip(".") + "." for part in parts if part)


def _describe(axes: Axes) -> str:
    """One panel in words; colour bars have neither lines, bars nor a title and give nothing."""
    shown = [
        f"{line.get_label()} goes from {ys[0]:.3g} to {ys[-1]:.3g}"
        for line in axes.lines
        if not line.get_label().startswith("_") and len(ys := _finite(line.get_ydata()))
    ]
    shown += [
        f"{bars.get_label()}: " + ", ".join(f"{bar.get_height():.3g}" for bar in bars)
        for bars in axes.containers
        if not bars.get_label().startswith("_")
    ]
    for mesh in axes.collections:
        values = _finite(mesh.get_array()) if mesh.get_gid() == "cells" else []
        if len(values):
            shown.append(f"cells lie between {min(values):.3g} and {max(values):.3g}")
    if not shown:
        return ""
    title = " ".join(axes.get_title().split())
    title = f"{title}: " if title else ""
    labels = " against ".join(filter(None, (axes.get_ylabel(), axes.get_xlabel())))
    return f"{title}{labels}; {'; '.join(shown)}"


def _finite(values: Any) -> np.ndarray:
    flat = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan).ravel()
    return flat[np.isfinite(flat)]


def to_html(figure: Figure, alt: str | None = None) -> str:
    """The figure as one HTML image that needs no other file; `alt` defaults to `alt_text`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    data = base64.b64encode(buffer.getvalue()).decode()
    words = html.escape(alt or alt_text(figure), quote=True)
    return f'<img style="max-width:100%" alt="{words}" src="data:image/png;base64,{data}">'


def show(figure: Figure, alt: str | None = None) -> None:
    """Display the figure in a notebook, with alt text, in a form that reports keep."""
    display(HTML(to_html(figure, alt)))


def live() -> Callable[[Figure], None]:
    """A function that shows a figure, and redraws it in place when called again.

    >>> redraw = live()  # in a notebook: redraw(figure) every few steps
    """
    handle = DisplayHandle()
    started = False

    def redraw(figure: Figure) -> None:
        nonlocal started
        (handle.update if started else handle.display)(HTML(to_html(figure)))
        started = True

    return redraw
