"""Strategies that ask the learner first: ADCL, PUDF and EDCO, and what holds for every probe."""

import json
from dataclasses import replace

import numpy as np
import pytest
from fakes import group
from learner import FakePolicy
from scipy.optimize import approx_fprime, minimize
from scipy.special import expit
from scipy.stats import norm

from currlab.curricula import Catalog, Clock, Pick, View, make_recipe, make_strategy
from currlab.curricula.core import Select
from currlab.curricula.registry import STRATEGIES
from currlab.curricula.select.irt import ability, fit_rasch
from currlab.errors import CurrlabError
from currlab.training.collect import Collector, with_advantages

POOL = Catalog.of({"sorting": range(2, 8)}, pool=10)
RATES = dict(zip(POOL.arms, [0.95, 0.8, 0.6, 0.4, 0.2, 0.05], strict=True))
# These read hidden states or logits, if anything, and ask for no answers.
READING = ("pcl", "uds", "difficulty_probe", "token_curriculum")
PROBING = sorted(
    n
    for n, c in STRATEGIES.items()
    if n not in READING and getattr(c, "probe", None) not in (None, Select.probe)
)


def bound(name, catalog=POOL, seed=0, **settings):
    recipe = make_recipe(name, seed=seed, settings={name: settings})
    recipe.select.bind(catalog)
    return recipe


def run(recipe, policy, steps, start=0, n=6, total=20, seed=0):
    """Probe, choose and observe; luck depends on (seed, step) only."""
    history = []
    for step in range(start, start + steps):
        clock, rng = Clock(step, step / total), np.random.default_rng([seed, step])
        recipe.select.probe(policy, clock)
        picks = recipe.select.choose(n, clock)
        rows = [(rng.random(8) < RATES[pick.arm]).astype(float) for pick in picks]
        groups = [group(POOL, pick, row, step) for pick, row in zip(picks, rows, strict=True)]
        recipe.observe(with_advantages(recipe, groups), {})
        history.append(picks)
    return history


def test_the_probing_strategies_are_known():
    assert {"adcl", "bots", "edco", "pudf"} <= set(PROBING)


@pytest.mark.parametrize("name", PROBING)
def test_a_restored_run_asks_and_draws_what_the_uninterrupted_one_does(name):
    policy = FakePolicy(POOL, RATES)
    whole = run(bound(name), policy, 20)
    asked = policy.asked
    first = bound(name)
    before = FakePolicy(POOL, RATES)
    run(first, before, 9)
    saved = json.loads(json.dumps(first.state_dict()))
    second, after = bound(name, seed=5), FakePolicy(POOL, RATES)
    second.load_state_dict(saved)
    assert run(second, after, 11, start=9) == whole[9:]
    assert before.asked + after.asked == asked
    assert asked


@pytest.mark.parametrize("name", PROBING)
@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize(
    "catalog", [POOL, Catalog.of({"sorting": [3]}, pool=2)], ids=["pool", "tiny"]
)
def test_probes_that_all_fail_or_all_succeed_are_survived(name, rate, catalog):
    recipe, policy = bound(name, catalog), FakePolicy(catalog, rate)
    for step in range(20):
        clock = Clock(step, step / 20)
        recipe.select.probe(policy, clock)
        picks = recipe.select.choose(5, clock)
        groups = [group(catalog, pick, [rate] * 4, step) for pick in picks]
        recipe.observe(with_advantages(recipe, groups), {})
        assert len(picks) == 5
        assert json.dumps(recipe.snapshot(), allow_nan=False)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("bots", {}),
        ("label_propagation", {}),
        ("difficulty_split", {}),
        ("reward_pool", {"visits": 1}),
        ("retrospective", {}),
        ("stages", {"window": 1}),
        ("pcl", {}),
        ("difficulty_probe", {}),
        ("pudf", {"evidence": "training"}),
        ("sec", {"objective": "progress"}),
    ],
)
def test_success_with_a_hint_is_not_read_as_ability(name, settings):
    recipe = bound(name, **settings)
    before = json.dumps(recipe.select.state_dict())
    for solved in ([1.0] * 8, [0.0] * 8):
        plain = [group(POOL, Pick(arm, 0), solved) for arm in POOL.arms]
        hinted = [
            replace(g, rollouts=tuple(replace(r, view=View("q", prefix="1")) for r in g.rollouts))
            for g in plain
        ]
        recipe.observe(with_advantages(recipe, hinted), {})
    assert json.dumps(recipe.select.state_dict()) == before
    recipe.observe(with_advantages(recipe, plain), {})
    recipe.observe(with_advantages(recipe, [group(POOL, Pick(POOL.arms[0], 0), [1.0] * 8)]), {})
    assert json.dumps(recipe.select.state_dict()) != before


def test_the_collector_probes_before_it_chooses():
    recipe = make_recipe("pudf")
    policy = FakePolicy(POOL, RATES)
    collector = Collector(recipe, POOL, policy, seed=0)
    assert len(collector.choose(4, Clock())) == 4
    assert len(policy.asked) == 4 * 60 + 60
    assert recipe.select.memory["crowd"]


# ---------------------------------------------------------------- ADCL


def item(pick):
    return POOL.arms.index(pick.arm) * 10 + pick.seed


def test_adcl_resorts_each_block_by_the_current_policy_and_moves_nothing_between_blocks():
    """Twenty-one steps over three blocks, against a sort made here from what the probe saw."""
    recipe = bound("adcl", blocks=3, rollouts=4, initial="level")
    policy = FakePolicy(POOL, RATES)
    blocks = [block.tolist() for block in np.split(recipe.select.values["order"], 3)]
    for step in range(21):
        clock, t = Clock(step, step / 21), step / 20
        # The learner gets worse at easy problems and better at hard ones as it trains.
        policy.chances = {a: (1 - t) * r + t * (1 - r) for a, r in RATES.items()}
        before, now = len(policy.asked), step // 7
        recipe.select.probe(policy, clock)
        if step in (7, 14):
            keys = [POOL.problem(POOL.arms[i // 10], i % 10).key for i in blocks[now]]
            assert policy.asked[before:] == [key for key in keys for _ in range(4)]
            hits = np.reshape(policy.solved[before:], (20, 4)).sum(1).tolist()
            easy_first = sorted(range(20), key=lambda i: -hits[i])
            assert easy_first != list(range(20))
            blocks[now] = [blocks[now][i] for i in easy_first]
        else:
            assert len(policy.asked) == before
        begin = min(int((step % 7) / 7 * 20 + 1e-9), 17)
        shown = [item(pick) for pick in recipe.select.choose(3, clock)]
        assert shown == blocks[now][begin : begin + 3]


def test_adcl_sorts_by_probed_pass_rates():
    # The task's own levels are wrong here: the harder the level, the more is solved.
    backwards = dict(zip(POOL.arms, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0], strict=True))
    recipe, policy = bound("adcl", initial="probe"), FakePolicy(POOL, backwards)
    recipe.select.probe(policy, Clock())
    assert len(policy.asked) == 60 * 4
    solved = [backwards[POOL.arms[i // 10]] for i in recipe.select.values["order"]]
    assert solved == [1.0] * 30 + [0.0] * 30
    levels = [i // 10 for i in recipe.select.values["order"]]
    assert levels == sorted(levels[:30]) + sorted(levels[30:])


def test_adcl_goes_through_its_pool_once():
    recipe = bound("adcl", initial="level")
    seen = [item(p) for s in range(20) for p in recipe.select.choose(3, Clock(s, s / 20))]
    assert sorted(seen) == list(range(60))


# ---------------------------------------------------------------- PUDF


def simulated(models=40, items=120, seed=0):
    rng = np.random.default_rng(seed)
    theta, b = rng.normal(size=models), rng.normal(size=items) * 1.2
    return theta, b, (rng.random((models, items)) < expit(theta[:, None] - b)).astype(float)


def test_rasch_fit_is_the_maximum_of_the_posterior_and_finds_the_truth():
    theta, b, u = simulated()
    got_theta, got_b = fit_rasch(u)
    assert np.corrcoef(b, got_b)[0, 1] > 0.9
    assert np.corrcoef(theta, got_theta)[0, 1] > 0.9

    def posterior(x):
        t, d = x[:40], x[40:]
        p = expit(t[:, None] - d)
        likelihood = np.log(np.where(u == 1, p, 1 - p)).sum()
        return likelihood + norm.logpdf(t).sum() + norm.logpdf(d, scale=2.0).sum()

    # The posterior is concave, so it is highest where its slope is 0.
    slope = approx_fprime(np.concatenate([got_theta, got_b]), posterior)
    assert np.abs(slope).max() < 1e-3


def test_rasch_fit_survives_answers_that_are_all_equal():
    for u in (np.zeros((3, 5)), np.ones((3, 5))):
        theta, b = fit_rasch(u)
        assert np.isfinite(theta).all()
        assert np.isfinite(b).all()
        assert np.ptp(b) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("seed", range(25))
def test_ability_is_the_optimum_of_both_likelihoods(seed):
    """Nelder-Mead on the formula as released and on the textbook's, from .1, on random answers."""
    rng = np.random.default_rng(seed)
    b, right = rng.normal(size=30) * 1.5, rng.integers(0, 2, 30)
    u = 2 * right - 1

    def coded(x):
        s = expit(x[0] - b)
        return -(norm.logpdf(x[0]) + np.log1p((2 * s - 1) * u).sum())

    def textbook(x):
        return -(norm.logpdf(x[0]) + np.log(expit(u * (x[0] - b))).sum())

    for likelihood in (coded, textbook):
        found = minimize(likelihood, [0.1], method="Nelder-Mead", options={"xatol": 1e-7}).x[0]
        assert ability(b, right) == pytest.approx(found, abs=1e-4)


def test_pudf_shows_what_the_learner_is_able_to_do():
    recipe = bound("pudf", every=5)
    _, _, answers = simulated(12, 60)
    recipe.select.set_crowd(answers)
    policy = FakePolicy(POOL, RATES)
    for step in range(10):
        before = len(policy.asked)
        recipe.select.probe(policy, Clock(step, step / 10))
        assert len(policy.asked) - before == (60 if step % 5 == 0 else 0)
        b, theta = recipe.select.values["difficulty"], recipe.select.memory["ability"]
        assert (b <= theta).sum() > 6
        assert all(b[item(pick)] <= theta for pick in recipe.select.choose(6, Clock(step)))


@pytest.mark.parametrize("q", [0.5, 0.8])
def test_pudf_takes_the_easiest_where_the_filter_leaves_too_few(q):
    recipe = bound("pudf", success=q)
    b = np.linspace(0.0, 3.0, 60)
    recipe.select.values["difficulty"] = b
    recipe.select.memory["ability"] = b[7] + 1e-6 + np.log(q / (1 - q))
    allowed = [item(pick) for pick in recipe.select.choose(8, Clock())]
    assert sorted(allowed) == list(range(8))
    few = [item(pick) for pick in recipe.select.choose(20, Clock())]
    assert sorted(few) == list(range(20))


def test_pudf_reads_ability_from_training_groups_when_asked():
    recipe = bound("pudf", evidence="training")
    b = recipe.select.values["difficulty"]
    solved = {0: 8, 25: 5, 59: 1}
    groups = [
        group(POOL, Pick(POOL.arms[i // 10], i % 10), [1.0] * s + [0.0] * (8 - s))
        for i, s in solved.items()
    ]
    recipe.observe(groups, {})
    answers = [(b[i], k < s) for i, s in solved.items() for k in range(8)]
    expected = ability(np.array([x for x, _ in answers]), np.array([y for _, y in answers]))
    assert recipe.select.memory["ability"] == pytest.approx(expected)


def test_pudf_agrees_with_its_formulas_on_twenty_five_updates():
    """Ability from every step's answers by Nelder-Mead, then the filter, both made here."""
    recipe, rng = bound("pudf", evidence="training", success=0.6), np.random.default_rng(5)
    b = rng.normal(size=60) * 1.5
    recipe.select.values["difficulty"] = b
    for step in range(25):
        items = rng.choice(60, 6, replace=False)
        right = rng.random((6, 8)) < expit(step / 8 - 1 - b[items])[:, None]
        groups = [
            group(POOL, Pick(POOL.arms[i // 10], int(i % 10)), row.astype(float), step)
            for i, row in zip(items, right, strict=True)
        ]
        recipe.observe(groups, {})

        def unlikely(x, items=items, right=right):
            signs = np.where(right, 1, -1)
            return x[0] ** 2 / 2 - np.log(expit(signs * (x[0] - b[items][:, None]))).sum()

        theta = minimize(unlikely, [0.1], method="Nelder-Mead", options={"xatol": 1e-7}).x[0]
        assert recipe.select.memory["ability"] == pytest.approx(theta, abs=1e-4)
        allowed = {i for i in range(60) if expit(theta - b[i]) >= 0.6}
        chosen = [item(pick) for pick in recipe.select.choose(5, Clock(step, step / 25))]
        assert len(allowed) >= 5
        assert len(set(chosen)) == 5
        assert set(chosen) <= allowed


def test_a_crowd_of_another_shape_is_refused():
    with pytest.raises(CurrlabError, match="need one row a model and 60 columns"):
        bound("pudf").select.set_crowd(np.zeros((3, 59)))


# ---------------------------------------------------------------- EDCO


def test_edco_trains_on_the_highest_entropies_in_order_and_measures_again():
    recipe = bound("edco", rounds=2, keep=20)
    falling = {arm: 1.0 - i / 10 for i, arm in enumerate(POOL.arms)}
    policy = FakePolicy(POOL, RATES, entropies=falling)
    shown = []
    for step in range(10):
        clock = Clock(step, step / 10)
        if step == 5:
            policy.entropies = {arm: 1 - e for arm, e in falling.items()}
        recipe.select.probe(policy, clock)
        shown += recipe.select.choose(4, clock)
    assert len(policy.asked) == 2 * 60
    assert [p.arm for p in shown[:20]] == ["sorting/2"] * 10 + ["sorting/3"] * 10
    assert [p.arm for p in shown[20:]] == ["sorting/7"] * 10 + ["sorting/6"] * 10
    assert len({(p.arm, p.seed) for p in shown[:20]}) == 20


class TokenEntropies(FakePolicy):
    """Token t of an answer to problem i has entropy ``table[i, t]``; a rollout tells the mean."""

    def __init__(self, catalog, table, longest):
        super().__init__(catalog, 0.5, problems=10)
        self.table, self.max_new_tokens, self.limits = table, longest, []

    def generate(self, views, seeds, temperature):
        self.limits.append(self.max_new_tokens)
        rows = super().generate(views, seeds, temperature)
        places = [POOL.arms.index(k[0] + f"/{k[1]}") * 10 + k[2] for k in self.asked[-len(rows) :]]
        return [
            replace(row, entropy=self.table[i][: self.max_new_tokens].mean())
            for row, i in zip(rows, places, strict=True)
        ]


@pytest.mark.parametrize("prefix", [1, 3, 20, 500])
def test_edco_agrees_with_its_formula_over_twenty_rounds(prefix):
    """H = the mean over the first L tokens; the highest first; the learner's own limit is kept."""
    recipe, rng = bound("edco", rounds=20, keep=12, prefix=prefix), np.random.default_rng(4)
    policy = TokenEntropies(POOL, None, longest=20)
    for step in range(20):
        policy.table = rng.random((60, 20)) * np.geomspace(1, 0.1, 20)
        recipe.select.probe(policy, Clock(step, step / 20))
        scores = [sum(row[:prefix]) / min(prefix, 20) for row in policy.table]
        highest = sorted(range(60), key=lambda i: -scores[i])[:12]
        shown = [item(p) for p in recipe.select.choose(15, Clock(step, step / 20))]
        assert shown == highest + highest[:3]
        assert policy.max_new_tokens == 20
    assert policy.limits == [min(prefix, 20)] * 20


def test_edco_needs_a_learner_whose_answers_can_be_cut():
    with pytest.raises(CurrlabError, match="needs a learner with 'max_new_tokens'"):
        bound("edco").select.probe(object(), Clock())


def test_the_limit_of_answers_comes_back_even_if_asking_fails():
    class Failing(FakePolicy):
        def generate(self, views, seeds, temperature):
            raise RuntimeError("out of memory")

    policy = Failing(POOL, 0.5)
    with pytest.raises(RuntimeError, match="out of memory"):
        bound("edco", prefix=2).select.probe(policy, Clock())
    assert policy.max_new_tokens == FakePolicy.max_new_tokens


def test_pools_are_made_where_the_catalog_has_none():
    fresh = Catalog.of({"sorting": range(1, 4)})
    for name in ("adcl", "pudf", "edco"):
        select = make_strategy(name, problems_per_arm=5)
        select.bind(fresh)
        assert all(0 <= pick.seed < 5 for pick in select.choose(9, Clock()))
