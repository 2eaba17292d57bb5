"""The variants of SEC, and DUMP: numbers and behaviour."""

import math
from collections import Counter

import numpy as np
import pytest
from fakes import CATALOG, group, play

from currlab.curricula import Clock, Pick, make_recipe
from currlab.training.collect import with_advantages

ARMS = CATALOG.arms
RATES = dict(zip(ARMS, [1.0, 0.98, 0.9, 0.5, 0.1, 0.02, 0.0, 0.0], strict=True))


def bound(name, **settings):
    recipe = make_recipe(name, settings={name: settings})
    recipe.select.bind(CATALOG)
    return recipe


def random_steps(recipe, steps, seed=5):
    """Feed random groups; yield each step's groups with their advantages."""
    rng = np.random.default_rng(seed)
    for step in range(steps):
        drawn = rng.choice(ARMS, size=6)
        groups = [group(CATALOG, Pick(a), rng.integers(0, 2, 8).astype(float), step) for a in drawn]
        groups = with_advantages(recipe, groups)
        recipe.observe(groups, {})
        yield groups


def by_arm(groups, value):
    pooled = {}
    for g in groups:
        pooled.setdefault(g.arm, []).extend(value(g))
    return {arm: sum(row) / len(row) for arm, row in pooled.items()}


@pytest.mark.parametrize("objective", ["advantage", "unscaled", "progress"])
@pytest.mark.parametrize("decay", [False, True])
def test_sec_objectives_agree_with_td0_on_thirty_updates(objective, decay):
    alpha = 0.4
    recipe = bound("sec", objective=objective, learning_rate=alpha, decay_absent=decay)
    q, last = dict.fromkeys(ARMS, 0.0), {}
    for groups in random_steps(recipe, 30):
        if objective == "advantage":
            gain = by_arm(groups, lambda g: [abs(a) for a in g.advantages])
        elif objective == "unscaled":
            gain = by_arm(groups, lambda g: [abs(r - sum(g.rewards) / 8) for r in g.rewards])
        else:
            rate = by_arm(groups, lambda g: [float(c) for c in g.correct])
            gain = {arm: r - last.get(arm, r) for arm, r in rate.items()}
            last |= rate
        for arm in ARMS:
            if arm in gain or decay:
                q[arm] += alpha * (gain.get(arm, 0.0) - q[arm])
    assert recipe.select.memory["Q"] == pytest.approx(q)


def test_sec_policies_agree_with_their_definitions():
    values = dict(zip(ARMS, [0.4, 0.8, 0.0, -0.1, 0.8, 0.2, 0.1, 0.3], strict=True))

    def chances(**settings):
        recipe = bound("sec", **settings)
        recipe.select.memory["Q"] = dict(values)
        return recipe.select.probabilities(Clock())

    greedy = {arm: 0.2 / 8 + (0.8 / 2 if q == 0.8 else 0.0) for arm, q in values.items()}
    assert chances(policy="epsilon_greedy", epsilon=0.2) == pytest.approx(greedy)
    floored = {arm: max(q, 0.01) for arm, q in values.items()}
    total = sum(floored.values())
    assert chances(policy="normalised") == pytest.approx({a: q / total for a, q in floored.items()})
    soft = {arm: math.exp(q / 0.5) for arm, q in values.items()}
    total = sum(soft.values())
    assert chances(policy="softmax", temperature=0.5) == pytest.approx(
        {a: w / total for a, w in soft.items()}
    )


@pytest.mark.parametrize("policy", ["softmax", "epsilon_greedy", "normalised"])
def test_sec_policies_go_to_the_arm_nearest_one_half(policy):
    recipe = bound("sec", policy=policy, temperature=0.05)
    history = play(recipe, CATALOG, RATES, steps=120)
    late = Counter(pick.arm for picks in history[60:] for pick in picks)
    assert late.most_common(1)[0][0] == "sorting/4"


def test_progress_ignores_bonuses_and_hopeless_arms():
    recipe = bound("sec", objective="progress", policy="softmax")
    play(recipe, CATALOG, 0.0, steps=20)
    assert set(recipe.select.memory["Q"].values()) == {0.0}
    for paid in (0.0, 1.0):
        rewarded = group(CATALOG, Pick("sorting/8"), [paid] * 8, correct=[False] * 8)
        recipe.observe(with_advantages(recipe, [rewarded]), {})
    assert recipe.select.memory["Q"]["sorting/8"] == 0.0


@pytest.mark.parametrize("count", ["rollouts", "prompts"])
def test_dump_agrees_with_its_formula_on_forty_updates(count):
    recipe = bound("dump", window=50, count=count)
    rows, n = {arm: [] for arm in ARMS}, dict.fromkeys(ARMS, 0)
    for groups in random_steps(recipe, 40):
        for g in groups:
            rows[g.arm] += [abs(a) for a in g.advantages]
            n[g.arm] += 8 if count == "rollouts" else 1
        total = sum(n.values())
        ucb = {}
        for arm in ARMS:
            recent = rows[arm][-50:]
            mean = sum(recent) / len(recent) if recent else 0.0
            ucb[arm] = mean + math.sqrt(2 * math.log(total + 1) / (n[arm] + 1))
        assert recipe.select.bounds() == pytest.approx(ucb)
        weights = {arm: math.exp(u / 0.1) for arm, u in ucb.items()}
        whole = sum(weights.values())
        expected = {arm: w / whole for arm, w in weights.items()}
        assert recipe.select.probabilities(Clock()) == pytest.approx(expected)


def test_dump_starts_uniform_and_ends_near_one_half():
    recipe = bound("dump")
    assert set(recipe.select.probabilities(Clock()).values()) == {1 / 8}
    history = play(recipe, CATALOG, RATES, steps=120)
    late = Counter(pick.arm for picks in history[60:] for pick in picks)
    assert late.most_common(1)[0][0] == "sorting/4"


def test_dump_keeps_no_more_than_its_window():
    recipe = bound("dump", window=20)
    for _ in random_steps(recipe, 20):
        pass
    assert max(map(len, recipe.select.memory["window"].values())) == 20


def test_counting_prompts_keeps_dump_exploring_longer():
    """After equal steps of silence the bonus that tells arms apart is larger when groups count."""
    gaps = []
    for count in ("rollouts", "prompts"):
        recipe = bound("dump", count=count)
        one = with_advantages(recipe, [group(CATALOG, Pick(ARMS[0]), [0.0] * 8)])
        recipe.observe(one * 40, {})
        bounds = recipe.select.bounds()
        gaps.append(bounds[ARMS[0]])
    assert gaps[1] > 2 * gaps[0]
