"""The one rule of promotion, and how often chance alone fulfils it."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from currlab.curricula.ladder import above_chance, chance_of_promotion, promoted


def test_a_window_must_be_full_and_its_mean_above_the_threshold():
    assert promoted([], 1.0, 2, 0.5) == (False, [1.0])
    assert promoted([1.0], 0.0, 2, 0.5) == (False, [1.0, 0.0])
    assert promoted([1.0, 0.0], 0.625, 2, 0.3) == (True, [])
    assert promoted([0.0, 0.0], 0.5, 2, 0.5) == (False, [0.0, 0.5])


def test_rounding_does_not_pass_for_success():
    assert promoted([0.1], 0.2, 2, 0.15)[0] is False


def test_a_smaller_window_forgets_what_was_remembered_for_a_larger_one():
    assert promoted([0.0] * 9, 1.0, 1, 0.5) == (True, [])


@pytest.mark.parametrize(("chance", "expected"), [(0.25, 0.625), (0.1, 0.55), (0.0, 0.5), (1, 1)])
def test_half_way_above_chance(chance, expected):
    assert above_chance(0.5, chance) == pytest.approx(expected)


def test_one_visit_is_a_binomial_tail():
    """Cog-DRIFT's literal rule and the same on correctness alone, four options and eight rollouts."""
    assert chance_of_promotion(0.25, 8, 1, 0.3, 1) == pytest.approx(binom.sf(2, 8, 0.25))
    assert chance_of_promotion(0.25, 8, 1, 0.3, 1) == pytest.approx(0.32, abs=0.005)
    assert chance_of_promotion(0.25, 8, 1, 0.5, 1) == pytest.approx(0.027, abs=0.0005)
    assert chance_of_promotion(0.25, 8, 1, 0.5, 50) == pytest.approx(
        1 - (1 - binom.sf(4, 8, 0.25)) ** 50
    )


@pytest.mark.parametrize(("window", "threshold"), [(2, 0.5), (3, 0.4), (3, 0.0)])
def test_the_exact_chance_is_the_sum_over_all_histories(window, threshold):
    """Every history of five visits of two tries, and the rule applied to it."""
    p, n, visits = 0.3, 2, 5
    total = 0.0
    for history in product(range(n + 1), repeat=visits):
        recent, up = [], False
        for hits in history:
            up, recent = promoted(recent, hits / n, window, threshold)
            if up:
                break
        total += up * np.prod(binom.pmf(history, n, p))
    assert chance_of_promotion(p, n, window, threshold, visits) == pytest.approx(total)


def test_the_window_is_never_full_before_so_many_visits():
    assert chance_of_promotion(1.0, 4, 3, 0.5, 2) == 0.0
    assert chance_of_promotion(1.0, 4, 3, 0.5, 3) == pytest.approx(1.0)
    assert chance_of_promotion(0.0, 4, 3, 0.0, 50) == 0.0
