"""Sums by arm and stretch of steps, against sums by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from currlab.lab.tally import STRETCHES, ArmRecord, tally


def test_cells_weigh_steps_by_their_groups():
    rows = [
        (1, "sorting/2", ArmRecord(3, 1.0, 1.0)),
        (2, "sorting/2", ArmRecord(1, 0.0, 0.0)),
        (2, "sorting/10", ArmRecord(4, 0.25, 0.5)),
        (2 * STRETCHES, "sorting/10", ArmRecord(2, 0.5, 0.0)),
    ]
    found = tally(rows)
    assert list(found.shares.index) == ["2", "10"]
    assert list(found.shares.columns) == list(range(2, 2 * STRETCHES + 1, 2))
    assert found.shares.loc["2", 2] == 0.5
    assert found.pass_rate.loc["2", 2] == 0.75
    assert found.zero_variance.loc["10", 2] == 0.5
    assert found.shares.loc["10", 2 * STRETCHES] == 1.0
    assert np.isnan(found.pass_rate.loc["2", 2 * STRETCHES])
    assert found.pass_rate.index.name == "level"


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 4), st.integers(1, 9)), min_size=1))
def test_every_group_is_counted_once(drawn):
    rows = [(step, f"sorting/{level}", ArmRecord(n, 0.5, 0.0)) for step, level, n in drawn]
    found, last = tally(rows), max(step for step, _, _ in drawn)
    ends = list(found.shares.columns)
    assert ends[-1] == last
    assert len(ends) <= STRETCHES
    total = {
        end: sum(n for step, _, n in drawn if start < step <= end)
        for start, end in zip([0, *ends], ends, strict=False)
    }
    sums = found.shares.sum()
    for end in ends:
        assert (sums[end] == pytest.approx(1.0)) if total[end] else (total[end] == sums[end] == 0)


def test_equal_levels_of_two_tasks_are_two_arms():
    found = tally([(1, f"{task}/3", ArmRecord(1, 0.5, 0.0)) for task in ("sorting", "brackets")])
    assert list(found.shares.index) == ["brackets/3", "sorting/3"]
    assert found.shares.index.name == "arm"


def test_nothing_makes_empty_tables():
    assert tally([]).shares.empty
