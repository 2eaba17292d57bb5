"""Figures are built without pyplot, say what they show, and survive hostile labels."""

import itertools
import sys

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from currlab import figures, plots


def rows(n=16):
    return [
        {"level": level, "n": n, "sampled": 0.25, "greedy": 0.5, "pass_at_8": 0.75}
        for level in (3, 4, 5)
    ]


def test_accuracy_by_level_shows_the_three_kinds_and_the_prediction_over_greedy():
    figure = plots.accuracy_by_level({"warm": rows()}, "title", prediction=[0.1, 0.2, 0.9])
    assert [axes.get_title() for axes in figure.axes] == ["T=1", "greedy", "pass@8"]
    drawn = {axes.get_title(): [line.get_label() for line in axes.lines] for axes in figure.axes}
    assert drawn["greedy"] == ["warm", "your prediction"]
    assert drawn["T=1"] == drawn["pass@8"] == ["warm"]
    assert list(figure.axes[1].lines[1].get_ydata()) == [0.1, 0.2, 0.9]


@pytest.mark.parametrize("prediction", [[], [0.5], [0.5] * 9])
def test_a_prediction_of_another_length_is_still_drawn(prediction):
    figure = plots.accuracy_by_level({"warm": rows()}, "title", prediction=prediction)
    assert len(figure.axes[1].lines[1].get_ydata()) == min(3, len(prediction))
    figure = plots.bars({"a": {1: 0.1, 2: 0.2, 3: 0.3}}, "x", "y", "t", prediction=prediction)
    assert list(figure.axes[0].lines[0].get_ydata()) == prediction[:3]


def test_rows_without_sampling_leave_the_other_panels_empty():
    greedy_only = [{"level": 1, "n": 4, "greedy": 1.0}, {"level": 2, "n": 4, "greedy": 0.0}]
    figure = plots.accuracy_by_level({"warm": greedy_only}, "title")
    assert [len(axes.lines) for axes in figure.axes] == [0, 1, 0]
    assert figures.to_html(figure)


def test_the_frontier_is_the_highest_level_solved_half_of_the_time():
    grid = pd.DataFrame({0: [0.4, 0, 0], 5: [1, 0.5, 0], 10: [0.2, 0.9, 0.6]}, index=[4, 5, 6])
    grid[15] = np.nan
    assert plots.frontier_of(grid).tolist()[1:3] == [5.0, 6.0]
    assert np.isnan(plots.frontier_of(grid).iloc[0])
    assert np.isnan(plots.frontier_of(grid).iloc[3])
    text = figures.alt_text(plots.frontier({"uniform": grid, "SEC": grid}, "It climbs"))
    assert "It climbs" in text
    assert "uniform" in text
    assert "from 5 to 6" in text
    assert "between 0 and 1" in text


def test_alt_text_names_labels_and_values_of_lines_and_bars():
    line = plots.lines({"a": ([0, 1], [0.9, 0.1])}, "step", "loss", "Falls")
    assert figures.alt_text(line) == "Falls: loss against step; a goes from 0.9 to 0.1."
    bar = plots.bars({"cold": {1: 1.0, 2: 0.5}}, "level", "share", "All")
    assert "cold: 1, 0.5" in figures.alt_text(bar)


def test_lines_of_nothing_but_nan_and_bars_with_gaps_can_be_drawn():
    nothing = float("nan")
    assert "gone" not in figures.alt_text(
        plots.lines({"gone": ([0, 1], [nothing, nothing])}, "x", "y", "t")
    )
    assert figures.to_html(plots.bars({"a": {1: 1.0}, "b": {2: 1.0}}, "x", "y", "t"))


def test_the_image_is_self_contained_and_its_alt_text_escaped():
    figure = plots.lines({"a": ([0, 1], [0, 1])}, "x", "y", "t")
    page = figures.to_html(figure, alt='"><script>alert(1)</script>')
    assert 'src="data:image/png;base64,' in page
    assert "<script" not in page
    assert page.count("<") == 1


@pytest.fixture
def shell():
    """An IPython shell, without which `display` only prints."""
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.mark.usefixtures("shell")
def test_show_and_live_display_an_image_and_live_redraws_it_in_place():
    figure = plots.lines({"a": ([0, 1], [0, 1])}, "x", "y", "t")
    with capture_output() as shown:
        figures.show(figure, "a rising line")
        redraw = figures.live()
        redraw(figure)
        redraw(figure)
    first, *live = shown.outputs
    assert 'alt="a rising line"' in first.data["text/html"]
    assert len({o.transient["display_id"] for o in live}) == 1
    assert [o.update for o in live] == [False, True]


def test_neighbouring_lines_differ_in_more_than_colour():
    looks = [plots.style(i) for i in range(len(plots.COLOURS))]
    for a, b in itertools.pairwise(looks):
        assert a["linestyle"] != b["linestyle"]
        assert a["marker"] != b["marker"]


def test_no_figure_is_registered_with_pyplot():
    assert isinstance(plots.bars({"a": {1: 1.0}}, "x", "y", "t"), Figure)
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []


def right_edge(figure, texts):
    """The rightmost pixel of some texts, as a share of the figure's width."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    return max(text.get_window_extent(renderer).x1 for text in texts) / figure.bbox.width


@pytest.mark.parametrize("length", [3, 14, 30, 60])
def test_long_labels_stay_inside_the_figure(length):
    series = {f"{i}" * length: ([0, 1], [0, 1]) for i in range(5)}
    figure = plots.lines(series, "x", "y", "t")
    assert right_edge(figure, figure.legends[0].get_texts()) <= 1


def test_the_note_below_a_single_frontier_stays_inside_the_figure():
    grid = pd.DataFrame({0: [1.0, 0.2], 10: [1.0, 0.6]}, index=[1, 2])
    figure = plots.frontier({"sec": grid}, "t")
    assert right_edge(figure, [figure._supxlabel]) <= 1
