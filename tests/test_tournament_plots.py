"""The tournament's figure: rows in order, kinds told apart, verdicts as full markers, words for all."""

import pandas as pd
import pytest

from currlab.study_grids import STUDIES
from currlab.study_plan import Contestant
from currlab.tournament_plots import COLUMNS, dial_of, interval_rows, interval_words

ROWS = [
    ("up", "select", 0.10, 0.05, 0.15, "better"),
    ("flat", "sample", 0.01, -0.02, 0.04, "no difference shown"),
    ("down", "select", -0.20, -0.30, -0.10, "worse"),
]
TABLE = pd.DataFrame(ROWS, columns=["recipe", "kind", *COLUMNS, "verdict"])


@pytest.mark.parametrize(
    ("contestant", "dial"),
    [
        (Contestant("a", "uniform"), "select"),
        (Contestant("a", "sec"), "select"),
        (Contestant("a", "uniform", dials={"present": "uft"}), "present"),
        (Contestant("a", "sec", dials={"present": "uft"}), "several"),
        (Contestant("a", "uniform", dials={"present": "egsr", "sample": "egsr"}), "several"),
    ],
)
def test_the_dial_of_a_contestant(contestant, dial):
    assert dial_of(contestant) == dial


def test_every_contestant_of_the_tournament_has_a_dial():
    known = {"select", "present", "sample", "reward", "update", "several"}
    assert {dial_of(c) for c in STUDIES["tournament"].contestants} <= known


def test_rows_stand_in_their_order_and_full_markers_are_verdicts():
    figure = interval_rows(TABLE, ["select", "present", "sample"], "points", "title")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["up", "flat", "down"]
    low, high = axes.get_ylim()
    assert low > high, "the first row is on top"
    full = {line.get_label(): line for line in axes.lines}
    assert list(full["select"].get_xdata()) == pytest.approx([10, -20])
    assert list(full["select"].get_ydata()) == [0, 2]
    assert len(full["sample"].get_xdata()) == 0
    assert full["select"].get_marker() != full["sample"].get_marker()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["select", "sample"]


def test_the_figure_grows_with_its_rows():
    long = pd.concat([TABLE] * 14)
    heights = [interval_rows(t, ["select"], "", "").get_figheight() for t in (TABLE, long)]
    assert heights[1] > heights[0] + 6


def test_every_row_is_told_in_words():
    words = interval_words(TABLE)
    assert words.split("; ")[2] == "down -20.0 points [-30.0, -10.0], worse"
    assert len(words.split("; ")) == 3
