"""UDS: nuclear norms, distances to the past, and a memory that forgets its oldest rows."""

import json

import numpy as np
import pytest
from learner import FakePolicy

from currlab.curricula import Catalog, Clock, make_strategy
from currlab.curricula.select.utility import COLUMNS, ROWS, nuclear_norms
from currlab.errors import CurrlabError

CATALOG = Catalog.of({"sorting": range(1, 5)})
WORDS = 9


class Logits:
    """A learner whose logits depend on the answer alone, and grow with its length."""

    def __init__(self):
        self.read = 0

    def logits(self, prompts, answers):
        self.read += len(answers)
        return [
            np.random.default_rng(len(answer)).normal(size=(len(answer) + 1, WORDS))
            * len(answer)
            / 20
            for answer in answers
        ]


def uds(seed=0, **settings):
    strategy = make_strategy("uds", seed, **settings)
    strategy.bind(CATALOG)
    return strategy


def matrices(rng, count=12):
    return [rng.normal(size=(rng.integers(2, 12), WORDS)) for _ in range(count)]


def test_the_nuclear_norm_is_the_trace_of_the_root_of_the_square():
    found = matrices(np.random.default_rng(0))
    roots = [np.sqrt(np.clip(np.linalg.eigvalsh(m.T @ m), 0, None)).sum() for m in found]
    np.testing.assert_allclose(nuclear_norms(found), roots, rtol=1e-6)


def test_equal_rows_are_worth_less_than_different_ones_of_the_same_length():
    same, different = np.tile(np.eye(WORDS)[0], (4, 1)), np.eye(WORDS)[:4]
    assert nuclear_norms([same, different]) == pytest.approx([2.0, 4.0])


@pytest.mark.parametrize("alpha", [0.0, 0.5, 6.6])
def test_thirty_batches_are_chosen_as_the_formula_says(alpha):
    """The expectation keeps every chosen row in a list and computes all distances one by one."""
    strategy, rng, past = uds(diversity=alpha, memory=7), np.random.default_rng(1), []
    for _ in range(30):
        found = matrices(rng)
        scores = []
        for matrix in found:
            z = strategy.squeeze(matrix)
            distances = [np.sqrt(((z - old) ** 2).sum()) for old in past[-7:]]
            utility = np.linalg.svd(matrix)[1].sum()
            scores.append(utility + alpha * (np.mean(distances) if distances else 0.0))
        expected = sorted(range(len(found)), key=lambda i: -scores[i])[:3]
        chosen = strategy.keep(nuclear_norms(found), found, 3)
        assert chosen.tolist() == expected
        past += [strategy.squeeze(found[i]) for i in expected]


def test_squeezing_is_linear_small_and_keeps_lengths_on_average():
    one, other = matrices(np.random.default_rng(2), 2)
    size = min(len(one), len(other))
    one, other = one[:size], other[:size]
    strategy = uds()
    z = strategy.squeeze(one + 2 * other)
    np.testing.assert_allclose(z, strategy.squeeze(one) + 2 * strategy.squeeze(other), atol=1e-9)
    assert z.shape == (ROWS * COLUMNS,)
    squares = [(uds(seed).squeeze(one) ** 2).sum() for seed in range(300)]
    assert np.mean(squares) == pytest.approx((one**2).sum(), rel=0.15)


def test_an_answer_longer_than_the_projection_is_cut():
    assert np.isfinite(uds().squeeze(np.ones((5000, WORDS)))).all()


def test_the_longest_answers_win_where_only_the_norm_counts():
    strategy, learner = uds(diversity=0.0), Logits()
    levels = []
    for step in range(10):
        clock = Clock(step, step / 10)
        strategy.probe(learner, clock)
        levels += [CATALOG.level(pick.arm) for pick in strategy.choose(8, clock)]
    assert np.mean(np.array(levels) == 4) > 0.7  # a quarter of the candidates, four times as many
    assert learner.read == 10 * 8 * 4
    utility = strategy.snapshot()["utility"]
    assert utility["sorting/1"] < utility["sorting/4"]


def test_a_restored_strategy_goes_on_as_the_uninterrupted_one():
    def run(strategy, start, stop):
        picks = []
        for step in range(start, stop):
            clock = Clock(step, step / 12)
            strategy.probe(Logits(), clock)
            picks.append(strategy.choose(4, clock))
        return picks

    whole, first, second = uds(memory=9), uds(memory=9), uds(seed=5, memory=9)
    expected = run(whole, 0, 12)
    run(first, 0, 5)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert run(second, 5, 12) == expected[5:]


def test_a_pool_s_problems_are_chosen_from_and_nothing_is_asked_for_nothing():
    strategy, learner = make_strategy("uds"), Logits()
    strategy.bind(Catalog.of({"sorting": [1, 2]}, pool=3))
    strategy.probe(learner, Clock(0, 0.0))
    assert strategy.choose(0, Clock(0, 0.0)) == []
    assert learner.read == 0
    picks = strategy.choose(5, Clock(0, 0.0))
    assert all(0 <= pick.seed < 3 for pick in picks)
    assert len(picks) == 5


def test_a_learner_without_logits_is_refused():
    with pytest.raises(CurrlabError, match="reads the logits of worked answers"):
        uds().probe(FakePolicy(CATALOG, 0.5), Clock(0, 0.0))
