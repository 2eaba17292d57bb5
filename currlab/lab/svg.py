"""The lab's pictures, written as SVG.

A picture of the lab is made anew several times a second, in the interpreter in which a model trains,
and a matplotlib figure takes a tenth of a second of it: most of that goes into finding the places of
ticks. Here the places are fixed, and a picture is some strings. As an image in a page an SVG stays
sharp on every screen, loads nothing and runs no script.
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Iterable, Sequence

from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.ticker import MaxNLocator

from currlab import plots

WIDTH, HEIGHT = 340, 214
TOP, BOTTOM = 12, 40
MARKS_APART = 6  # pixels; the head of a mark is 8 wide
DASHES = {"-": "", "--": "6 3", "-.": "7 3 2 3", ":": "2 3"}
ROWS_NAMED = 16
# Light is much, dark is little, also for those who see no colours.
SHADES = [to_hex(colour) for colour in colormaps["cividis"](range(256))]
NO_VALUE = "#dddddd"

Points = Iterable[tuple[float, float]]


def shade(share: float) -> str:
    """The colour of a share between 0 and 1; grey for a NaN."""
    return NO_VALUE if math.isnan(share) else SHADES[round(255 * min(1.0, max(0.0, share)))]


def ink(share: float) -> str:
    """Black or white, whichever can be read on `shade(share)`."""
    return "white" if share < 0.5 else "black"


class Picture:
    """Axes from `x[0]` to `x[1]` and `y[0]` to `y[1]`, to which marks are added.

    >>> picture = Picture((0, 10), (0, 1), right=60)
    >>> picture.line([(0, 0.1), (10, 0.6)], 0, "sec")
    >>> image = picture.html("sec goes from 0.1 to 0.6.")
    """

    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], left: float = 50, right: float = 16
    ) -> None:
        # An axis of no length has no scale.
        self.x = x if x[1] > x[0] else (x[0] - 0.5, x[0] + 0.5)
        self.y = y if y[1] > y[0] else (y[0] - 0.5, y[0] + 0.5)
        self.left, self.right, self.bottom = left, WIDTH - right, HEIGHT - BOTTOM
        self.parts: list[str] = []

    def _x(self, value: float) -> float:
        return self.left + (value - self.x[0]) / (self.x[1] - self.x[0]) * (self.right - self.left)

    def _y(self, value: float, scale: tuple[float, float] | None = None) -> float:
        low, high = scale or self.y
        return self.bottom - (value - low) / (high - low) * (self.bottom - TOP)

    # ------------------------------------------------------------ marks

    def rectangle(
        self, x: tuple[float, float], y: tuple[float, float], fill: str, edge: str = ""
    ) -> None:
        left, top = self._x(x[0]), self._y(y[1])
        wide, high = self._x(x[1]) - left, self._y(y[0]) - top
        # Smoothed or too small, neighbours would let a bright line show between them.
        more, look = (0, f'stroke="{edge}"') if edge else (0.6, 'shape-rendering="crispEdges"')
        self.parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide + more:.1f}" '
            f'height="{high + more:.1f}" fill="{fill}" {look}/>'
        )

    def line(
        self,
        points: Points,
        style: int,
        label: str = "",
        scale: tuple[float, float] | None = None,
        dots: bool = False,
    ) -> None:
        """A line in one of seven styles; a gap where y is NaN. `scale` is another y axis's range."""
        places = [
            None if math.isnan(y) else f"{self._x(x):.1f} {self._y(y, scale):.1f}"
            for x, y in points
        ]
        moves = " ".join(
            ("L" if i and places[i - 1] else "M") + place for i, place in enumerate(places) if place
        )
        self.parts.append(_stroke(moves, style))
        if dots:
            fill = plots.style(style)["color"]
            circles = (place.split() for place in places if place)
            self.parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{fill}"/>' for x, y in circles]

    def words(
        self, x: float, y: float, text: str, colour: str = "black", anchor: str = "middle"
    ) -> None:
        """Text around a point of the axes."""
        self._text(self._x(x), self._y(y) + 4, text, colour, anchor)

    def marks(self, places: Iterable[float]) -> None:
        """Dotted lines from top to bottom: here the learner changed something.

        Places too near to be told apart share one, or hundreds would slow the page down.
        """
        seen = (self._x(place) for place in places if self.x[0] <= place <= self.x[1])
        slots = {round(x / MARKS_APART): x for x in seen}
        lines = "".join(f"M{x:.1f} {TOP}V{self.bottom}" for x in slots.values())
        heads = "".join(f"M{x - 4:.1f} {TOP - 9}h8l-4 8z" for x in slots.values())
        if not slots:
            return
        for colour, width in (("white", 3), ("black", 1)):  # seen on dark and on light
            self.parts.append(
                f'<path d="{lines}" stroke="{colour}" stroke-width="{width}" '
                'stroke-dasharray="2 3"/>'
            )
        self.parts.append(f'<path d="{heads}" fill="black"/>')

    # ------------------------------------------------------------ axes

    def scale_x(self, label: str) -> None:
        """The axis below, with whole numbers."""
        for value in _ticks(self.x, whole=True):
            x = self._x(value)
            self._path(f"M{x:.1f} {self.bottom}v4")
            self._text(x, self.bottom + 16, f"{value:g}")
        self._path(f"M{self.left} {self.bottom}H{self.right}")
        self._text((self.left + self.right) / 2, HEIGHT - 6, label)

    def scale_y(self, label: str, percent: bool = False, colour: str = "black") -> None:
        """The axis on the left, with lines across."""
        for value in _ticks(self.y):
            self._tick_y(value, f"{value:.0%}" if percent else f"{value:g}", colour)
            y = self._y(value)
            self._path(f"M{self.left} {y:.1f}H{self.right}", "#00000022")
        self._finish_y(label, colour)

    def rows(self, names: Sequence[str], label: str) -> None:
        """The axis on the left where row i lies between i and i + 1; some names if there are many."""
        every = -(-len(names) // ROWS_NAMED)
        for i in range(0, len(names), every):
            self._tick_y(i + 0.5, names[i])
        self._finish_y(label)

    def _tick_y(self, value: float, text: str, colour: str = "black") -> None:
        y = self._y(value)
        self._path(f"M{self.left} {y:.1f}h-4")
        self._text(self.left - 7, y + 4, text, colour, "end")

    def _finish_y(self, label: str, colour: str = "black") -> None:
        self._path(f"M{self.left} {TOP}V{self.bottom}")
        self._upright(12, label, colour)

    def other_scale(self, scale: tuple[float, float], label: str, colour: str) -> None:
        """A second y axis, on the right."""
        self._path(f"M{self.right} {TOP}V{self.bottom}")
        for value in _ticks(scale):
            y = self._y(value, scale)
            self._path(f"M{self.right} {y:.1f}h4")
            self._text(self.right + 7, y + 4, f"{value:g}", colour, "start")
        self._upright(WIDTH - 6, label, colour)

    def legend(self, labels: Sequence[str]) -> None:
        """Names of the lines 0, 1, ... on the right."""
        for i, label in enumerate(labels):
            y = TOP + 8 + 18 * i
            self.parts.append(f'<g transform="translate({self.right + 8} {y})">{_sample(i)}</g>')
            self._text(self.right + 38, y + 4, label, anchor="start")

    def shade_bar(self, top: float = 1.0) -> None:
        """What the shades mean, from 0 to `top`."""
        x, high = self.right + 12, (self.bottom - TOP) / 32
        for i in range(32):
            y = self.bottom - (i + 1) * high
            self.parts.append(
                f'<rect x="{x}" y="{y:.1f}" width="10" height="{high + 0.6:.1f}" fill="{shade(i / 31)}" shape-rendering="crispEdges"/>'
            )
        for share in (0, 0.5, 1):
            y = self.bottom - share * (self.bottom - TOP) + 4
            self._text(x + 14, y, f"{share * top:.0%}", anchor="start")

    # ------------------------------------------------------------ out

    def html(self, words: str) -> str:
        """The picture as an image that needs no other file, with its alt text."""
        return image(self.nested(0, 0), WIDTH, HEIGHT, words)

    def nested(self, x: float, y: float) -> str:
        """The picture as a part of a larger one, its corner at (x, y)."""
        return (
            f'<svg x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(self.parts)}</svg>'
        )

    def _path(self, path: str, colour: str = "#444444") -> None:
        self.parts.append(f'<path d="{path}" fill="none" stroke="{colour}"/>')

    def _text(
        self, x: float, y: float, text: str, colour: str = "black", anchor: str = "middle"
    ) -> None:
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">'
            f"{html.escape(text)}</text>"
        )

    def _upright(self, x: float, text: str, colour: str = "black") -> None:
        y = (TOP + self.bottom) / 2
        self.parts.append(
            f'<text transform="translate({x} {y:.1f}) rotate(-90)" text-anchor="middle" '
            f'fill="{colour}">{html.escape(text)}</text>'
        )


def image(drawn: str, width: int, height: int, words: str) -> str:
    """What was drawn as an HTML image; no wider than half as much again, so that words stay small."""
    whole = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="12">'
        f'<rect width="{width}" height="{height}" fill="white"/>{drawn}</svg>'
    )
    data = base64.b64encode(whole.encode()).decode()
    return (
        f'<img style="max-width:100%;width:min(100%,{width + WIDTH // 2}px)" '
        f'alt="{html.escape(words, quote=True)}" src="data:image/svg+xml;base64,{data}">'
    )


def title(x: float, y: float, text: str) -> str:
    """A heading within a larger picture."""
    return f'<text x="{x}" y="{y}" font-weight="bold" font-size="14">{html.escape(text)}</text>'


def sample(style: int) -> str:
    """A short piece of a line in its style, to be put beside its name in a page."""
    return f'<svg width="28" height="10" aria-hidden="true"><g transform="translate(1 5)">{_sample(style)}</g></svg>'


def _sample(style: int) -> str:
    return _stroke("M0 0H25", style)


def _stroke(path: str, style: int) -> str:
    look = plots.style(style)
    dash = DASHES[look["linestyle"]]
    broken = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="{path}" fill="none" stroke="{look["color"]}" stroke-width="1.8"{broken}/>'


def _ticks(scale: tuple[float, float], whole: bool = False) -> list[float]:
    """Round values within a scale."""
    values = MaxNLocator(5, integer=whole, steps=[1, 2, 5, 10]).tick_values(*scale)
    slack = 1e-9 * (scale[1] - scale[0])
    return [float(v) for v in values if scale[0] - slack <= v <= scale[1] + slack]
