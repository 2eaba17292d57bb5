"""What every registered strategy must hold to, whatever it does."""

import json
from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
from fakes import CATALOG, CATALOGS, group, play

from currlab.curricula import (
    Catalog,
    Clock,
    Group,
    Pick,
    Rollout,
    Score,
    View,
    make_recipe,
    make_strategy,
    strategy_names,
)
from currlab.curricula.core import ArmSelect
from currlab.curricula.registry import STRATEGIES, describe, dials_of
from currlab.errors import CurrlabError
from currlab.training.collect import with_advantages

SELECTS = strategy_names("select")
# Strategies whose source says that arms go without practice for long stretches.
STARVES = {
    "easy_to_hard",  # one level at a time
    "hard_to_easy",  # one level at a time
    "rag_rl",  # one level at a time, or only the hardest
    "stages",  # only the arms of the present stage
    "human_inspired",  # a fixed order, gone through once
    "adcl",  # sorted blocks, gone through once
    "edco",  # only the problems of the highest entropy
    "itool",  # a fixed order, gone through once
    "promotion",  # only the rung that each problem has reached
    "pudf",  # nothing above the learner's ability
}
# Update strategies that compare a rollout with more than its own group.
NOT_CENTRED = {
    "risk_po",  # whole bundles of groups
    "visurf",  # the true answer, which is no rollout
}
RISING = {arm: 0.95 - 0.12 * i for i, arm in enumerate(CATALOG.arms)}


def bound(name, catalog=CATALOG, seed=0):
    recipe = make_recipe(name, seed=seed)
    recipe.select.bind(catalog)
    return recipe


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_is_described_in_full(name):
    cls, row = STRATEGIES[name], describe(name)
    assert row["dials"]
    assert row["title"]
    assert cls.__doc__
    assert row["state"] in ("implemented", "inspired", "analogue")
    for parameter in row["parameters"]:
        assert parameter["help"], f"{name}.{parameter['name']} says nothing of its meaning"
        bounded = parameter["low"] is not None or parameter["choices"] is not None
        assert bounded or isinstance(parameter["default"], bool)
    assert json.loads(json.dumps(row)) == row


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_default_parameters_pass_their_own_check(name):
    defaults = {f.name: f.default for f in fields(STRATEGIES[name].Parameters)}
    assert make_strategy(name, **defaults).parameters == STRATEGIES[name].Parameters()


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_bad_parameters_fail_with_what_is_allowed(name):
    with pytest.raises(CurrlabError, match="has no parameter 'nonsense'"):
        make_strategy(name, nonsense=1)
    for f in fields(STRATEGIES[name].Parameters):
        with pytest.raises(CurrlabError, match=f"'{f.name}'.*must be"):
            make_strategy(name, **{f.name: object()})
        if (high := f.metadata["high"]) is not None:
            for beyond in (high + type(f.default)(1), f.metadata["low"] - type(f.default)(1)):
                with pytest.raises(CurrlabError, match="must lie between"):
                    make_strategy(name, **{f.name: beyond})


@pytest.mark.parametrize("name", SELECTS)
@pytest.mark.parametrize("catalog", CATALOGS.values(), ids=CATALOGS.keys())
@pytest.mark.parametrize("chances", [0.0, 0.4, 1.0], ids=["none solved", "some", "all solved"])
def test_choose_gives_known_arms_in_the_asked_number(name, catalog, chances):
    recipe = bound(name, catalog)
    for picks in play(recipe, catalog, chances, steps=12, n=5):
        assert len(picks) == 5
        assert {pick.arm for pick in picks} <= set(catalog.arms)
        if catalog.pool:
            assert all(pick.seed is None or 0 <= pick.seed < catalog.pool for pick in picks)


@pytest.mark.parametrize("name", SELECTS)
def test_probabilities_sum_to_one(name):
    recipe = bound(name)
    if not isinstance(recipe.select, ArmSelect):
        assert not hasattr(recipe.select, "probabilities")
        return
    for share in (0.0, 0.3, 1.0):
        play(recipe, CATALOG, RISING, steps=5)
        chances = recipe.select.probabilities(Clock(5, share, 0))
        assert set(chances) == set(CATALOG.arms)
        assert sum(chances.values()) == pytest.approx(1.0)
        assert min(chances.values()) >= 0.0


@pytest.mark.parametrize("name", SELECTS)
def test_equal_seeds_give_equal_picks_and_others_differ(name):
    runs = [play(bound(name, seed=s), CATALOG, RISING, steps=10) for s in (3, 3, 4)]
    assert runs[0] == runs[1]
    if name not in STARVES:
        assert runs[0] != runs[2]


@pytest.mark.parametrize("name", SELECTS)
def test_a_restored_run_draws_what_the_uninterrupted_one_draws(name):
    whole = play(bound(name), CATALOG, RISING, steps=20)
    first = bound(name)
    play(first, CATALOG, RISING, steps=10)
    saved = json.loads(json.dumps(first.state_dict()))
    play(first, CATALOG, RISING, steps=3, start=10)  # what is lost by the kill
    second = bound(name, seed=99)
    second.load_state_dict(saved)
    assert play(second, CATALOG, RISING, steps=10, start=10) == whole[10:]


@pytest.mark.parametrize("name", SELECTS)
def test_saved_state_does_not_change_afterwards(name):
    recipe = bound(name)
    play(recipe, CATALOG, RISING, steps=4)
    saved = recipe.state_dict()
    before = json.dumps(saved)
    play(recipe, CATALOG, RISING, steps=4)
    assert json.dumps(saved) == before


@pytest.mark.parametrize("name", SELECTS)
def test_no_arm_starves(name):
    counts = Counter(
        pick.arm for picks in play(bound(name), CATALOG, RISING, steps=150) for pick in picks
    )
    if name in STARVES:
        assert len(counts) > 1
    else:
        assert set(counts) == set(CATALOG.arms)


@pytest.mark.parametrize("name", SELECTS)
@pytest.mark.parametrize(
    "rewards",
    [[0.3] * 8, [0.1 + 0.2, 0.3] * 4, [-5.0, 1e6, 0, 0, 0, 0, 0, 0], [0.5] * 2],
    ids=["zero variance", "rounding noise", "huge", "small group"],
)
def test_odd_rewards_are_survived(name, rewards):
    recipe = bound(name)
    groups = [group(CATALOG, Pick(arm), rewards) for arm in CATALOG.arms]
    for _ in range(5):
        recipe.observe(with_advantages(recipe, groups), {})
    picks = recipe.select.choose(32, Clock(5, 0.5, 0))
    assert len(picks) == 32
    assert np.isfinite(json.loads(json.dumps(flat(recipe.snapshot()), allow_nan=False))).all()


def flat(value):
    """All numbers of a nested dictionary."""
    if isinstance(value, dict):
        return [number for inner in value.values() for number in flat(inner)]
    return [float(value)]


@pytest.mark.parametrize("name", SELECTS)
def test_an_empty_step_changes_nothing_that_is_learnt(name):
    recipe = bound(name)
    play(recipe, CATALOG, RISING, steps=3)
    before = json.dumps(recipe.select.memory)
    recipe.observe([], {})
    assert json.dumps(recipe.select.memory) == before


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_state_of_another_strategy_is_refused(name):
    state = make_strategy(name).state_dict() | {"name": "somebody_else"}
    with pytest.raises(CurrlabError, match="belongs to strategy 'somebody_else'"):
        make_strategy(name).load_state_dict(state)


@pytest.mark.parametrize("name", strategy_names("reward"))
def test_rewards_come_in_order_and_correct_is_the_verifiers_word(name):
    problem = CATALOG.problem("sorting/3", 1)
    good, bad = f"<answer>{problem.answer}</answer>", "<answer>no</answer>"
    rollouts = [Rollout(View(problem.prompt), text, (1,)) for text in (good, bad, good, "")]
    reward = make_strategy(name)
    scores = reward.score(problem, rollouts, None, Clock())
    assert [score.correct for score in scores] == [True, False, True, False]
    again = make_strategy(name).score(problem, rollouts, None, Clock())
    assert scores == again


@pytest.mark.parametrize("name", strategy_names("update"))
def test_advantages_have_the_groups_shape_and_no_mean(name):
    groups = [
        group(CATALOG, Pick("sorting/2"), rewards)
        for rewards in ([0, 1, 1, 0], [0, 0], [1, 1, 1], [0.2, 0.9, 0.4])
    ]
    rows = make_strategy(name).advantages(groups)
    assert [len(row) for row in rows] == [4, 2, 3, 3]
    assert np.isfinite([number for row in rows for number in row]).all()
    if name not in NOT_CENTRED:
        assert rows[1] == (0.0, 0.0)
        for row in rows:
            assert sum(row) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("name", strategy_names("sample"))
def test_plans_answer_every_pick(name):
    plan = make_strategy(name).plan([Pick("sorting/1"), Pick("sorting/2", rollouts=3)], Clock())
    assert len(plan.rollouts) == 2
    assert plan.rollouts[1] == 3
    assert plan.temperature > 0


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_turns_a_dial(name):
    assert dials_of(STRATEGIES[name])


# ---------------------------------------------------------------- present

PRESENTS = strategy_names("present")
SHOWN = Catalog.of({"sorting": [2, 5, 9], "knights_knaves": [2]}, pool=20)


def views_of(strategy, step, n=4, total=20):
    """The views of four problems at a step: always a list for each, and none is anything else."""
    clock, found = Clock(step, step / total), []
    for arm in SHOWN.arms:
        pick = Pick(arm, step % 20)
        shown = strategy.show(SHOWN.problem(arm, pick.seed), pick, n, clock)
        found.append([shown] * n if isinstance(shown, View) else list(shown))
    return found


def look_on(strategy, start, stop, luck=0.5):
    """What is shown from step to step, while so many rollouts are right; luck depends on the step."""
    history = []
    for step in range(start, stop):
        rng, found, groups = np.random.default_rng(step), views_of(strategy, step), []
        for arm, views in zip(SHOWN.arms, found, strict=True):
            right = rng.random(len(views)) < luck
            rows = tuple(
                Rollout(view, "<answer>0</answer>", (1,), score=Score(float(ok), bool(ok)))
                for view, ok in zip(views, right, strict=True)
            )
            problem = SHOWN.problem(arm, step % 20)
            groups.append(Group(problem, Pick(arm, step % 20), rows, step))
        strategy.observe(groups, {"entropy": 0.3})
        history.append(found)
    return history


@pytest.mark.parametrize("name", PRESENTS)
@pytest.mark.parametrize("n", [1, 2, 8])
def test_every_rollout_gets_a_view(name, n):
    for views in views_of(make_strategy(name), 3, n):
        assert len(views) == n
        assert all(isinstance(view, View) and view.prompt for view in views)


@pytest.mark.parametrize("name", PRESENTS)
def test_equal_seeds_show_alike(name):
    one, two = (look_on(make_strategy(name, seed=7), 0, 20) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("name", PRESENTS)
@pytest.mark.parametrize("luck", [0.0, 0.7, 1.0])
def test_a_restored_run_shows_what_the_uninterrupted_one_shows(name, luck):
    whole = look_on(make_strategy(name, seed=7), 0, 20, luck)
    first, second = make_strategy(name, seed=7), make_strategy(name, seed=7)
    look_on(first, 0, 8, luck)
    saved = json.loads(json.dumps(first.state_dict()))
    look_on(first, 8, 11, luck)  # what is lost by the kill
    second.load_state_dict(saved)
    assert look_on(second, 8, 20, luck) == whole[8:]


@pytest.mark.parametrize("name", PRESENTS)
def test_a_forced_start_begins_a_completion_that_verifies(name):
    for step, found in enumerate(look_on(make_strategy(name), 0, 20)):
        for arm, views in zip(SHOWN.arms, found, strict=True):
            problem, task = SHOWN.problem(arm, step % 20), SHOWN.task(arm)
            for view in views:
                if view.prefix:
                    assert task.verify(problem, task.completion(problem))
                    assert task.completion(problem).startswith(view.prefix)


@pytest.mark.parametrize("name", PRESENTS)
def test_a_view_that_tells_of_the_answer_is_hinted(name):
    """So that nobody takes success on it for ability."""
    for step, found in enumerate(look_on(make_strategy(name), 0, 20, luck=0.9)):
        for arm, views in zip(SHOWN.arms, found, strict=True):
            problem = SHOWN.problem(arm, step % 20)
            for view in views:
                added = view.prompt.replace(problem.prompt, "")
                if view.prefix or view.answer or problem.answer in added or "fill in" in added:
                    assert view.hinted


@pytest.mark.parametrize("name", PRESENTS)
def test_what_a_present_strategy_tells_of_itself_is_finite(name):
    strategy = make_strategy(name)
    look_on(strategy, 0, 10)
    told = json.loads(json.dumps(strategy.snapshot(), allow_nan=False))
    assert np.isfinite(flat(told)).all()
    before = json.dumps(strategy.memory)
    strategy.observe([], {})
    assert json.dumps(strategy.memory) == before
