"""Drawing from pools of any size, and saving what is known of them."""

import json
from collections import Counter

import numpy as np
import pytest
from fakes import group

from currlab.curricula import Catalog, Clock, Pick, make_strategy
from currlab.curricula.select import bayesian, items
from currlab.curricula.select.items import packed, unpacked
from currlab.errors import CurrlabError

LARGE = Catalog.of({"sorting": range(1, 5)}, pool=50_000)


def bound(name, catalog, seed=0, **settings):
    strategy = make_strategy(name, seed=seed, **settings)
    strategy.bind(catalog)
    return strategy


# ---------------------------------------------------------------- the race


def chances_one_after_the_other(weights, n):
    """The chance of every ordered draw of `n` items, without replacement, by the definition."""
    if n == 0:
        return {(): 1.0}
    total, chances = sum(weights.values()), {}
    for item, weight in weights.items():
        rest = {other: w for other, w in weights.items() if other != item}
        for later, chance in chances_one_after_the_other(rest, n - 1).items():
            chances[item, *later] = weight / total * chance
    return chances


@pytest.mark.parametrize("heat", [2, 3, 1000])
def test_a_race_draws_without_replacement_in_proportion_to_weights(monkeypatch, heat):
    monkeypatch.setattr(items, "HEAT", heat)
    select = bound("difficulty_split", Catalog.of({"sorting": [1]}, pool=5))
    weights = np.array([4.0, 0.0, 1.0, 2.0, 0.5])
    drawn = Counter(tuple(select.race(weights, 2).tolist()) for _ in range(8000))
    expected = chances_one_after_the_other({0: 4.0, 2: 1.0, 3: 2.0, 4: 0.5}, 2)
    assert set(drawn) == set(expected)
    for pair, chance in expected.items():
        assert drawn[pair] / 8000 == pytest.approx(chance, abs=5 * np.sqrt(chance / 8000))


def test_heats_do_not_change_the_draw(monkeypatch):
    weights = np.random.default_rng(0).random(200_000) ** 4
    whole = bound("difficulty_split", LARGE).race(weights, 50)
    monkeypatch.setattr(items, "HEAT", 777)
    assert bound("difficulty_split", LARGE).race(weights, 50).tolist() == whole.tolist()


def test_items_without_weight_never_arrive_and_few_are_gone_through_again():
    select = bound("difficulty_split", LARGE)
    weights = np.zeros(select.size)
    weights[[7, 123_456]] = 1e-9, 1e9
    assert select.race(weights, 5).tolist() == [123_456, 7]
    picks = [(pick.arm, pick.seed) for pick in select.draw(weights, 5)]
    assert picks == [("sorting/3", 23_456), ("sorting/1", 7)] * 2 + [("sorting/3", 23_456)]


@pytest.mark.parametrize("name", ["difficulty_split", "label_propagation", "reward_pool", "bots"])
def test_large_pools_are_drawn_from_everywhere(name):
    """With nothing known every arm and every part of it is as likely as any other."""
    select = bound(name, LARGE)
    picks = [pick for step in range(40) for pick in select.choose(50, Clock(step))]
    for counted in (
        Counter(pick.arm for pick in picks),
        Counter(pick.seed // 12_500 for pick in picks),
    ):
        assert len(counted) == 4
        # 2000 draws over four parts: five standard deviations.
        assert max(abs(count - 500) for count in counted.values()) < 100
    assert len({(pick.arm, pick.seed) for pick in picks}) > 1900


def test_a_window_too_narrow_for_everything_still_draws():
    select = bound(
        "label_propagation", Catalog.of({"sorting": [1]}, pool=4), target=1.0, width=0.02
    )
    groups = [group(select.catalog, Pick("sorting/1", seed), [0.0] * 8) for seed in range(4)]
    select.observe(groups, {})
    assert sorted(pick.seed for pick in select.choose(4, Clock())) == [0, 1, 2, 3]


def test_posteriors_of_a_uniform_sample_aim_as_all_of_them_do(monkeypatch):
    """The best of many drawn posteriors lie at the target, whether all are drawn or a part."""

    def share_of_the_likely(select):
        # A quarter of the items have posteriors at the target, the others far below it.
        select.values["alpha"][:] = np.where(np.arange(select.size) % 4 == 0, 20.0, 2.0)
        select.values["beta"][:] = np.where(np.arange(select.size) % 4 == 0, 20.0, 38.0)
        picks = [pick for step in range(10) for pick in select.choose(40, Clock(step))]
        return np.mean([pick.seed % 4 == 0 for pick in picks])

    assert share_of_the_likely(bound("bots", LARGE)) > 0.99
    monkeypatch.setattr(bayesian, "DRAWN_AT_MOST", LARGE.pool * 4)
    assert share_of_the_likely(bound("bots", LARGE)) > 0.99


def test_the_longest_waiting_come_first_and_equals_in_order():
    select = bound("reward_pool", Catalog.of({"sorting": [1]}, pool=6))
    select.values["retired"][:] = [1, 1, 0, 1, 1, 1]
    select.values["last_visit"][:] = [5, 2, 0, 2, 9, 1]
    retired = np.flatnonzero(select.values["retired"])
    assert select.longest_waiting(retired, 4).tolist() == [5, 1, 3, 0]
    assert select.longest_waiting(retired, 7).tolist() == [5, 1, 3, 0, 4, 5, 1]


# ---------------------------------------------------------------- saving


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(0),
        np.arange(10),
        np.random.default_rng(0).random(9_999),
        np.arange(20_000).reshape(100, 200) - 7,
        np.array([np.inf, -0.0, 5e-324] * 3_000),
    ],
    ids=["empty", "short", "floats", "table", "odd floats"],
)
def test_saved_arrays_come_back_to_the_last_bit(array):
    again = unpacked(json.loads(json.dumps(packed(array))))
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    assert again.tobytes() == array.tobytes()
    again[:] = 0  # it can be written to


def test_a_checkpoint_of_a_large_pool_is_small_and_goes_on_equally():
    select = bound("bots", LARGE)
    select.set_anchors(dict.fromkeys(LARGE.arms, 0.3))
    for step in range(3):
        picks = select.choose(32, Clock(step))
        select.observe([group(LARGE, pick, [1.0, 0.0, 0.0]) for pick in picks], {})
    saved = json.dumps(select.state_dict())
    assert len(saved) < 0.5 * select.size, "bytes: a text of its numbers has twenty an item"
    other = bound("bots", LARGE, seed=9)
    other.load_state_dict(json.loads(saved))
    assert other.choose(32, Clock(3)) == select.choose(32, Clock(3))
    assert other.values["alpha"].tobytes() == select.values["alpha"].tobytes()


def test_states_saved_as_lists_are_read_too():
    select = bound("difficulty_split", LARGE)
    state = select.state_dict()
    state["values"] = {name: array.tolist() for name, array in select.values.items()}
    other = bound("difficulty_split", LARGE, seed=5)
    other.load_state_dict(state)
    assert other.choose(8, Clock()) == select.choose(8, Clock())


@pytest.mark.parametrize(
    "damage",
    [
        {"zlib": "no base 64!"},
        {"zlib": "AAAA"},
        {"type": "O"},
        {"type": "nonsense"},
        {"shape": [3]},
        {"shape": None, "zlib": None},
    ],
    ids=str,
)
def test_damaged_numbers_are_named_and_nothing_is_changed(damage):
    select = bound("difficulty_split", LARGE)
    state = select.state_dict()
    state["values"]["pass_rate"] |= damage
    other = bound("difficulty_split", LARGE, seed=1)
    before = other.state_dict()
    with pytest.raises(CurrlabError, match=r"are damaged .*older checkpoint"):
        other.load_state_dict(state)
    assert other.state_dict() == before


def test_a_saved_pool_of_another_size_is_refused():
    state = bound("difficulty_split", LARGE).state_dict()
    with pytest.raises(CurrlabError, match="saved with another catalog"):
        bound("difficulty_split", Catalog.of({"sorting": [1]}, pool=9_000)).load_state_dict(state)
