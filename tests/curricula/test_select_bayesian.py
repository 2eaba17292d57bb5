"""BOTS and label propagation: numbers, anchors, and what they do to a learner."""

import json

import numpy as np
import pytest
from fakes import CATALOG, group, play
from learner import FakePolicy, learn

from currlab.curricula import Catalog, Clock, Pick, make_recipe, make_strategy
from currlab.curricula.select.propagation import level_kernel, propagate
from currlab.errors import CurrlabError

POOL = Catalog.of({"sorting": range(1, 5)}, pool=5)
ITEMS = [(arm, seed) for arm in POOL.arms for seed in range(POOL.pool)]
WEAK = {"sorting/1": 0.8, "sorting/2": 0.4, "sorting/3": 0.1, "sorting/4": 0.0}
STRONG = {"sorting/1": 1.0, "sorting/2": 0.95, "sorting/3": 0.9, "sorting/4": 0.7}


def bound(name, catalog=CATALOG, seed=0, **settings):
    recipe = make_recipe(name, seed=seed, settings={name: settings})
    recipe.select.bind(catalog)
    return recipe


def bots_by_hand(batches, m, lam, rho, adaptive, weak, strong):
    """The posteriors after some batches {item: pass rate}, item by item in plain Python."""
    alpha, beta = dict.fromkeys(weak, 1.0), dict.fromkeys(weak, 1.0)
    capability = None
    for batch in batches:
        mean = sum(batch.values()) / len(batch)
        low = sum(weak[k] for k in batch) / len(batch)
        high = sum(strong[k] for k in batch) / len(batch)
        c = (mean - low) / (high - low + 1e-6)
        capability = c if capability is None else 0.9 * capability + 0.1 * c
        expected = {
            k: min(1.0, max(0.0, weak[k] + capability * (strong[k] - weak[k]))) for k in weak
        }
        miss = sum(abs(expected[k] - x) for k, x in batch.items()) / len(batch)
        if adaptive and miss >= 0.25:
            rho /= 2
        for k in weak:
            x = batch.get(k)
            guess = expected[k] if x is None else x
            s, f = (0.0, 0.0) if x is None else (m * x, m * (1 - x))
            alpha[k] = (1 - lam) * alpha[k] + lam + (1 - rho) * s + rho * m * guess
            beta[k] = (1 - lam) * beta[k] + lam + (1 - rho) * f + rho * m * (1 - guess)
    return list(alpha.values()), list(beta.values()), capability


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize(("lam", "rho"), [(0.1, 0.1), (0.2, 0.5), (0.0, 0.0)])
def test_bots_agrees_with_its_formulas_on_thirty_updates(adaptive, lam, rho):
    recipe = bound("bots", POOL, forgetting=lam, implicit=rho, adaptive_rho=adaptive)
    recipe.select.set_anchors(WEAK, STRONG)
    rng, batches, m = np.random.default_rng(2), [], 8
    for step in range(30):
        chosen = [ITEMS[i] for i in rng.choice(len(ITEMS), 6, replace=False)]
        solved = {item: rng.integers(0, m + 1) for item in chosen}
        batches.append({item: s / m for item, s in solved.items()})
        groups = [
            group(POOL, Pick(*item), [1.0] * s + [0.0] * (m - s), step)
            for item, s in solved.items()
        ]
        recipe.observe(groups, {})
    weak = {item: WEAK[item[0]] for item in ITEMS}
    strong = {item: STRONG[item[0]] for item in ITEMS}
    alpha, beta, capability = bots_by_hand(batches, m, lam, rho, adaptive, weak, strong)
    assert recipe.select.values["alpha"].tolist() == pytest.approx(alpha)
    assert recipe.select.values["beta"].tolist() == pytest.approx(beta)
    assert recipe.select.memory["capability"] == pytest.approx(capability)
    if adaptive and rho:
        assert recipe.select.memory["rho_factor"] < 1


def test_posteriors_settle_at_the_known_widths():
    """lam = rho = .1 and m = 16: alpha + beta nears 18 where never asked, 162 where always."""
    recipe = bound("bots", POOL)
    recipe.select.set_anchors(WEAK, STRONG)
    groups = [group(POOL, Pick("sorting/1", 0), [1.0, 0.0] * 8)]
    for _ in range(300):
        recipe.observe(groups, {})
    evidence = recipe.select.values["alpha"] + recipe.select.values["beta"]
    assert evidence[0] == pytest.approx(162)
    assert evidence[1:].tolist() == pytest.approx([18] * 19)


def test_without_anchors_there_is_no_implicit_evidence():
    recipe = bound("bots", POOL)
    recipe.observe([group(POOL, Pick("sorting/2", 3), [1.0] * 6 + [0.0] * 2)], {})
    alpha = recipe.select.values["alpha"]
    assert alpha[ITEMS.index(("sorting/2", 3))] == pytest.approx(7.0)
    assert np.delete(alpha, ITEMS.index(("sorting/2", 3))).tolist() == [1.0] * 19


def test_the_groups_of_an_arm_are_pooled_where_problems_are_fresh():
    recipe = bound("bots")
    rows = [[1.0] * 8, [1.0] * 2 + [0.0] * 6]
    recipe.observe([group(CATALOG, Pick("sorting/3"), row) for row in rows], {})
    assert recipe.select.values["alpha"][2] == pytest.approx(1 + 10)
    assert recipe.select.values["beta"][2] == pytest.approx(1 + 6)


@pytest.mark.parametrize("thompson", [False, True])
def test_bots_takes_the_items_nearest_the_target(thompson):
    recipe = bound("bots", POOL, thompson=thompson, target=0.6)
    p = np.linspace(0, 1, 20)
    recipe.select.values["alpha"], recipe.select.values["beta"] = 1 + 1e7 * p, 1 + 1e7 * (1 - p)
    got = {ITEMS.index((pick.arm, pick.seed)) for pick in recipe.select.choose(5, Clock())}
    assert got == set(np.argsort(np.abs(p - 0.6))[:5].tolist())


def test_a_temperature_draws_without_replacement_from_the_softmax():
    recipe = bound("bots", POOL, thompson=False, temperature=0.1)
    p = np.linspace(0.02, 0.98, 20)
    recipe.select.values["alpha"], recipe.select.values["beta"] = 100 * p, 100 * (1 - p)
    counts = np.zeros(20)
    for _ in range(3000):
        one = recipe.select.choose(1, Clock())[0]
        counts[ITEMS.index((one.arm, one.seed))] += 1
    weights = np.exp(-np.abs(p - 0.5) / 0.1)
    assert counts / 3000 == pytest.approx(weights / weights.sum(), abs=0.03)
    many = recipe.select.choose(20, Clock())
    assert len({(pick.arm, pick.seed) for pick in many}) == 20


def test_the_first_probe_finds_the_weak_anchors_once():
    policy = FakePolicy(
        CATALOG, dict(zip(CATALOG.arms, np.linspace(1, 0, 8), strict=True)), problems=0
    )
    policy.known = Anything(CATALOG)
    recipe = bound("bots", anchor_problems=200)
    for step in range(3):
        recipe.select.probe(policy, Clock(step))
    assert len(policy.asked) == 8 * 200
    assert recipe.select.values["weak"] == pytest.approx(np.linspace(1, 0, 8), abs=0.1)
    assert recipe.select.values["strong"].tolist() == [1.0] * 8


class Anything(dict):
    """Finds the problem of any prompt of the catalog by its own digits: fresh seeds are unknown."""

    def __init__(self, catalog):
        super().__init__()
        self.by_length = {}
        for arm in catalog.arms:
            self.by_length[len(catalog.problem(arm, 0).prompt)] = catalog.problem(arm, 0)

    def __missing__(self, prompt):
        example = self.by_length[len(prompt)]
        digits = [c for c in prompt if c.isdigit()]
        answer = "".join(c for c in example.answer if not c.isdigit())
        assert answer.strip() == ""
        ordered = (" " if " " in example.answer else "").join(sorted(digits))
        return type(example)(example.task, example.level, 0, prompt, ordered)


def test_anchors_are_needed_for_every_arm():
    recipe = bound("bots")
    with pytest.raises(CurrlabError, match="missing: sorting/2"):
        recipe.select.set_anchors({"sorting/1": 0.4})


def test_bots_keeps_success_nearer_one_half_than_random_does():
    start = {arm: 0.95 * 0.45**i for i, arm in enumerate(CATALOG.arms)}
    gaps = {}
    for name in ("uniform", "bots"):
        per_seed = []
        for seed in range(3):
            chances, history = learn(
                bound(name, seed=seed), CATALOG, start, 80, seed=seed, rate=0.002
            )
            index = {arm: i for i, arm in enumerate(CATALOG.arms)}
            per_seed.append(
                np.mean(
                    [
                        abs(chances[step][index[pick.arm]] - 0.5)
                        for step, picks in enumerate(history)
                        for pick in picks
                    ]
                )
            )
        gaps[name] = per_seed
    assert max(gaps["bots"]) < 0.75 * min(gaps["uniform"])


def test_large_pools_can_be_chosen_from_and_saved():
    catalog = Catalog.of({"sorting": range(1, 5)}, pool=50_000)
    recipe = bound("bots", catalog)
    picks = recipe.select.choose(32, Clock())
    recipe.observe([group(catalog, pick, [1.0, 0.0]) for pick in picks], {})
    assert len({(pick.arm, pick.seed) for pick in picks}) == 32
    other = bound("bots", catalog, seed=9)
    other.load_state_dict(json.loads(json.dumps(recipe.state_dict())))
    assert other.select.choose(32, Clock(1)) == recipe.select.choose(32, Clock(1))


# ---------------------------------------------------------------- label propagation


def test_propagation_agrees_with_its_iteration():
    rng = np.random.default_rng(0)
    kernel = rng.random((6, 6))
    kernel /= kernel.sum(1, keepdims=True)
    observed, seen = rng.random(6), np.array([True, False, True, False, True, True])
    values = [o if s else observed[seen].mean() for o, s in zip(observed, seen, strict=True)]
    for _ in range(10):
        spread = [sum(kernel[i][j] * values[j] for j in range(6)) for i in range(6)]
        values = [0.8 * spread[i] + 0.2 * observed[i] if seen[i] else spread[i] for i in range(6)]
    # The early stop at 1e-4 may leave a rest of that size.
    assert propagate(kernel, observed, seen, 0.8) == pytest.approx(values, abs=5e-4)


def test_similarity_stays_inside_a_task_and_falls_with_distance():
    kernel = level_kernel(["a", "a", "a", "b"], [1, 2, 4, 2], 1.0)
    near, far = np.exp(-1), np.exp(-3)
    assert kernel[0] == pytest.approx([0, near / (near + far), far / (near + far), 0])
    assert kernel[3] == pytest.approx([0, 0, 0, 1])
    assert kernel.sum(1) == pytest.approx([1, 1, 1, 1])


def test_unseen_levels_are_expected_between_their_neighbours():
    recipe = bound("label_propagation")
    for arm, solved in (("sorting/1", 8), ("sorting/2", 8), ("sorting/7", 0), ("sorting/8", 0)):
        row = [1.0] * solved + [0.0] * (8 - solved)
        recipe.observe([group(CATALOG, Pick(arm), row)], {})
    rates = recipe.select.estimates()
    assert rates[[0, 1, 6, 7]].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert np.all(np.diff(rates[1:7]) < 0)
    counts = np.bincount([int(p.arm[-1]) for p in recipe.select.choose(2000, Clock())], minlength=9)
    assert set(np.argsort(counts)[-2:]) == {4, 5}


def test_an_unseen_problem_gets_its_arms_mean():
    select = make_strategy("label_propagation")
    select.bind(POOL)
    select.observe([group(POOL, Pick("sorting/1", 0), [1.0] * 8)], {})
    select.observe([group(POOL, Pick("sorting/1", 1), [1.0] * 4 + [0.0] * 4)], {})
    assert select.estimates()[:5].tolist() == [1.0, 0.5, 0.75, 0.75, 0.75]


def test_label_propagation_agrees_with_running_means_and_its_window_on_twenty_five_updates():
    recipe, rng = (
        bound("label_propagation", learning_rate=0.4, width=0.15),
        np.random.default_rng(8),
    )
    rates = {}
    for _ in range(25):
        for level in rng.permutation(8)[:3] + 1:
            arm, solved = f"sorting/{level}", int(rng.integers(0, 9))
            recipe.observe([group(CATALOG, Pick(arm), [1.0] * solved + [0.0] * (8 - solved))], {})
            rates[arm] = solved / 8 if arm not in rates else 0.6 * rates[arm] + 0.4 * solved / 8
        estimates = recipe.select.estimates()
        for arm, rate in rates.items():
            assert estimates[CATALOG.arms.index(arm)] == pytest.approx(rate)
    assert len(rates) == 8
    weights = np.array([np.exp(-((r - 0.5) ** 2) / (2 * 0.15**2)) for r in estimates])
    picks = recipe.select.choose(20_000, Clock())
    counts = np.bincount([CATALOG.arms.index(p.arm) for p in picks], minlength=8) / 20_000
    assert counts == pytest.approx(weights / weights.sum(), abs=0.015)


def test_label_propagation_finds_the_arm_nearest_one_half():
    rates = dict(zip(CATALOG.arms, [1.0, 1.0, 0.95, 0.5, 0.05, 0.0, 0.0, 0.0], strict=True))
    history = play(bound("label_propagation"), CATALOG, rates, steps=60)
    late = [pick.arm for picks in history[30:] for pick in picks]
    assert max(set(late), key=late.count) == "sorting/4"
