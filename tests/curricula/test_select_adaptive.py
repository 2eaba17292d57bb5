"""PCL, the difficulty split and the pool that retires and brings back."""

import json
from collections import Counter

import numpy as np
import pytest
from fakes import CATALOG, group, play
from scipy.special import expit

from currlab.curricula import Catalog, Clock, Pick, make_recipe
from currlab.errors import CurrlabError

POOL = Catalog.of({"sorting": range(1, 5)}, pool=5)
RATES = dict(zip(CATALOG.arms, [1.0, 0.98, 0.9, 0.5, 0.1, 0.02, 0.0, 0.0], strict=True))


def bound(name, catalog=CATALOG, seed=0, **settings):
    recipe = make_recipe(name, seed=seed, settings={name: settings})
    recipe.select.bind(catalog)
    return recipe


def visit(recipe, arm, seed, solved, step, of=8):
    rewards = [1.0] * solved + [0.0] * (of - solved)
    recipe.observe([group(POOL, Pick(arm, seed), rewards, step)], {})


# ---------------------------------------------------------------- PCL


def test_pcl_agrees_with_gradient_steps_on_thirty_updates():
    recipe, rate = bound("pcl", learning_rate=0.7), 0.7
    rng = np.random.default_rng(3)
    lengths = [len(CATALOG.problem(a, s).prompt) for a in CATALOG.arms for s in range(4)]
    mean = sum(lengths) / len(lengths)
    scale = (sum((x - mean) ** 2 for x in lengths) / len(lengths)) ** 0.5
    bias, arms, slope = 0.0, dict.fromkeys(CATALOG.arms, 0.0), 0.0
    for step in range(30):
        picks = [Pick(CATALOG.arms[i], int(s)) for i, s in rng.integers(0, 8, (5, 2))]
        groups = [group(CATALOG, p, rng.integers(0, 2, 8).astype(float), step) for p in picks]
        recipe.observe(groups, {})
        for g in groups:
            length = (len(g.problem.prompt) - mean) / scale
            v = 1 / (1 + np.exp(-(bias + arms[g.arm] + slope * length)))
            # d/dw (v - x)^2 = 2 (v - x) v (1 - v) phi
            move = rate * 2 * (v - g.pass_rate) * v * (1 - v)
            bias, slope = bias - move, slope - move * length
            arms[g.arm] -= move
    assert recipe.select.memory["weights"] == pytest.approx([bias, *arms.values(), slope])


def test_pcl_keeps_the_candidates_nearest_the_target():
    recipe = bound("pcl", POOL, candidates=4, target=0.5)
    recipe.select.memory["weights"] = [0.0, 4.0, 0.1, -3.0, -4.0, 0.0]
    # Twenty candidates are the whole pool: the five nearest are the arm of value .525.
    assert {(p.arm, p.seed) for p in recipe.select.choose(5, Clock())} == {
        ("sorting/2", seed) for seed in range(5)
    }


def test_pcl_learns_success_rates_and_goes_to_one_half():
    recipe = bound("pcl")
    history = play(recipe, CATALOG, RATES, steps=150)
    late = Counter(pick.arm for picks in history[100:] for pick in picks)
    assert late.most_common(1)[0][0] == "sorting/4"
    value = recipe.snapshot()["pcl"]["value"]
    ranks = np.argsort([-value[arm] for arm in CATALOG.arms])
    assert set(ranks[:3]) == {0, 1, 2}
    assert value["sorting/4"] == pytest.approx(0.5, abs=0.15)


def test_pcl_can_tell_mastered_from_impossible():
    recipe = bound("pcl")
    play(recipe, CATALOG, dict(zip(CATALOG.arms, [1.0] * 4 + [0.0] * 4, strict=True)), steps=60)
    value = recipe.snapshot()["pcl"]["value"]
    assert min(list(value.values())[:4]) > 0.6 > 0.4 > max(list(value.values())[4:])


def test_pcl_starts_at_one_half_everywhere():
    recipe = bound("pcl")
    problems = [CATALOG.problem(arm, 0) for arm in CATALOG.arms]
    assert recipe.select.values_of(problems).tolist() == [expit(0.0)] * 8


class Reader:
    """A learner with hidden states: the first number is the level's, the second the seed's."""

    def __init__(self, catalog):
        known = {catalog.problem(a, s).prompt: (a, s) for a in catalog.arms for s in range(64)}
        self.known, self.read = known, []

    def hidden(self, prompts):
        self.read += prompts
        places = [
            (float(a.rpartition("/")[2]) - 4.5, s % 2 - 0.5)
            for a, s in map(self.known.get, prompts)
        ]
        return np.stack([np.zeros((len(prompts), 3)), np.array([[*p, 1.0] for p in places])], 1)


def pcl_on_states(**settings):
    catalog = Catalog.of({"sorting": range(1, 9)}, pool=64)
    recipe = bound("pcl", catalog, reads="hidden", **settings)
    reader = Reader(catalog)
    return recipe, reader


def practise(recipe, reader, rate, steps, start=0):
    picked = []
    for step in range(start, start + steps):
        rng = np.random.default_rng(step)
        recipe.select.probe(reader, Clock(step))
        picks = recipe.select.choose(8, Clock(step))
        catalog = recipe.select.catalog
        recipe.observe(
            [group(catalog, p, (rng.random(8) < rate(p)).astype(float), step) for p in picks], {}
        )
        picked.append(picks)
    return picked


def test_pcl_s_head_on_hidden_states_learns_what_the_arm_cannot_say():
    """Even seeds are never solved, odd ones mostly: only the hidden state tells them apart."""
    recipe, reader = pcl_on_states(target=0.7)
    late = practise(recipe, reader, lambda pick: 0.8 * (pick.seed % 2), 80)[60:]
    odd = [pick.seed % 2 for picks in late for pick in picks]
    assert np.mean(odd) > 0.9
    # Each candidate is read once, before it is chosen; its outcome is learnt from the same state.
    assert len(reader.read) == 80 * 8 * 4


def test_pcl_s_head_agrees_with_gradient_steps():
    recipe, reader = pcl_on_states(learning_rate=0.5)
    w = np.zeros(4)
    for step in range(25):
        recipe.select.probe(reader, Clock(step))
        picks = recipe.select.choose(3, Clock(step))
        groups = [
            group(recipe.select.catalog, p, [1.0] * (i + 1) + [0.0] * 3, step)
            for i, p in enumerate(picks)
        ]
        recipe.observe(groups, {})
        for g in groups:
            h = reader.hidden([g.problem.prompt])[0, -1]
            phi = np.array([1.0, *(h / np.sqrt((h**2).sum()))])
            v = 1 / (1 + np.exp(-phi @ w))
            w = w - 0.5 * 2 * (v - g.pass_rate) * v * (1 - v) * phi
    assert recipe.select.memory["weights"] == pytest.approx(w.tolist())


def test_pcl_s_head_goes_on_where_a_saved_one_stopped():
    def rate(pick):
        return 0.5

    recipe, reader = pcl_on_states()
    whole = practise(recipe, reader, rate, 12)
    first, reader = pcl_on_states()
    practise(first, reader, rate, 5)
    second, reader = pcl_on_states()
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.snapshot() == first.snapshot()
    assert practise(second, reader, rate, 7, start=5) == whole[5:]


def test_pcl_s_head_says_what_it_needs():
    recipe, _ = pcl_on_states()
    with pytest.raises(CurrlabError, match="use reads='prompt'"):
        recipe.select.probe(object(), Clock())
    with pytest.raises(CurrlabError, match="must `probe` the learner"):
        recipe.select.choose(2, Clock())


# ---------------------------------------------------------------- difficulty split


def test_the_split_has_the_papers_borders():
    recipe = bound("difficulty_split", POOL)
    for seed, solved in enumerate([0, 3, 4, 7, 8]):
        visit(recipe, "sorting/1", seed, solved, 0, of=10)
    assert recipe.select.classes()[:5].tolist() == [0, 0, 1, 1, 2]
    # What was never visited counts as medium.
    assert set(recipe.select.classes()[5:].tolist()) == {1}


def test_classes_get_their_shares():
    recipe = bound("difficulty_split", easy=0.1, medium=0.6, hard=0.3)
    recipe.select.values["pass_rate"] = np.array([1.0, 0.9, 0.8, 0.5, 0.1, 0.0, 0.0, 0.2])
    drawn = Counter(int(p.arm[-1]) for p in recipe.select.choose(6000, Clock()))
    assert sum(drawn[i] for i in (1, 2, 3)) / 6000 == pytest.approx(0.1, abs=0.02)
    assert drawn[4] / 6000 == pytest.approx(0.6, abs=0.02)
    assert drawn[6] / 6000 == pytest.approx(0.075, abs=0.02)


def test_the_split_agrees_with_running_means_on_thirty_updates():
    recipe, rng, alpha = (
        bound("difficulty_split", POOL, learning_rate=0.3),
        np.random.default_rng(6),
        0.3,
    )
    visits = {(arm, seed): [] for arm in POOL.arms for seed in range(5)}
    for step in range(30):
        for place in rng.permutation(20)[:6]:
            arm, seed, solved = POOL.arms[place // 5], int(place % 5), int(rng.integers(0, 9))
            visit(recipe, arm, seed, solved, step)
            visits[arm, seed].append(solved / 8)
        expected = []
        for seen in visits.values():
            # The mean with weights alpha (1 - alpha)^age, the first visit in full.
            weights = [alpha * (1 - alpha) ** (len(seen) - 1 - i) for i in range(len(seen))]
            if seen:
                weights[0] /= alpha
                rate = sum(w * x for w, x in zip(weights, seen, strict=True))
                expected.append(0 if rate <= 0.3 else 1 if rate <= 0.7 else 2)
            else:
                expected.append(1)
        assert recipe.select.classes().tolist() == expected


def test_weightless_classes_are_drawn_when_nothing_else_is_left():
    recipe = bound("difficulty_split", easy=0.0, medium=1.0, hard=0.0)
    recipe.select.values["pass_rate"] = np.zeros(8)
    assert len(recipe.select.choose(5, Clock())) == 5


# ---------------------------------------------------------------- retirement and return


def retired(recipe):
    return {
        (POOL.arms[i // 5], int(i % 5)) for i in np.flatnonzero(recipe.select.values["retired"])
    }


def test_retirement_takes_mastered_visits_in_a_row_and_forgetting_brings_back():
    recipe = bound("reward_pool", POOL, retire_above=0.9, visits=3, return_below=0.6)
    steps = [(8, False), (8, False), (4, False), (8, False), (8, False), (8, True)]
    # Between the thresholds nothing changes; below the lower one it comes back.
    steps += [(6, True), (5, True), (4, False), (8, False), (8, False), (8, True)]
    for step, (solved, expected) in enumerate(steps):
        visit(recipe, "sorting/2", 1, solved, step)
        assert (("sorting/2", 1) in retired(recipe)) is expected, f"after visit {step}"
    assert recipe.select.memory["returned"] == 1


@pytest.mark.parametrize("visits", [1, 2, 4])
def test_the_pool_agrees_with_its_rules_on_forty_random_steps(visits):
    """The expectation reads every problem's whole history anew, from its last return on."""
    recipe, rng = bound("reward_pool", POOL, visits=visits), np.random.default_rng(visits)
    history = {(arm, seed): [] for arm in POOL.arms for seed in range(5)}
    returned = 0
    for step in range(40):
        for pick in recipe.select.choose(8, Clock(step)):
            # Of ten, so that both thresholds are met exactly.
            solved = int(rng.choice([5, 6, 8, 9, 10, 10]))
            history[pick.arm, pick.seed].append(solved / 10)
            visit(recipe, pick.arm, pick.seed, solved, step, of=10)
        expected, returned = set(), 0
        for place, rates in history.items():
            out, run = False, 0
            for rate in rates:
                if out and rate < 0.6:
                    out, run, returned = False, 0, returned + 1
                elif not out:
                    run = run + 1 if rate >= 0.9 else 0
                    out = run >= visits
            if out:
                expected.add(place)
        assert retired(recipe) == expected
        assert recipe.select.memory["returned"] == returned
    assert returned > 0


def test_no_bonus_counts_towards_mastery():
    recipe = bound("reward_pool", POOL, visits=1)
    paid = group(POOL, Pick("sorting/4", 0), [1.0] * 8, correct=[False] * 8)
    recipe.observe([paid], {})
    assert not retired(recipe)


def test_retired_items_are_probed_longest_waiting_first():
    recipe = bound("reward_pool", POOL, visits=1, probe_share=0.25)
    for step, seed in enumerate([3, 0, 4, 1, 2]):
        visit(recipe, "sorting/1", seed, 8, step)
    waiting = []
    for step in range(5, 400):
        for pick in recipe.select.choose(4, Clock(step)):
            if pick.arm == "sorting/1":
                waiting.append(pick.seed)
                visit(recipe, "sorting/1", pick.seed, 8, step)
    assert waiting[:5] == [3, 0, 4, 1, 2]
    # Items probed in one step may swap, so an item waits for the four others and at most a batch.
    for seed in range(5):
        turns = [i for i, probed in enumerate(waiting) if probed == seed]
        assert max(np.diff(turns)) <= 5 + 4
    assert len(waiting) / (395 * 4) == pytest.approx(0.25, abs=0.05)


def test_a_forgotten_arm_is_noticed_and_practised_again():
    recipe = bound("reward_pool")
    rates = {arm: 1.0 if i < 2 else 0.3 for i, arm in enumerate(CATALOG.arms)}
    play(recipe, CATALOG, rates, steps=20)
    assert recipe.select.values["retired"].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    resting = play(recipe, CATALOG, rates, steps=30, start=20)
    forgotten = rates | {"sorting/1": 0.1}
    play(recipe, CATALOG, forgotten, steps=10, start=50)
    assert recipe.select.values["retired"][0] == 0
    again = play(recipe, CATALOG, forgotten, steps=30, start=60)

    def count(history):
        return Counter(p.arm for picks in history for p in picks)["sorting/1"]

    assert count(again) > 1.5 * count(resting)


def test_all_retired_is_survived_and_still_probed():
    recipe = bound("reward_pool", POOL, visits=1)
    for arm in POOL.arms:
        for seed in range(5):
            visit(recipe, arm, seed, 8, 0)
    picks = recipe.select.choose(30, Clock(1))
    assert len(picks) == 30
    assert len({(p.arm, p.seed) for p in picks}) == 20


def test_thresholds_the_wrong_way_round_are_refused():
    with pytest.raises(CurrlabError, match="'return_below' must not be above 'retire_above'"):
        bound("reward_pool", retire_above=0.5, return_below=0.8)
