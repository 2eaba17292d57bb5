"""Heads on top of features: they find what is there, survive what is odd, and are where they say."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import spearmanr

from currlab.errors import CurrlabError
from currlab.heads import LogisticHead, calibrated, curve, linear_probe, ridge


def rank_correlation(guess, truth):
    return spearmanr(guess, truth).statistic


def outcomes(n=400, d=6, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(3.0, 5.0, size=(n, d))
    w = rng.normal(size=d) / 5
    return x, expit((x - 3.0) @ w), rng


def test_a_head_finds_the_pass_rates_behind_noisy_outcomes():
    x, p, rng = outcomes()
    head = LogisticHead().fit(x[:300], rng.binomial(8, p[:300]) / 8)
    guess = head.predict(x[300:])
    assert np.abs(guess - p[300:]).mean() < 0.05
    assert rank_correlation(guess, p[300:]) > 0.95


def test_a_head_is_at_the_minimum_of_its_loss():
    x, p, rng = outcomes(80, 3)
    rates = rng.binomial(8, p) / 8
    head = LogisticHead(penalty=2.0).fit(x, rates)

    def loss(w, b):
        v = expit(x @ w + b)
        cross = -(rates * np.log(v) + (1 - rates) * np.log(1 - v)).mean()
        return cross + 2.0 * ((w * x.std(0)) ** 2).sum() / 2 / 80

    best = loss(head.weights, head.bias)
    for _ in range(30):
        step = 0.02 * rng.normal(size=4)
        assert loss(head.weights + step[:3] / x.std(0), head.bias + step[3]) > best


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_outcomes_that_are_all_equal_give_finite_extreme_guesses(rate):
    x = np.random.default_rng(0).normal(size=(20, 4))
    guess = LogisticHead().fit(x, np.full(20, rate)).predict(x)
    assert np.isfinite(guess).all()
    assert np.abs(guess - rate).max() < 0.01


def test_a_feature_that_never_changes_and_huge_features_are_survived():
    x, p, _ = outcomes(100, 2)
    odd = np.column_stack([np.full(100, 7.0), x * 1e9])
    guess = LogisticHead().fit(odd, p).predict(odd)
    assert rank_correlation(guess, p) > 0.95
    probed = linear_probe(odd, p, odd)
    assert np.isfinite(probed).all()
    assert LogisticHead().fit(x[:1], p[:1]).predict(x[:1]) == pytest.approx(p[:1], abs=0.01)


@pytest.mark.parametrize("fit", [LogisticHead().fit, lambda x, y: linear_probe(x, y, x)])
@pytest.mark.parametrize(
    ("features", "targets", "said"),
    [
        (np.zeros((0, 3)), np.zeros(0), "at least one"),
        (np.zeros(4), np.zeros(4), r"got the shapes \(4,\)"),
        (np.zeros((4, 2)), np.zeros(3), r"and \(3,\)"),
        (np.full((2, 2), np.nan), np.zeros(2), "finite"),
    ],
)
def test_features_that_do_not_fit_are_refused(fit, features, targets, said):
    with pytest.raises(CurrlabError, match=said):
        fit(features, targets)


def test_a_linear_probe_is_ridge_regression():
    x, _, rng = outcomes(60, 3)
    labels = x @ [0.5, -1.0, 0.0] + 2 + 0.01 * rng.normal(size=60)
    assert linear_probe(x[:40], labels[:40], x[40:], 1e-6) == pytest.approx(labels[40:], abs=0.05)
    shrunk = linear_probe(x[:40], labels[:40], x[40:], 1e9)
    assert shrunk == pytest.approx(np.full(20, labels[:40].mean()), abs=1e-3)


def test_calibration_turns_any_score_into_a_rate_and_keeps_or_reverses_its_order():
    rng = np.random.default_rng(0)
    score = rng.normal(size=500) * 30 - 200
    p = expit(-(score + 200) / 20)
    guess = calibrated(score[:400], rng.binomial(8, p[:400]) / 8, score[400:])
    assert np.abs(guess - p[400:]).max() < 0.06
    assert rank_correlation(guess, score[400:]) == pytest.approx(-1.0)


def test_a_ridge_line_is_the_minimum_of_its_loss():
    x, _, rng = outcomes(50, 3)
    labels, penalty = rng.normal(size=50), 4.0
    weights, bias = ridge(x, labels, penalty)

    def loss(w, b):
        return ((x @ w + b - labels) ** 2).sum() + penalty * ((w * x.std(0)) ** 2).sum()

    for _ in range(30):
        step = 0.01 * rng.normal(size=4)
        assert loss(weights + step[:3] / x.std(0), bias + step[3]) > loss(weights, bias)


def test_a_curve_on_top_of_a_line_is_a_head_on_the_features():
    """What the strategy that reads levels relies on."""
    x, p, _ = outcomes(80, 3)
    weights, bias = ridge(x, p)
    head = curve(x @ weights + bias, p)
    folded = expit(x @ (head.weights[0] * weights) + head.weights[0] * bias + head.bias)
    assert folded == pytest.approx(calibrated(x @ weights + bias, p, x @ weights + bias))
