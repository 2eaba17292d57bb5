"""Leave-one-out and risk advantages, against plain computations."""

import numpy as np
import pytest
from update_cases import groups_of, made

from currlab.curricula.update.grpo import EPSILON


def test_leave_one_out_compares_with_the_mean_of_the_others():
    rewards = [0.2, 0.9, 0.4, 0.0]
    (row,) = made("rloo").advantages(groups_of(rewards))
    for i, reward in enumerate(rewards):
        others = [r for j, r in enumerate(rewards) if j != i]
        assert row[i] == pytest.approx(reward - sum(others) / 3)


@pytest.mark.parametrize("rewards", [[0.3, 0.3, 0.3], [1.0]])
def test_leave_one_out_of_equal_rewards_or_of_one_is_exactly_nothing(rewards):
    assert made("rloo").advantages(groups_of(rewards)) == [(0.0,) * len(rewards)]


def test_the_risk_of_a_paper_by_hand():
    """low .25, high .75, w 1; quantiles 2 and 4; papers below, between and above them."""
    risk = made("risk_po", low=0.25, high=0.75, risk=1.0)
    found = risk.risk(np.array([1.0, 3.0, 5.0]), 2.0, 4.0)
    # middle: (0 - 0 - 2) / .5 = -4, (1 - 0 - 2) / .5 = -2, (3 - 1 - 2) / .5 = 0; tail: -1 / .25 = -4.
    assert found.tolist() == [(-4 - 4) / 2, (0 - 2) / 2, 0.0]


def test_all_problems_of_a_bundle_get_their_papers_advantages():
    groups = groups_of([1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 1])
    risk = made("risk_po", bundle=2, low=0.25, high=0.75)
    rows = risk.advantages(groups)
    assert rows[0] == rows[1]
    assert rows[2] == rows[3]
    scores = np.array([2.0, 1, 0, 1, 1, 1])
    low, high = np.quantile(scores, [0.25, 0.75])
    raw = risk.risk(scores, low, high)
    expected = raw / (raw.std() + EPSILON)
    np.testing.assert_allclose([*rows[0], *rows[2]], expected)
    # The best paper of all is left alone, the worst is pushed away most.
    assert rows[0][0] == max(expected) == 0
    assert rows[0][2] == min(expected)


def test_a_bundle_that_is_not_full_is_scaled_up_and_sizes_do_not_mix():
    groups = groups_of([1, 0], [1, 1, 0], [0, 0], [1, 1])
    risk = made("risk_po", bundle=2)
    assert risk.bundles(groups) == [[0, 2], [3], [1]]
    assert [s.tolist() for s in risk.scores(groups)] == [[1, 0], [2, 2], [2, 2, 0]]


def test_the_tracked_quantiles_follow_by_quantile_steps_and_are_averaged_in():
    risk = made("risk_po", bundle=1, low=0.25, high=0.75, rate=0.1)
    first = groups_of([0.0, 1.0, 2.0, 3.0, 4.0])
    risk.observe(first, {})
    assert risk.memory["quantiles"] == [1.0, 3.0]
    second = groups_of([0.5, 2.0, 2.0, 3.5])
    assert risk.quantiles(np.array([0.5, 2.0, 2.0, 3.5])).tolist() == pytest.approx(
        [(1 + 1.625) / 2, (3 + 2.375) / 2]
    )
    risk.observe(second, {})
    # A quarter is below 1, three quarters are below 3: both stay.
    assert risk.memory["quantiles"] == pytest.approx([1.0, 3.0])
    risk.observe(groups_of([5.0] * 4), {})
    assert risk.memory["quantiles"] == pytest.approx([1.0 + 0.1 * 0.25, 3.0 + 0.1 * 0.75])


def test_equal_papers_have_no_risk_and_no_groups_are_survived():
    risk = made("risk_po", bundle=2)
    assert risk.advantages(groups_of([1, 1], [1, 1])) == [(0.0, 0.0)] * 2
    assert risk.advantages([]) == []
