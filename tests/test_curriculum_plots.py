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


@pytest.mark.parametrize("count", [1, 3, 16])
def test_values_have_a_row_a_level_and_at_most_seven_lines(count):
    shots = [{"Q": {f"sorting/{i}": i * step for i in range(1, count + 1)}} for step in (1, 2)]
    table = drawn.level_values(shots, "Q")
    assert table.loc[1].tolist() == [1, 2]
    assert len(table) == count
    figure = drawn.values_over_steps(table, "Q", "values")
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert len(labels) == min(count, 7)
    assert labels[-1] == f"level {count}"
