"""A linear probe of difficulty on hidden states: what it is fitted to, what it then asks."""

import json

import numpy as np
import pytest
from fakes import group
from scipy.optimize import minimize
from scipy.special import expit

from currlab.curricula import Catalog, Clock, make_strategy
from currlab.errors import CurrlabError

CATALOG = Catalog.of({"sorting": range(1, 9)}, pool=32)
PLACES = {
    CATALOG.problem(arm, seed).prompt: (CATALOG.level(arm), seed)
    for arm in CATALOG.arms
    for seed in range(32)
}


class Reader:
    """Hidden states [prompts, 3 layers, 4]: the last layer holds the level and the seed's parity."""

    def __init__(self):
        self.read = 0

    def hidden(self, prompts):
        self.read += len(prompts)
        rows = [self.state(prompt) for prompt in prompts]
        middle = [[r[1], 0.0, r[0], 1.0] for r in rows]
        return np.stack([np.zeros((len(rows), 4)), np.array(middle), np.array(rows)], 1)

    def state(self, prompt):
        level, seed = PLACES[prompt]
        return [level / 4.0, float(seed % 2), (level * 7 + seed) % 5 / 5, 1.0]


def made(seed=0, **settings):
    strategy = make_strategy("difficulty_probe", seed, **settings)
    strategy.bind(CATALOG)
    return strategy


def practise(strategy, reader, rate, steps, start=0, n=8):
    """Probe, choose, observe; luck depends on the step only."""
    history = []
    for step in range(start, start + steps):
        rng = np.random.default_rng(step)
        strategy.probe(reader, Clock(step))
        picks = strategy.choose(n, Clock(step))
        strategy.observe(
            [group(CATALOG, p, (rng.random(8) < rate(p)).astype(float), step) for p in picks], {}
        )
        history.append(picks)
    return history


@pytest.mark.parametrize("label", ["success", "level"])
@pytest.mark.parametrize(("depth", "layer"), [(1.0, 2), (0.5, 1)])
def test_every_fit_of_twenty_steps_agrees_with_one_made_here(label, depth, layer):
    """Minimised by another method, from the window of the last outcomes, read at the layer named."""
    strategy, reader = made(label=label, every=1, window=30, depth=depth), Reader()
    drawn, outcomes, candidates = [], [], strategy.candidates
    strategy.candidates = lambda count: drawn.append(candidates(count)) or drawn[-1]
    for step in range(20):
        rng = np.random.default_rng(step)
        strategy.probe(reader, Clock(step))
        if outcomes:
            x = reader.hidden([problem.prompt for problem, _ in outcomes[-30:]])[:, layer]
            y = np.array([solved for _, solved in outcomes[-30:]])
            of = x
            if label == "level":
                problems = [CATALOG.problem(p.arm, p.seed) for p in drawn[-1]]
                of = reader.hidden([problem.prompt for problem in problems])[:, layer]
            mean, scale = of.mean(0), np.where(of.std(0) > 0, of.std(0), 1.0)
            z, penalty = (x - mean) / scale, 1.0
            if label == "level":
                assert len(problems) == 30
                table = np.column_stack([(of - mean) / scale, np.ones(30)])
                wanted = [*(float(problem.level) for problem in problems), 0, 0, 0, 0]
                line = np.linalg.lstsq(np.vstack([table, np.eye(5)[:4]]), wanted, rcond=None)[0]
                score = z @ line[:4] + line[4]
                z, penalty = ((score - score.mean()) / (score.std() or 1.0))[:, None], 1e-3

            def loss(w, z=z, y=y, penalty=penalty):
                v = np.clip(expit(z @ w[:-1] + w[-1]), 1e-12, 1 - 1e-12)
                cross = -(y * np.log(v) + (1 - y) * np.log(1 - v)).mean()
                return cross + penalty * (w[:-1] ** 2).sum() / 2 / len(y)

            best = minimize(loss, np.zeros(z.shape[1] + 1), method="BFGS").x
            got = expit(x @ strategy.memory["weights"] + strategy.memory["bias"])
            assert got == pytest.approx(expit(z @ best[:-1] + best[-1]), abs=2e-3)
        picks = strategy.choose(4, Clock(step))
        rates = [expit(2.0 - CATALOG.level(p.arm) / 2 + p.seed % 2) for p in picks]
        groups = [
            group(CATALOG, p, (rng.random(8) < r).astype(float), step)
            for p, r in zip(picks, rates, strict=True)
        ]
        strategy.observe(groups, {})
        outcomes += [(g.problem, g.pass_rate) for g in groups]


def test_it_goes_to_what_it_reads_as_the_target_also_inside_a_level():
    strategy, reader = made(target=0.7, every=5), Reader()
    late = practise(strategy, reader, lambda pick: 0.8 * (pick.seed % 2), 60)[40:]
    assert np.mean([pick.seed % 2 for picks in late for pick in picks]) > 0.9


def test_fitted_to_levels_it_cannot_see_more_than_the_level():
    strategy, reader = made(label="level", target=0.5, every=5), Reader()
    rates = dict(zip(CATALOG.arms, np.linspace(1, 0, 8), strict=True))
    late = practise(strategy, reader, lambda pick: rates[pick.arm] + pick.seed % 2 / 9, 60)[40:]
    levels = [CATALOG.level(pick.arm) for picks in late for pick in picks]
    assert np.mean(np.isin(levels, (4, 5))) > 0.8
    parity = np.mean([pick.seed % 2 for picks in late for pick in picks])
    assert parity == pytest.approx(0.5, abs=0.2)


def test_what_is_read_and_when():
    strategy, reader = made(every=4, window=20, candidates=3), Reader()
    read = []
    for step in range(9):
        practise(strategy, reader, lambda _: 0.5, 1, start=step, n=8)
        read.append(reader.read)
    # Nothing to fit before the first outcomes; then 20 outcomes at steps 1, 5 and so on.
    first = min(8, 20)
    assert np.diff([0, *read]).tolist() == [0, first + 24, 24, 24, 24, 20 + 24, 24, 24, 24]
    assert strategy.memory["fitted_at"] == 5
    assert len(strategy.memory["recent"]) == 20


def test_before_anything_is_known_all_problems_are_alike():
    strategy = made()
    strategy.probe(Reader(), Clock())
    levels = [CATALOG.level(pick.arm) for pick in strategy.choose(200, Clock())]
    assert set(levels) == set(range(1, 9))
    assert strategy.snapshot() == {}


@pytest.mark.parametrize("label", ["success", "level"])
def test_a_restored_probe_asks_what_the_uninterrupted_one_asks(label):
    whole, reader = made(label=label, every=3), Reader()
    expected = practise(whole, reader, lambda _: 0.5, 14)
    first, reader = made(label=label, every=3), Reader()
    practise(first, reader, lambda _: 0.5, 6)
    second = made(seed=5, label=label, every=3)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.snapshot() == first.snapshot()
    assert practise(second, Reader(), lambda _: 0.5, 8, start=6) == expected[6:]


@pytest.mark.parametrize("label", ["success", "level"])
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_all_solved_and_none_solved_are_survived(label, rate):
    strategy, reader = made(label=label, every=2), Reader()
    history = practise(strategy, reader, lambda _: rate, 10)
    assert all(len(picks) == 8 for picks in history)
    assert json.dumps(strategy.snapshot(), allow_nan=False)


def test_a_learner_without_hidden_states_is_refused():
    with pytest.raises(CurrlabError, match="this learner has none"):
        made().probe(object(), Clock())
