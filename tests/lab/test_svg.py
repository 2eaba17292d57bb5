"""Pictures as SVG: places, gaps, escapes; and what the lab draws of tables."""

import base64
import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from currlab import plots
from currlab.lab.drawing import heat, lines, stack, two
from currlab.lab.svg import HEIGHT, NO_VALUE, SHADES, WIDTH, Picture, shade

SPACE = "{http://www.w3.org/2000/svg}"


def drawn(picture, words="words"):
    """The axes of the picture as the browser gets it, parsed."""
    (data,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', picture.html(words))
    (axes,) = ElementTree.fromstring(base64.b64decode(data)).findall(f"{SPACE}svg")
    return axes


def rectangles(picture):
    """Those of the axes' inside, as (x, y, width, height, fill)."""
    found = drawn(picture).findall(f"{SPACE}rect")
    return [
        (*(float(r.get(k)) for k in ("x", "y", "width", "height")), r.get("fill")) for r in found
    ]


def texts(picture):
    return [t.text for t in drawn(picture).iter(f"{SPACE}text")]


def test_points_stand_where_the_scales_say():
    picture = Picture((0, 10), (0, 1), left=50, right=50)
    picture.line([(0, 0), (5, 0.5), (10, 1)], 0)
    (path,) = drawn(picture).findall(f"{SPACE}path")
    places = [tuple(map(float, p.split())) for p in re.split("[ML]", path.get("d")) if p.strip()]
    (x0, y0), (x1, y1), (x2, y2) = places
    assert (x0, x2) == (50, WIDTH - 50)
    assert x1 == (x0 + x2) / 2
    assert y1 == (y0 + y2) / 2
    assert 0 < y2 < y0 < HEIGHT


def test_a_line_has_a_gap_where_there_is_no_number():
    picture = Picture((0, 3), (0, 1))
    picture.line([(0, 0.1), (1, float("nan")), (2, 0.3), (3, 0.4)], 1)
    assert picture.parts[0].count("M") == 2
    assert picture.parts[0].count("L") == 1


def test_neighbouring_lines_differ_in_colour_and_in_dashes():
    picture = Picture((0, 1), (0, 1))
    for i in range(len(plots.COLOURS)):
        picture.line([(0, 0), (1, 1)], i)
    looks = [(p.get("stroke"), p.get("stroke-dasharray")) for p in drawn(picture)]
    assert len(set(looks)) == len(plots.COLOURS)
    assert all(a[1] != b[1] for a, b in pairwise(looks))


def test_names_and_words_are_escaped():
    hostile = '"><script>alert(1)</script>'
    picture = Picture((0, 1), (0, 1))
    picture.scale_x(hostile)
    picture.rows([hostile], hostile)
    picture.legend([hostile])
    assert texts(picture).count(hostile) == 4
    assert "<script" not in picture.html(hostile)


def test_shades_grow_lighter_and_nothing_is_grey():
    assert shade(float("nan")) == NO_VALUE
    assert (shade(-1), shade(0), shade(1), shade(7)) == (SHADES[0], SHADES[0], *[SHADES[-1]] * 2)
    parts = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in SHADES]
    light = [0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in parts]
    assert light == sorted(light)


TABLE = pd.DataFrame(
    [[0.0, 0.5], [1.0, float("nan")]],
    pd.Index(["1", "2"], name="level"),
    pd.Index([4, 6], name="step"),
)


def test_a_map_has_a_cell_for_every_number_as_wide_as_its_stretch():
    cells = rectangles(heat(TABLE))[:4]
    assert [cell[4] for cell in cells] == [SHADES[0], SHADES[128], SHADES[-1], NO_VALUE]
    assert cells[0][2] == pytest.approx(2 * cells[1][2], abs=1)  # a bit of overlap
    assert cells[2][1] < cells[0][1]  # the harder level is above


def test_stacked_shares_fill_the_whole_height_and_are_named():
    table = pd.DataFrame({4: [0.25, 0.75], 6: [0.5, 0.5]}, TABLE.index).rename_axis(columns="step")
    picture = stack(table)
    heights = [cell[3] for cell in rectangles(picture)]
    assert heights[0] + heights[2] == pytest.approx(heights[1] + heights[3], abs=0.2)
    assert {"1", "2", "step (in the bands: level)"} <= set(texts(picture))


def test_changes_are_marked_within_the_steps_that_are_shown():
    table = pd.DataFrame({"a": [0.1, 0.2]}, pd.Index([10, 20], name="step"))
    assert lines(table, [5, 15]).html("").count("<img") == 1
    assert marks(lines(table, [5])) == []
    assert len(marks(lines(table, [5, 15]))) == 1


def test_hundreds_of_changes_are_a_few_dozen_marks_from_the_first_to_the_last():
    table = pd.DataFrame({"a": [0.1, 0.2]}, pd.Index([0, 400], name="step"))
    few, many = marks(lines(table, [0, 200, 400])), marks(lines(table, range(401)))
    assert len(few) == 3
    assert 20 < len(many) < 80
    assert max(many) == pytest.approx(few[2], abs=6)
    assert min(many) == pytest.approx(few[0], abs=6)


def marks(picture):
    """Where dotted lines stand, in pixels."""
    drawn = [part for part in picture.parts if 'stroke="white"' in part]
    return [float(x) for part in drawn for x in re.findall(r"M([\d.]+) ", part)]


@pytest.mark.parametrize("values", [[0.0], [0.3, 0.3], [float("nan"), 2.0], [-5.0, 1e6]])
def test_flat_short_and_wide_lines_are_drawn(values):
    index = pd.Index(range(1, len(values) + 1), name="step")
    assert "nan" not in "".join(lines(pd.DataFrame({"a": values}, index)).parts)
    picture = two(pd.DataFrame({"entropy": np.abs(values), "length": np.abs(values)}, index))
    assert "nan" not in "".join(picture.parts)


def test_of_many_lines_seven_are_shown_the_first_and_the_last_among_them():
    table = pd.DataFrame(np.eye(12), columns=[str(i) for i in range(1, 13)])
    shown = texts(lines(table.rename_axis("step")))
    assert {"1", "12"} <= set(shown)
