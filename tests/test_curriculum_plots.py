"""Shares and values read from logs as they are written, drawn with alt text from the data."""

import numpy as np
import pytest

from currlab import curriculum_plots as drawn
from currlab import figures
from currlab.curricula import make_recipe
from currlab.errors import CurrlabError
from currlab.student import simulate


def test_shares_add_up_and_levels_never_asked_are_zero():
    groups = [{"step": s, "arm": f"sorting/{1 + s % 2}"} for s in range(1, 9)]
    table = drawn.prompt_shares(groups, [1, 2, 3], bins=4)
    assert list(table.columns) == [2, 4, 6, 8]
    assert table.loc[3].tolist() == [0.0] * 4
    assert table.loc[1].tolist() == table.loc[2].tolist() == [0.5] * 4


def test_rows_that_stand_for_several_groups_weigh_as_many():
    rows = [
        {"step": 1, "arm": "sorting/1", "prompts": 3},
        {"step": 1, "arm": "sorting/2", "prompts": 1},
    ]
    assert drawn.prompt_shares(rows, [1, 2]).to_numpy().ravel().tolist() == [0.75, 0.25]


def test_a_simulated_history_and_its_figure():
    frame = simulate(make_recipe("uniform"), steps=40).frame()
    table = drawn.prompt_shares(frame, range(1, 13))
    assert np.allclose(table.sum(), 1)
    figure = drawn.choices({"uniform": table}, "What was chosen")
    assert "What was chosen" in figures.alt_text(figure)


def test_nothing_chosen_yet_is_said():
    with pytest.raises(CurrlabError, match="no groups yet"):
        drawn.prompt_shares([], [1])


def value_table(levels, steps=2):
    shots = [
        {"Q": {f"sorting/{i}": i * step for i in range(1, levels + 1)}}
        for step in range(1, steps + 1)
    ]
    return drawn.level_values(shots, "Q")


@pytest.mark.parametrize("count", [1, 3, 7])
def test_values_of_a_few_levels_have_a_line_each(count):
    table = value_table(count)
    assert table.loc[1].tolist() == [1, 2]
    assert len(table) == count
    figure = drawn.values_over_steps(table, "Q", "values")
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert labels == [f"level {level}" for level in range(1, count + 1)]


@pytest.mark.parametrize("count", [8, 16])
def test_values_of_many_levels_are_shades_and_no_level_is_left_out(count):
    figure = drawn.values_over_steps(value_table(count), "Q", "values")
    (cells,) = (m for m in figure.axes[0].collections if m.get_gid() == "cells")
    assert cells.get_array().shape == (count, 2)
    assert cells.get_clim() == (0, 2 * count)


def test_values_after_one_step_are_drawn_whatever_their_number():
    figure = drawn.values_over_steps(value_table(16, steps=1), "Q", "values")
    assert len(figure.axes[0].lines) == 16
