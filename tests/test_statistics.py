"""Intervals, effect sizes and verdicts: agreement with references, level and power, odd inputs."""

import math

import numpy as np
import pytest
from scipy import stats

from currlab import statistics
from currlab.curricula import Catalog, make_recipe
from currlab.errors import CurrlabError
from currlab.statistics import (
    bootstrap,
    decide,
    fewest_seeds,
    holm,
    interquartile_mean,
    median_of_rows,
    probability_of_improvement,
    sign_flip_p_value,
)
from currlab.student import simulate

FIXED = np.array([0.31, 0.12, -0.05, 0.44, 0.27, 0.08, 0.19, -0.11, 0.36])


# ---------------------------------------------------------------- references


@pytest.mark.parametrize(
    ("ours", "theirs"), [(np.mean, statistics.mean_of_rows), (np.median, median_of_rows)]
)
def test_bootstrap_agrees_with_scipy(ours, theirs):
    reference = stats.bootstrap(
        (FIXED,), ours, n_resamples=50_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    got = bootstrap(FIXED, theirs)
    assert got.estimate == ours(FIXED)
    assert (got.low, got.high) == pytest.approx(reference, abs=0.01)


def test_sign_flips_agree_with_counting_all_of_them():
    flips = (np.arange(2**9)[:, None] >> np.arange(9) & 1) * 2 - 1
    means = np.abs((flips * FIXED).mean(axis=1))
    assert sign_flip_p_value(FIXED) == np.mean(means >= abs(FIXED.mean()) - 1e-12)


def test_many_pairs_are_drawn_and_agree_with_the_t_test():
    differences = np.random.default_rng(0).normal(0.3, 1, size=40)
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert sign_flip_p_value(differences) == pytest.approx(expected, abs=0.01)
    assert sign_flip_p_value(differences) == sign_flip_p_value(differences)


def test_holm_agrees_with_the_hand():
    # Sorted .005 .01 .03 .04 times 4 3 2 1 is .02 .03 .06 .04, and never falls.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, math.nan, 0.9])[::2] == pytest.approx([1.0, 1.0])
    assert math.isnan(holm([0.5, math.nan])[1])
    assert holm([]) == []


def test_improvement_agrees_with_counting_pairs():
    rng = np.random.default_rng(3)
    ours, theirs = rng.integers(5, size=(7, 3)), rng.integers(5, size=(6, 3))
    pairs = ours[:, None, :], theirs[None, :, :]
    counted = np.mean(pairs[0] > pairs[1]) + np.mean(pairs[0] == pairs[1]) / 2
    assert probability_of_improvement(ours, theirs) == pytest.approx(counted)
    assert probability_of_improvement(theirs, ours) == pytest.approx(1 - counted)


def test_the_interquartile_mean_takes_runs_and_levels_together():
    scores = np.arange(16.0).reshape(4, 4) ** 2
    assert interquartile_mean(scores) == np.mean(np.arange(4, 12) ** 2)


# ---------------------------------------------------------------- level and power


def share_of_verdicts(studies):
    """Share of studies (pairs of seeds' scores) whose verdict is better or worse."""
    verdicts = [decide([ours - theirs])[0].verdict for ours, theirs in studies]
    return np.mean([v in (statistics.BETTER, statistics.WORSE) for v in verdicts])


@pytest.mark.parametrize("seeds", [8, 10])
def test_equal_recipes_are_told_apart_in_at_most_7_of_100_gaussian_studies(seeds):
    studies = np.random.default_rng(seeds).normal(size=(400, 2, seeds))
    assert 0 < share_of_verdicts(studies) <= 0.07


def test_equal_recipes_are_told_apart_in_at_most_7_of_100_simulated_studies():
    """The same recipe twice on the simulated student, all seeds different."""
    catalog = Catalog.of({"sorting": (2, 4, 6)})
    ends = [
        simulate(make_recipe("uniform", seed=s), None, catalog, steps=3, prompts=4, seed=s)
        .pass_rate[-1]
        .mean()
        for s in range(400 * 2 * 8)
    ]
    assert np.std(ends) > 0
    assert 0 < share_of_verdicts(np.reshape(ends, (400, 2, 8))) <= 0.07


def test_equal_recipes_among_several_are_told_apart_no_more_often():
    """Five comparisons with one baseline: some false verdict in at most 7 of 100 studies."""
    scores = np.random.default_rng(0).normal(size=(200, 6, 8))
    false = [any(d.p_value <= 0.05 for d in decide(recipes[1:] - recipes[0])) for recipes in scores]
    assert np.mean(false) <= 0.07


def test_an_effect_of_one_and_a_half_standard_deviations_is_found():
    studies = np.random.default_rng(5).normal(size=(400, 2, 10))
    studies[:, 0] += 1.5
    verdicts = [decide([ours - theirs])[0].verdict for ours, theirs in studies]
    assert np.mean([v == statistics.BETTER for v in verdicts]) >= 0.8
    assert statistics.WORSE not in verdicts


# ---------------------------------------------------------------- verdicts and odd inputs


def test_verdicts_have_the_sign_of_the_difference():
    up = np.linspace(0.1, 0.2, 8)
    assert [d.verdict for d in decide([up, -up, up - up.mean()])] == [
        "better",
        "worse",
        "no difference shown",
    ]


def test_too_few_seeds_are_said_and_do_not_count_against_the_others():
    up = np.linspace(0.1, 0.2, 8)
    few = decide([up, up[:7], up[:1], []])
    assert few[0] == decide([up])[0] == (2 / 2**8, "better")
    assert [d.verdict for d in few[1:]] == ["too few seeds"] * 3
    assert all(math.isnan(d.p_value) for d in few[1:])


@pytest.mark.parametrize("comparisons", [1, 2, 6, 7, 12, 13, 40])
def test_the_fewest_seeds_are_just_enough(comparisons):
    seeds = fewest_seeds(comparisons)
    assert comparisons * 2 / 2**seeds <= 0.05
    assert seeds == 8 or comparisons * 2 / 2 ** (seeds - 1) > 0.05


def test_more_comparisons_than_8_seeds_can_carry_have_no_verdict():
    up = np.linspace(0.1, 0.2, 8)
    assert {d.verdict for d in decide([up] * 6)} == {"better"}
    assert {d.verdict for d in decide([up] * 7)} == {"too few seeds"}


def test_all_equal_shows_no_difference():
    assert decide([np.zeros(8)])[0] == (1.0, "no difference shown")
    assert probability_of_improvement(np.ones((4, 2)), np.ones((3, 2))) == 0.5
    assert bootstrap(np.ones(8)) == (1.0, 1.0, 1.0)


def test_ties_among_the_differences_count_as_extreme():
    # 256 flips of eight equal differences: only the two with one sign are as far from nothing.
    assert sign_flip_p_value(np.full(8, 0.1)) == 2 / 2**8
    assert sign_flip_p_value([0.1] * 4 + [0] * 4) == 2 / 2**4


def test_one_seed_has_an_estimate_and_no_interval():
    estimate, low, high = bootstrap([0.4])
    assert (estimate, math.isnan(low), math.isnan(high)) == (0.4, True, True)
    assert sign_flip_p_value([0.4]) == 1
    assert all(math.isnan(v) for v in bootstrap([]))
    assert math.isnan(sign_flip_p_value([]))


def test_a_threshold_never_reached_is_infinity():
    got = bootstrap([0.4, 0.5, 0.6, 0.7, math.inf], median_of_rows)
    assert (got.estimate, got.low, got.high) == (0.6, 0.4, math.inf)


@pytest.mark.parametrize(
    "measure",
    [bootstrap, interquartile_mean, sign_flip_p_value, lambda v: decide([v])],
)
def test_missing_scores_are_refused(measure):
    with pytest.raises(CurrlabError, match="missing"):
        measure([0.1, math.nan])


def test_infinite_differences_are_refused():
    with pytest.raises(CurrlabError, match="finite"):
        sign_flip_p_value([0.1, math.inf])


def test_scores_on_other_levels_are_refused():
    with pytest.raises(CurrlabError, match="same levels; got 2 and 3"):
        probability_of_improvement(np.ones((4, 2)), np.ones((4, 3)))
