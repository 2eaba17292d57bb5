"""How the lab draws tables: maps, stacked shares, and lines; and pictures side by side on a page.

Steps are the x axis of all of them; `changed_at` are those after which the learner changed something.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from currlab import plots
from currlab.lab.svg import HEIGHT, WIDTH, Picture, image, ink, shade, title

LINES = len(plots.COLOURS)
FEW_POINTS = 16


def heat(table: pd.DataFrame, changed_at: Sequence[int] = (), top: float = 1.0) -> Picture:
    """A map of shares up to `top`: rows are arms, columns stretches of steps named by their last."""
    ends = [float(end) for end in table.columns]
    names = [str(arm) for arm in table.index]
    picture = Picture((0, ends[-1]), (0, len(names)), right=62, left=_room(names))
    for row, values in enumerate(table.to_numpy(dtype=float)):
        for start, end, value in zip([0.0, *ends], ends, values, strict=False):
            picture.rectangle((start, end), (row, row + 1), shade(value / top))
    picture.marks(changed_at)
    picture.scale_x("step")
    picture.rows(names, str(table.index.name))
    picture.shade_bar(top)
    return picture


def stack(table: pd.DataFrame, changed_at: Sequence[int] = ()) -> Picture:
    """Shares on top of each other; an arm is named in its largest part, if there is room."""
    ends = [float(end) for end in table.columns]
    values = table.to_numpy()
    tops = values.cumsum(0)
    picture = Picture((0, ends[-1]), (0, 1))
    shades = np.linspace(0, 1, max(2, len(table)))
    for row, name in enumerate(table.index):
        for start, end, top, value in zip([0.0, *ends], ends, tops[row], values[row], strict=False):
            picture.rectangle((start, end), (top - value, top), shade(shades[row]), edge="white")
        place = int(values[row].argmax())
        if values[row, place] > 0.07:
            middle = (([0.0, *ends][place]) + ends[place]) / 2
            height = tops[row, place] - values[row, place] / 2
            picture.words(middle, height, str(name), ink(shades[row]))
    picture.marks(changed_at)
    picture.scale_x(f"step (in the bands: {table.index.name})")
    picture.scale_y("share of prompts", percent=True)
    return picture


def two(table: pd.DataFrame, changed_at: Sequence[int] = ()) -> Picture:
    """Two lines, each with a scale of its own from zero on."""
    (left, right), colours = table.columns, plots.COLOURS
    scale = (0.0, float(table[right].max()) * 1.08 or 1.0)
    picture = Picture(_steps(table), (0.0, float(table[left].max()) * 1.08 or 1.0), right=50)
    picture.marks(changed_at)
    picture.line(table[left].items(), 0)
    picture.line(table[right].items(), 1, scale=scale)
    picture.scale_x("step")
    picture.scale_y(f"{left} (nats a token, solid)", colour=colours[0])
    picture.other_scale(scale, f"{right} (tokens, dashed)", colours[1])
    return picture


def lines(table: pd.DataFrame, changed_at: Sequence[int] = (), percent: bool = False) -> Picture:
    """A line a column, seven at most, spread over all of them; dots where there are few points."""
    spread = np.linspace(0, table.shape[1] - 1, min(table.shape[1], LINES)).round().astype(int)
    shown = table.iloc[:, spread]
    low, high = (0.0, 1.0) if percent else (np.nanmin(shown), np.nanmax(shown))
    room = 0.03 * (high - low)
    names = [str(name) for name in shown.columns]
    right = 48 + 6.5 * max(map(len, names))
    picture = Picture(_steps(table), (low - room, high + room), right=right)
    picture.marks(changed_at)
    for i in range(shown.shape[1]):
        known = shown.iloc[:, i].dropna()
        picture.line(known.items(), i, dots=len(known) <= FEW_POINTS)
    picture.scale_x(str(table.index.name))
    picture.scale_y(str(table.columns.name or ""), percent)
    picture.legend(names)
    return picture


def _steps(table: pd.DataFrame) -> tuple[float, float]:
    return float(table.index[0]), float(table.index[-1])


def _room(names: Sequence[str]) -> float:
    """How much the names of rows need on the left."""
    return 34 + 6.5 * max(map(len, names))


@dataclass(frozen=True)
class Figure:
    """A picture with its title and, in words, what it shows."""

    title: str
    picture: Picture
    words: str


def side_by_side(figures: Sequence[Figure]) -> str:
    """Images under their titles, in columns of equal width, as many as there is room for."""
    columns = "repeat(auto-fit,minmax(min(100%,270px),1fr))"
    style = f"display:grid;grid-template-columns:{columns};gap:12px;max-width:1200px"
    shown = [
        f'<figure style="margin:0"><figcaption><b>{html.escape(one.title)}</b></figcaption>'
        f"{one.picture.html(one.words)}</figure>"
        for one in figures
    ]
    return f'<div style="{style}">{"".join(shown)}</div>'


def together(figures: Sequence[Figure], columns: int = 3) -> str:
    """One image of all figures, which reports keep as it is; none if there are no figures."""
    if not figures:
        return ""
    columns, wide, high = min(columns, len(figures)), WIDTH + 16, HEIGHT + 30
    drawn = []
    for i, one in enumerate(figures):
        x, y = i % columns * wide, i // columns * high
        drawn += [title(x + 8, y + 18, one.title), one.picture.nested(x, y + 24)]
    rows = -(-len(figures) // columns)
    words = " ".join(one.words for one in figures)
    return image("".join(drawn), columns * wide, rows * high, words)
