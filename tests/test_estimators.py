"""Guesses of pass rates: what they cost, and measures of how good they are, done by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from currlab.errors import CurrlabError
from currlab.estimators import (
    area_under_curve,
    brier,
    calibration_error,
    intermediate,
    metered,
    pass_rates,
    prefix_entropies,
    rank_correlation,
    roll_out,
    within_levels,
)
from currlab.models import load_model
from currlab.tasks import get_task
from currlab.training.policy import LanguagePolicy

SORTING = get_task("sorting")
PROBLEMS = [SORTING.make(level, seed) for level in (1, 4, 9) for seed in range(4)]


@pytest.fixture(scope="module")
def policy():
    return LanguagePolicy(*load_model("tiny-warm"), max_new_tokens=40)


# ---------------------------------------------------------------- asking


def test_groups_are_verified_and_equal_seeds_give_equal_answers(policy):
    groups = roll_out(policy, PROBLEMS, 6, seed=3)
    assert [group.problem for group in groups] == PROBLEMS
    for group in groups:
        verdicts = tuple(SORTING.verify(group.problem, r.text) for r in group.rollouts)
        assert group.correct == verdicts
        assert len(verdicts) == 6
    rates = pass_rates(groups)
    assert rates[:4].mean() > 0.8 > 0.1 >= rates[8:].mean()
    again, other = (roll_out(policy, PROBLEMS, 6, seed=s) for s in (3, 4))
    assert [g.rollouts for g in again] == [g.rollouts for g in groups]
    assert [g.rollouts for g in other] != [g.rollouts for g in groups]


def test_no_problems_and_no_rollouts(policy):
    assert roll_out(policy, [], 4, seed=0) == []
    with pytest.raises(CurrlabError, match="'rollouts' must be at least 1; got 0"):
        roll_out(policy, PROBLEMS, 0, seed=0)


def test_a_meter_counts_what_happens_inside_it_only(policy):
    roll_out(policy, PROBLEMS, 1, seed=0)
    with metered(policy) as cost:
        groups = roll_out(policy, PROBLEMS, 2, seed=0)
    roll_out(policy, PROBLEMS, 1, seed=0)
    assert cost.tokens_generated == sum(sum(group.lengths) for group in groups)
    assert cost.tokens_forwarded > cost.tokens_generated
    assert cost.seconds > 0
    with metered(policy) as nothing:
        pass
    assert (nothing.tokens_generated, nothing.tokens_forwarded) == (0, 0)


def test_prefixes_are_cut_from_the_same_answers_and_cost_what_they_generate(policy):
    whole, cost = {}, {}
    for length in (1, 2, 40):
        with metered(policy) as cost[length]:
            whole[length] = prefix_entropies(policy, PROBLEMS, length, seed=5)
    assert cost[1].tokens_generated == len(PROBLEMS)
    assert cost[2].tokens_generated == 2 * len(PROBLEMS)
    # Whole answers of levels 1, 4 and 9 have about 3, 6 and 11 tokens.
    assert 5 * len(PROBLEMS) <= cost[40].tokens_generated <= 9 * len(PROBLEMS)
    # The mean over two tokens is at least half of the first token's entropy: the same first token.
    assert (whole[2] >= whole[1] / 2 - 1e-6).all()
    assert (whole[40] >= 0).all()
    assert not np.array_equal(whole[40], prefix_entropies(policy, PROBLEMS, 40, seed=6))


# ---------------------------------------------------------------- measures


def test_rank_correlation_by_hand():
    assert rank_correlation(np.array([1, 2, 3]), np.array([10, 20, 30])) == pytest.approx(1)
    assert rank_correlation(np.array([3, 2, 1]), np.array([10, 20, 30])) == pytest.approx(-1)
    assert rank_correlation(np.array([1, 3, 2]), np.array([1, 2, 3])) == pytest.approx(0.5)
    assert rank_correlation(np.ones(3), np.array([1, 2, 3])) == 0.0


def test_within_levels_gives_no_credit_for_the_level():
    levels = np.repeat([1, 2, 3], 4)
    truth = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0, 0, 0, 0])
    assert rank_correlation(-levels, truth) > 0.9
    assert within_levels(-levels.astype(float), truth, levels) == 0.0
    assert within_levels(truth, truth, levels) == pytest.approx(1.0)
    assert within_levels(truth, np.zeros(12), levels) == 0.0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=12))
def test_auc_is_the_share_of_pairs_in_the_right_order(rows):
    scores, wanted = (np.array(column) for column in zip(*rows, strict=True))
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[wanted] for b in scores[~wanted]]
    got = area_under_curve(scores, wanted)
    assert got == pytest.approx(np.mean(pairs)) if pairs else np.isnan(got)


def test_brier_is_the_mean_over_the_single_rollouts():
    guess, right = np.array([0.8, 0.1]), np.array([[1, 1, 0, 1], [0, 0, 1, 0]])
    by_rollout = ((guess[:, None] - right) ** 2).mean()
    assert brier(guess, right.mean(1)) == pytest.approx(by_rollout)


def test_calibration_error_by_hand():
    guess, truth = np.array([0.05, 0.05, 0.95, 1.0]), np.array([0.0, 0.3, 0.9, 0.9])
    # First bin: means .05 and .15; last: .975 and .9; half of the problems each.
    assert calibration_error(guess, truth) == pytest.approx(0.5 * 0.1 + 0.5 * 0.075)
    assert calibration_error(truth, truth) == 0.0


def test_intermediate_includes_its_bounds():
    assert intermediate(np.array([0.0, 0.19, 0.2, 0.5, 0.8, 0.81, 1.0])).tolist() == (
        [False, False, True, True, True, False, False]
    )
