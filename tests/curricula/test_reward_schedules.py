"""Partial credit, thresholds that rise, penalties that move: step by step over a whole run."""

import numpy as np
import pytest
from reward_cases import answered, scores, totals

from currlab.curricula.update.grpo import GRPO

# Their distances from 1234 are 0, 1, 2, 4 and 1 edits; the last is longer.
TEXTS = answered("1234", "1235", "1299", "5678", "12345")
CLOSE = (1.0, 0.75, 0.5, 0.0, 0.8)


def advantages(rewards):
    return np.array(GRPO().group_advantages(rewards))


def test_partial_credit_stays_below_a_right_answer():
    assert totals("graded", TEXTS) == pytest.approx([1.0, 0.375, 0.25, 0.0, 0.4])
    assert totals("graded", TEXTS, most=0.0) == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert totals("graded", answered("4321"), measure="overlap", most=0.8) == [0.8]
    assert totals("graded", answered("1235"), measure="hierarchy", most=1.0) == [0.75]
    assert totals("graded", ["", *answered("")]) == [0.0, 0.0]


def test_the_band_moves_up_once():
    for step in range(41):
        share = step / 40
        low, high = (0.5, 0.75) if share < 0.6 else (0.75, 0.9)
        expected = [0.0 if x < low else 1.0 if x > high else x for x in CLOSE]
        assert totals("vision_r1", TEXTS, share, switch=0.6) == pytest.approx(expected), share
    assert totals("vision_r1", TEXTS, 0.0) == pytest.approx([1.0, 0.75, 0.5, 0.0, 1.0])
    assert totals("vision_r1", TEXTS, 0.5) == pytest.approx([1.0, 0.75, 0.0, 0.0, 0.8])


def test_the_threshold_rises_to_exact():
    for step in range(41):
        share = step / 40
        bar = 0.4 + 0.6 * min(1.0, share / 0.5)
        expected = [float(x >= bar) for x in CLOSE]
        assert totals("rising_threshold", TEXTS, share, start=0.4, until=0.5) == expected, share
    assert totals("rising_threshold", TEXTS, 0.0, until=0.0) == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert totals("rising_threshold", TEXTS, 1.0, start=0.0) == [1.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("schedule", "wrong"),
    [
        ("constant", lambda share: 3.0),
        ("eased", lambda share: 3.0 * (1 - min(1.0, share / 0.4))),
        ("rising", lambda share: 3.0 * min(1.0, share / 0.4)),
    ],
)
def test_the_penalty_goes_as_its_schedule_says(schedule, wrong):
    texts = [*answered("1234", "4321", ""), "", "1234"]
    for step in range(31):
        share = step / 30
        cost = wrong(share)
        expected = [1.0, -cost, -cost, -0.5, -0.5]
        settings = {"wrong": 3.0, "silent": 0.5, "schedule": schedule, "until": 0.4}
        assert totals("harsh_penalty", texts, share, **settings) == pytest.approx(expected)


def test_silence_pays_where_the_penalty_outweighs_the_chance_to_be_right():
    """Of eight, one is silent and the others wrong: it alone is reinforced, unless errors are free."""
    texts = [*answered(*["4321"] * 7), ""]
    assert advantages(totals("harsh_penalty", texts, wrong=2.0))[-1] > 2
    assert not advantages(totals("harsh_penalty", texts, wrong=0.0)).any()
    assert advantages(totals("harsh_penalty", texts, wrong=1.0, silent=2.0))[-1] < -2


def test_a_penalty_alone_changes_no_advantage():
    """Two different rewards are two, however far apart: what hurts is the third way out."""
    texts = answered("1234", "4321", "4321", "1234", "9999", "12")
    mild, harsh = (totals("harsh_penalty", texts, wrong=w) for w in (0.0, 9.0))
    assert advantages(mild) == pytest.approx(advantages(harsh), abs=1e-3)


def test_what_was_graded_is_told():
    found = scores("vision_r1", TEXTS)
    assert [score.parts["closeness"] for score in found] == pytest.approx(CLOSE)
    told = [s.parts["answered"] for s in scores("harsh_penalty", ["", *answered("9")])]
    assert told == [0.0, 1.0]
