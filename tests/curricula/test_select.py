"""Each select strategy against its own formula, computed here independently."""

import math
from collections import Counter

import numpy as np
import pytest
from fakes import CATALOG, group, play

from currlab.curricula import Catalog, Clock, Pick, make_recipe, make_strategy
from currlab.training.collect import with_advantages

ARMS = CATALOG.arms


def test_uniform_gives_every_arm_the_same_chance():
    select = make_strategy("uniform")
    select.bind(CATALOG)
    assert set(select.probabilities(Clock()).values()) == {1 / len(ARMS)}


@pytest.mark.parametrize(
    ("share", "level"), [(0.0, 1), (0.124, 1), (0.125, 2), (0.5, 5), (0.874, 7), (0.999, 8), (1, 8)]
)
def test_easy_to_hard_cuts_the_budget_into_equal_slices(share, level):
    select = make_strategy("easy_to_hard")
    select.bind(CATALOG)
    assert {pick.arm for pick in select.choose(10, Clock(0, share))} == {f"sorting/{level}"}


def test_easy_to_hard_shares_a_stage_between_tasks_of_equal_level():
    select = make_strategy("easy_to_hard")
    select.bind(Catalog(("sorting/1", "sorting/2", "brackets/1", "brackets/2")))
    arms = {pick.arm for pick in select.choose(50, Clock(0, 0.0))}
    assert arms == {"sorting/1", "brackets/1"}


def test_easy_to_hard_finishes_early_when_asked():
    select = make_strategy("easy_to_hard", finish=0.5)
    select.bind(CATALOG)
    assert select.level(Clock(0, 0.49)) == 8
    assert select.level(Clock(0, 0.25)) == 5


@pytest.mark.parametrize("decay_absent", [True, False])
@pytest.mark.parametrize("scale", ["group", "none"])
def test_sec_agrees_with_td0_on_forty_updates(decay_absent, scale):
    tau, alpha = 0.4, 0.5
    settings = {
        "sec": {"temperature": tau, "learning_rate": alpha, "decay_absent": decay_absent},
        "grpo": {"scale": scale},
    }
    recipe = make_recipe("sec", settings=settings)
    recipe.select.bind(CATALOG)
    expected = dict.fromkeys(ARMS, 0.0)
    rng = np.random.default_rng(5)
    for step in range(40):
        drawn = rng.choice(ARMS, size=6)
        groups = [group(CATALOG, Pick(a), rng.integers(0, 2, 8).astype(float), step) for a in drawn]
        recipe.observe(with_advantages(recipe, groups), {})
        gains = {}
        for g in groups:
            mean = sum(g.rewards) / 8
            deviations = [r - mean for r in g.rewards]
            std = math.sqrt(sum(d * d for d in deviations) / 7)
            size = [
                abs(d) / (std + 1e-4) if scale == "group" and std else abs(d) for d in deviations
            ]
            gains.setdefault(g.arm, []).extend(size)
        for arm in ARMS:
            if arm in gains:
                g_a = sum(gains[arm]) / len(gains[arm])
                expected[arm] = (1 - alpha) * expected[arm] + alpha * g_a
            elif decay_absent:
                expected[arm] *= 1 - alpha
    assert recipe.select.memory["Q"] == pytest.approx(expected)
    total = sum(math.exp(q / tau) for q in expected.values())
    chances = {arm: math.exp(q / tau) / total for arm, q in expected.items()}
    assert recipe.select.probabilities(Clock()) == pytest.approx(chances)


def test_sec_goes_to_the_arm_nearest_one_half():
    recipe = make_recipe("sec", settings={"sec": {"temperature": 0.05}})
    recipe.select.bind(CATALOG)
    rates = dict(zip(ARMS, [1.0, 0.98, 0.9, 0.5, 0.1, 0.02, 0.0, 0.0], strict=True))
    history = play(recipe, CATALOG, rates, steps=120)
    assert max(recipe.select.memory["Q"], key=recipe.select.memory["Q"].get) == "sorting/4"
    late = Counter(pick.arm for picks in history[60:] for pick in picks)
    assert late.most_common(1)[0][0] == "sorting/4"


def test_sec_cannot_tell_mastered_from_impossible():
    recipe = make_recipe("sec")
    recipe.select.bind(CATALOG)
    play(recipe, CATALOG, dict(zip(ARMS, [1.0] * 4 + [0.0] * 4, strict=True)), steps=30)
    assert set(recipe.select.memory["Q"].values()) == {0.0}
    assert len(set(recipe.select.probabilities(Clock()).values())) == 1


def test_target_agrees_with_its_window_on_thirty_updates():
    goal, width, alpha, floor = 0.4, 0.15, 0.2, 0.1
    parameters = {"target": goal, "width": width, "learning_rate": alpha, "floor": floor}
    recipe = make_recipe("target", settings={"target": parameters})
    recipe.select.bind(CATALOG)
    rate = dict.fromkeys(ARMS, goal)
    rng = np.random.default_rng(1)
    for step in range(30):
        for arm in ARMS[step % 3 :: 3]:
            solved = rng.integers(0, 2, 8).astype(float)
            recipe.observe(with_advantages(recipe, [group(CATALOG, Pick(arm), solved)]), {})
            rate[arm] = (1 - alpha) * rate[arm] + alpha * solved.mean()
    weight = {arm: math.exp(-((p - goal) ** 2) / (2 * width**2)) for arm, p in rate.items()}
    total = sum(weight.values())
    expected = {a: (1 - floor) * w / total + floor / len(ARMS) for a, w in weight.items()}
    assert recipe.select.probabilities(Clock()) == pytest.approx(expected)


def test_target_reads_correct_and_not_reward():
    """A bonus for form must not pose as ability."""
    recipe = make_recipe("target")
    recipe.select.bind(CATALOG)
    paid_but_wrong = group(CATALOG, Pick("sorting/8"), [1.0] * 8, correct=[False] * 8)
    recipe.observe(with_advantages(recipe, [paid_but_wrong]), {})
    assert recipe.select.memory["pass_rate"]["sorting/8"] == pytest.approx(0.5 * 0.7)


def test_target_survives_a_window_too_narrow_for_any_arm():
    recipe = make_recipe("target", settings={"target": {"width": 0.02, "floor": 0.0}})
    recipe.select.bind(CATALOG)
    play(recipe, CATALOG, 0.0, steps=40)
    chances = recipe.select.probabilities(Clock())
    assert sum(chances.values()) == pytest.approx(1.0)
