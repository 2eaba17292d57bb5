"""What holds for every update strategy: saving, seeds, odd groups, honest numbers."""

import json

import numpy as np
import pytest
from fakes import CATALOG
from update_cases import UPDATES, clock_after, groups_of, made, step_metrics, weighed

from currlab.curricula import make_strategy


def play(strategy, start, stop, luck=0.3):
    """What the strategy asks of an engine from step to step; luck and norms depend on the step."""
    told = []
    for step in range(start, stop):
        rng, clock = np.random.default_rng(step), clock_after(step)
        rewards = (rng.random((6, 4)) < luck).astype(float)
        groups, advantages = weighed(strategy, groups_of(*rewards, step=step))
        shown = strategy.imitate(groups, CATALOG, clock)
        told.append((advantages, shown, strategy.weights(clock)))
        strategy.observe(groups, step_metrics(step + 1, norm=float(rng.exponential())))
    return told


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize("luck", [0.0, 0.3, 1.0])
def test_a_restored_run_asks_for_what_the_uninterrupted_one_asks(name, luck):
    whole = play(make_strategy(name, seed=3), 0, 18, luck)
    first, second = make_strategy(name, seed=3), make_strategy(name, seed=9)
    play(first, 0, 8, luck)
    saved = json.loads(json.dumps(first.state_dict()))
    play(first, 8, 11, luck)  # what is lost by the kill
    second.load_state_dict(saved)
    assert play(second, 8, 18, luck) == whole[8:]


@pytest.mark.parametrize("name", UPDATES)
def test_an_empty_step_changes_nothing_that_is_learnt(name):
    strategy = made(name)
    play(strategy, 0, 5)
    before = json.dumps(strategy.memory)
    strategy.observe([], {})
    assert json.dumps(strategy.memory) == before


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize("luck", [0.0, 0.5, 1.0])
def test_advantages_and_weights_are_finite_and_no_weight_is_negative(name, luck):
    for advantages, shown, weights in play(made(name), 0, 20, luck):
        assert np.isfinite(advantages).all()
        assert min(weights) >= 0
        assert all(0 < demonstration.weight < np.inf for demonstration in shown)
        for demonstration in shown:
            problem = demonstration.problem
            assert CATALOG.task(problem.arm).verify(problem, demonstration.text)


@pytest.mark.parametrize("name", UPDATES)
def test_imitating_twice_asks_for_the_same_twice(name):
    """An engine may build a step's batch more than once; only `observe` may change anything."""
    strategy = made(name)
    play(strategy, 0, 7)
    groups = groups_of([0, 0, 0, 0], [1, 0, 0, 1])
    before = json.dumps(strategy.state_dict())
    first = strategy.imitate(groups, CATALOG, clock_after(7))
    assert strategy.imitate(groups, CATALOG, clock_after(7)) == first
    assert strategy.advantages(groups) == strategy.advantages(groups)
    assert json.dumps(strategy.state_dict()) == before


@pytest.mark.parametrize("name", UPDATES)
def test_what_an_update_strategy_tells_of_itself_is_finite(name):
    strategy = made(name)
    for step in range(12):
        assert json.loads(json.dumps(strategy.snapshot(), allow_nan=False)) == strategy.snapshot()
        play(strategy, step, step + 1)
