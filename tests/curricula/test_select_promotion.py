"""Promotion: a ladder a problem, up when solved there, never down."""

import json

import numpy as np
import pytest
from fakes import group, play

from currlab.curricula import Catalog, Clock, Pick, make_recipe
from currlab.curricula.data import View

CATALOG = Catalog.of({"sorting": [1, 2, 3, 5], "brackets": [1, 2]}, pool=6)


def bound(catalog=CATALOG, seed=0, **settings):
    recipe = make_recipe("promotion", seed=seed, settings={"promotion": settings})
    recipe.select.bind(catalog)
    return recipe


@pytest.mark.parametrize(("window", "threshold"), [(1, 0.5), (2, 0.5), (3, 0.8), (1, 0.0)])
def test_forty_updates_agree_with_the_rule(window, threshold):
    """The expectation follows every ladder by itself, from the log of its visits."""
    recipe, rng = bound(window=window, threshold=threshold), np.random.default_rng(3)
    ladders = {"sorting": [1, 2, 3, 5], "brackets": [1, 2]}
    rung = {(task, seed): 0 for task in ladders for seed in range(6)}
    since = {key: [] for key in rung}
    for step in range(40):
        picks = recipe.select.choose(5, Clock(step, step / 40))
        groups = []
        for pick in picks:
            task = pick.arm.rpartition("/")[0]
            key = (task, pick.seed)
            assert pick.arm == f"{task}/{ladders[task][rung[key]]}"
            right = (rng.random(8) < 0.8).astype(float)
            groups.append(group(CATALOG, pick, right, step))
            since[key].append(right.mean())
            recent = since[key][-window:]
            if len(recent) == window and sum(recent) / window > threshold:
                rung[key] = min(rung[key] + 1, len(ladders[task]) - 1)
                since[key] = []
        recipe.observe(groups, {})
    assert max(rung.values()) == 3
    standing = recipe.select.snapshot()["standing"]
    for task, levels in ladders.items():
        for i, level in enumerate(levels):
            expected = sum(rung[task, seed] == i for seed in range(6)) / 6
            assert standing[f"{task}/{level}"] == pytest.approx(expected)


def test_exactly_the_threshold_is_not_enough():
    recipe = bound()
    recipe.observe([group(CATALOG, Pick("sorting/1", 0), [1, 1, 0, 0])], {})
    assert recipe.select.snapshot()["standing"]["sorting/2"] == 0
    recipe.observe([group(CATALOG, Pick("sorting/1", 0), [1, 1, 1, 0])], {})
    assert recipe.select.snapshot()["standing"]["sorting/2"] == pytest.approx(1 / 6)


def test_a_bonus_without_success_promotes_nothing():
    recipe = bound()
    paid = group(CATALOG, Pick("sorting/1", 0), [1.0] * 8, correct=[False] * 8)
    recipe.observe([paid], {})
    assert recipe.select.snapshot()["standing"]["sorting/1"] == 1.0


def test_what_is_not_the_ladder_s_present_rung_does_not_count():
    recipe = bound()
    strange = Catalog.of({"dedupe": [1]}, pool=100)
    recipe.observe(
        [
            group(CATALOG, Pick("sorting/3", 0), [1] * 8),
            group(strange, Pick("dedupe/1", 0), [1] * 8),
            group(Catalog.of({"sorting": [1]}, pool=100), Pick("sorting/1", 50), [1] * 8),
        ],
        {},
    )
    assert recipe.select.snapshot()["standing"]["sorting/1"] == 1.0


def test_solved_problems_climb_to_the_top_and_hopeless_ones_stay():
    chances = {arm: 0.0 if arm == "sorting/3" else 1.0 for arm in CATALOG.arms}
    recipe = bound()
    play(recipe, CATALOG, chances, steps=40)
    standing = recipe.select.snapshot()["standing"]
    assert standing["sorting/3"] == standing["brackets/2"] == 1.0


def test_a_restored_run_draws_what_the_uninterrupted_one_draws():
    whole = play(bound(window=2), CATALOG, 0.6, steps=24)
    first, second = bound(window=2), bound(seed=9, window=2)
    play(first, CATALOG, 0.6, steps=11)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert play(second, CATALOG, 0.6, steps=13, start=11) == whole[11:]


def test_success_with_a_hint_promotes_nothing():
    recipe = bound()
    one = group(CATALOG, Pick("sorting/1", 0), [1] * 8)
    hinted = type(one)(
        one.problem,
        one.pick,
        tuple(
            type(r)(
                View(one.problem.prompt, prefix="<answer>"), r.text, r.token_ids, 1, score=r.score
            )
            for r in one.rollouts
        ),
        0,
    )
    assert hinted.hinted
    recipe.observe([hinted], {})
    assert recipe.select.snapshot()["standing"]["sorting/1"] == 1.0
