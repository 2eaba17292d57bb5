"""The strategies that do not look at the learner, against expected orders and formulas."""

import math
from collections import Counter

import numpy as np
import pytest
from fakes import CATALOG, group, play

from currlab.curricula import Catalog, Clock, Pick, make_recipe, make_strategy
from currlab.curricula.select.orders import ORDERS, arrange, thirds
from currlab.errors import CurrlabError

POOL = Catalog.of({"sorting": range(1, 4), "brackets": range(1, 4)}, pool=2)
# Twelve items: category by letter, difficulty by number, so that expected orders can be read.
ITEMS = ["a1", "b1", "a2", "b2", "a3", "b3", "a4", "b4", "a5", "b5", "a6", "b6"]


def read(permutation):
    return [ITEMS[i] for i in permutation]


def arranged(order, seed=0):
    category = ["ab".index(item[0]) for item in ITEMS]
    return read(
        arrange(order, category, [int(item[1]) for item in ITEMS], np.random.default_rng(seed))
    )


# Each entry is a set of items whose order among themselves is left open.
E, M, H = "12", "34", "56"
TABLE = {
    "random": [ITEMS],
    "curriculum_strict": [[f"a{d}", f"b{d}"] for d in "123456"],
    "curriculum_emh": [[c + d for c in "ab" for d in part] for part in (E, M, H)],
    "blocked": [[f"a{d}" for d in "123456"], [f"b{d}" for d in "123456"]],
    "blocked_curriculum": [[f"{c}{d}"] for c in "ab" for d in "123456"],
    "blocked_emh": [[c + d for d in part] for c in "ab" for part in (E, M, H)],
    "interleaved_curriculum": [[c + d] for part in (E, M, H) for c in "ab" for d in part],
    "interleaved_emh": [[c + d for d in part] for part in (E, M, H) for c in "ab"],
}


@pytest.mark.parametrize("order", TABLE)
@pytest.mark.parametrize("seed", range(3))
def test_orders_match_the_table(order, seed):
    got, start = arranged(order, seed), 0
    for together in TABLE[order]:
        assert sorted(got[start : start + len(together)]) == sorted(together)
        start += len(together)
    assert start == len(got)


def test_interleaved_cuts_shuffled_categories_into_three_rounds():
    got = arranged("interleaved")
    assert [item[0] for item in got] == list("aabbaabbaabb")
    assert sorted(got) == sorted(ITEMS)
    # Shuffled inside a category: over seeds, hard items come in every round.
    rounds = [arranged("interleaved", seed).index("a6") // 4 for seed in range(30)]
    assert set(rounds) == {0, 1, 2}


@pytest.mark.parametrize("order", ORDERS)
def test_orders_of_few_items(order):
    for n in (0, 1, 2):
        got = arrange(order, [0] * n, list(range(n)), np.random.default_rng(0))
        assert sorted(got.tolist()) == list(range(n))


def test_thirds_cut_levels_and_not_items():
    assert thirds(np.array([1, 1, 1, 1, 2, 3])).tolist() == [0, 0, 0, 0, 1, 2]


def test_human_inspired_goes_once_through_a_pool():
    select = make_strategy("human_inspired", order="blocked_curriculum")
    select.bind(POOL)
    picks = [p for step in range(6) for p in select.choose(2, Clock(step, step / 6))]
    assert [p.arm for p in picks[::2]] == list(POOL.arms)
    assert len({(p.arm, p.seed) for p in picks}) == 12
    late = select.choose(2, Clock(6, 1.0))
    assert {p.arm for p in late} == {"brackets/3"}


def test_human_inspired_with_fresh_problems_follows_the_same_order():
    select = make_strategy("human_inspired", order="curriculum_strict")
    select.bind(CATALOG)
    for share, level in [(0.0, 1), (0.3, 3), (0.51, 5), (1.0, 8)]:
        picks = select.choose(4, Clock(0, share))
        assert {p.arm for p in picks} == {f"sorting/{level}"}
        assert all(p.seed is None for p in picks)


def test_an_order_can_be_changed_in_the_middle_of_a_run():
    select = make_strategy("human_inspired", order="curriculum_strict")
    select.bind(POOL)
    select.choose(2, Clock())
    select.parameters = make_strategy("human_inspired", order="blocked_curriculum").parameters
    assert {p.arm for p in select.choose(6, Clock())} == {"sorting/1", "sorting/2", "sorting/3"}


# ---------------------------------------------------------------- schedules

K = len(CATALOG.arms)


def chances(name, share, catalog=CATALOG, **parameters):
    select = make_strategy(name, **parameters)
    select.bind(catalog)
    return [select.probabilities(Clock(0, share))[arm] for arm in catalog.arms]


@pytest.mark.parametrize("share", [i / 20 for i in range(21)])
def test_e2h_agrees_with_its_formulas(share):
    lowest = 2 / (K * (K + 1))
    level = min(math.floor(share * K + 1e-9), K - 1)
    assert chances("e2h", share, schedule="classic") == [float(i == level) for i in range(K)]
    assert chances("e2h", share, schedule="balanced") == pytest.approx([1 / K] * K)

    a = 0.5 * (1 + math.cos(math.pi * share))
    early = [2 * (K - i) / (K * (K + 1)) for i in range(K)]
    late = [2 * (i + 1) / (K * (K + 1)) for i in range(K)]
    mixed = [max(a * e + (1 - a) * z, lowest) for e, z in zip(early, late, strict=True)]
    expected = [p / sum(mixed) for p in mixed]
    assert chances("e2h", share, schedule="cosine") == pytest.approx(expected)

    mu = share**0.5 * (K - 1)
    bell = [math.exp(-((i - mu) ** 2) / (2 * 0.5**2)) for i in range(K)]
    q = [b / sum(bell) for b in bell]
    floored = [lowest + (1 - K * lowest) * x for x in q]
    assert chances("e2h", share) == pytest.approx(floored)
    assert min(chances("e2h", share)) >= lowest
    assert chances("e2h", share, floor=False) == pytest.approx(q)


def test_e2h_shares_a_level_between_tasks_and_stands_one_level():
    two = Catalog(("sorting/1", "brackets/1", "sorting/2"))
    assert chances("e2h", 0.0, two, schedule="classic") == [0.5, 0.5, 0.0]
    one = Catalog(("sorting/3",))
    for schedule in ("classic", "balanced", "cosine", "gaussian"):
        assert chances("e2h", 0.4, one, schedule=schedule) == pytest.approx([1.0])


@pytest.mark.parametrize(("share", "level"), [(0.0, 8), (0.5, 4), (0.999, 1), (1.0, 1)])
def test_hard_to_easy_is_the_mirror_image(share, level):
    assert chances("hard_to_easy", share)[level - 1] == 1.0


@pytest.mark.parametrize(
    ("order", "levels"),
    [
        ("max", [8] * 9),
        ("linear", [1, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("min_max", [1, 1, 1, 1, 1, 8, 8, 8, 8]),
    ],
)
def test_rag_rl_orders(order, levels):
    for i, level in enumerate(levels):
        assert chances("rag_rl", i / 8, order=order)[level - 1] == 1.0
    # The shuffled control has the same amount of each level at any time.
    share = np.mean([chances("rag_rl", (i + 0.5) / 800, order=order) for i in range(800)], axis=0)
    assert chances("rag_rl", 0.3, order=order, shuffled=True) == pytest.approx(share, abs=2e-3)


# ---------------------------------------------------------------- stages


def staged(**settings):
    recipe = make_recipe("stages", settings={"stages": settings})
    recipe.select.bind(CATALOG)
    return recipe


def test_stages_by_share():
    recipe = staged(stages=4, advance="share")
    for share, arms in [(0.0, (1, 2)), (0.25, (3, 4)), (0.74, (5, 6)), (1.0, (7, 8))]:
        now = recipe.select.probabilities(Clock(0, share))
        assert {arm for arm, p in now.items() if p} == {f"sorting/{i}" for i in arms}


def test_stages_advance_when_learnt_and_stall_where_hopeless():
    rates = {arm: 0.9 if i < 4 else 0.05 for i, arm in enumerate(CATALOG.arms)}
    recipe = staged(stages=4, threshold=0.7, window=32)
    history = play(recipe, CATALOG, rates, steps=60)
    # Two steps of 16 groups fill the window: stages 0 and 1 take two steps each.
    levels = [{int(p.arm[-1]) for p in picks} for picks in history]
    assert all(step <= {1, 2} for step in levels[:2])
    assert all(step <= {3, 4} for step in levels[2:4])
    assert all(step <= {5, 6} for step in levels[4:])
    assert recipe.select.memory["stage"] == 2


@pytest.mark.parametrize(("window", "threshold"), [(24, 0.5), (10, 0.75), (1, 1.0)])
def test_stages_agree_with_their_rule_on_forty_updates(window, threshold):
    """The expectation looks at the last groups of the stage, from the log of all of them."""
    recipe = staged(stages=4, threshold=threshold, window=window)
    rng, stage, log = np.random.default_rng(window), 0, []
    for step in range(40):
        picks = recipe.select.choose(4, Clock(step, step / 40))
        assert {(int(pick.arm[-1]) - 1) // 2 for pick in picks} == {stage}
        groups = [
            group(CATALOG, pick, (rng.random(8) < 0.7 + 0.3 * (window == 1)).astype(float), step)
            for pick in picks
        ]
        recipe.observe(groups, {})
        log += [g.pass_rate for g in groups]
        if len(log) >= window and sum(log[-window:]) / window >= threshold:
            stage, log = min(stage + 1, 3), []
    assert stage > 0


def test_stages_end_with_the_last_one():
    recipe = staged(stages=3, window=16)
    play(recipe, CATALOG, 1.0, steps=30)
    assert {arm for arm, p in recipe.select.probabilities(Clock()).items() if p} == {
        "sorting/7",
        "sorting/8",
    }


def test_more_stages_than_levels_are_one_level_each():
    select = make_strategy("stages", stages=20, advance="share")
    select.bind(Catalog.of({"sorting": [2, 5]}))
    assert select.probabilities(Clock(0, 0.5)) == {"sorting/2": 0.0, "sorting/5": 1.0}


def test_retrospective_carries_the_hardest_of_earlier_stages():
    catalog = Catalog.of({"sorting": range(1, 5)}, pool=10)
    rates = {"sorting/1": 1.0, "sorting/2": 0.1, "sorting/3": 0.5, "sorting/4": 0.5}
    recipe = make_recipe("retrospective", settings={"retrospective": {"carried": 0.5}})
    recipe.select.bind(catalog)
    first = play(recipe, catalog, rates, steps=10, total=20, n=8)
    assert {p.arm for picks in first for p in picks} == {"sorting/1", "sorting/2"}
    second = play(recipe, catalog, rates, steps=10, total=20, n=8, start=10)
    counts = Counter(p.arm for picks in second for p in picks)
    old = counts["sorting/1"] + counts["sorting/2"]
    assert 0.3 < old / 80 < 0.7
    assert counts["sorting/2"] > 2 * counts["sorting/1"] > 0


def test_carried_problems_are_drawn_in_proportion_to_what_they_lack():
    catalog = Catalog.of({"sorting": range(1, 5)}, pool=3)
    recipe = make_recipe("retrospective", settings={"retrospective": {"carried": 1.0}})
    recipe.select.bind(catalog)
    last = {("sorting/1", 0): 1.0, ("sorting/1", 2): 0.5, ("sorting/2", 1): 0.0}
    for (arm, seed), rate in last.items():
        # An older visit with another outcome does not count.
        for solved in (8 - 8 * rate, 8 * rate):
            rewards = [1.0] * int(solved) + [0.0] * (8 - int(solved))
            recipe.observe([group(catalog, Pick(arm, seed), rewards)], {})
    picks = [recipe.select.choose(1, Clock(0, 0.9))[0] for _ in range(4000)]
    counts = Counter((pick.arm, pick.seed) for pick in picks)
    weights = {place: 1.05 - rate for place, rate in last.items()}
    expected = {place: w / sum(weights.values()) for place, w in weights.items()}
    assert {k: c / 4000 for k, c in counts.items()} == pytest.approx(expected, abs=0.025)


def test_state_of_another_catalog_is_refused():
    small, large = make_strategy("retrospective"), make_strategy("retrospective")
    small.bind(Catalog.of({"sorting": [1]}, pool=3))
    large.bind(Catalog.of({"sorting": [1]}, pool=4))
    with pytest.raises(CurrlabError, match="saved with another catalog"):
        large.load_state_dict(small.state_dict())
