"""The orders of the warm-up, against expectations computed by hand or in another way."""

import math
from collections import Counter

import pytest
from fakes import CATALOG

from currlab.curricula import Catalog, Clock, make_strategy
from currlab.errors import CurrlabError

DIGITS = Catalog.of({"sorting": range(1, 7)})


def bound(name, catalog=DIGITS, seed=0, **parameters):
    strategy = make_strategy(name, seed, **parameters)
    strategy.bind(catalog)
    return strategy


@pytest.mark.parametrize("pool", [None, 10])
def test_imitation_goes_once_from_easy_to_hard(pool):
    catalog = Catalog(DIGITS.arms, pool)
    itool = bound("itool", catalog)
    steps, batch = 30, (64 if pool is None else pool) * len(DIGITS.arms) // 30
    picks = [
        pick for step in range(steps) for pick in itool.choose(batch, Clock(step, step / steps))
    ]
    levels = [catalog.level(pick.arm) for pick in picks]
    assert levels == sorted(levels)
    assert Counter(levels) == pytest.approx(dict.fromkeys(range(1, 7), len(picks) / 6), abs=batch)
    if pool:
        assert len({(pick.arm, pick.seed) for pick in picks}) == len(picks) == 60
    else:
        assert {pick.seed for pick in picks} == {None}


@pytest.mark.parametrize(("start", "finish"), [(0.5, 0.5), (0.0, 1.0), (0.3, 0.05), (1.0, 0.4)])
def test_the_vocabulary_grows_as_the_formula_says(start, finish):
    climb = bound("climb", start=start, finish=finish)
    whole = None
    for step in range(25):
        climb.choose(1, Clock(step, step / 25))
        whole = whole or len(climb.memory["ranked"])
        share = start + (1 - start) * min(1, step / 25 / finish)
        assert climb.memory["known"] == math.ceil(round(whole * share, 9))
    assert climb.memory["known"] <= whole
    climb.choose(1, Clock(25, 1.0))
    assert climb.memory["known"] == whole


def test_characters_are_ranked_by_the_problems_that_hold_them():
    climb = bound("climb")
    climb.choose(1, Clock())
    texts = [
        problem.prompt + DIGITS.worked(problem)
        for arm in DIGITS.arms
        for problem in (DIGITS.problem(arm, seed) for seed in range(64))
    ]
    found = {c: sum(c in text for text in texts) for c in set("".join(texts))}
    assert climb.memory["ranked"] == sorted(found, key=lambda c: (-found[c], c))


def test_problems_keep_to_the_vocabulary_and_so_short_ones_come_first():
    climb = bound("climb", start=0.8, finish=1.0)
    early = climb.choose(200, Clock())
    unknown = set(climb.memory["ranked"][climb.memory["known"] :])
    assert unknown
    late = climb.choose(200, Clock(9, 1.0))

    def known(picks):
        return [not climb.characters(pick.arm, pick.seed) & unknown for pick in picks]

    assert sum(known(early)) > 170 > 100 > sum(known(late))

    def mean_level(picks):
        return sum(DIGITS.level(pick.arm) for pick in picks) / len(picks)

    assert mean_level(early) < mean_level(late) - 0.5


def test_with_no_character_known_the_problem_with_the_fewest_is_taken():
    climb = bound("climb", start=0.0)
    picks = climb.choose(50, Clock())
    sizes = [len(climb.characters(pick.arm, pick.seed)) for pick in picks]
    drawn = [len(climb.characters(arm, seed)) for arm in DIGITS.arms for seed in range(50)]
    assert max(sizes) < sum(drawn) / len(drawn)


@pytest.mark.parametrize("name", ["itool", "climb"])
@pytest.mark.parametrize("pool", [None, 5])
def test_restored_in_the_middle_it_draws_what_it_would_have_drawn(name, pool):
    catalog = Catalog(CATALOG.arms, pool)
    whole, half = bound(name, catalog, seed=3), bound(name, catalog, seed=3)
    for step in range(10):
        assert whole.choose(7, Clock(step, step / 20)) == half.choose(7, Clock(step, step / 20))
    restored = bound(name, catalog, seed=99)
    restored.load_state_dict(half.state_dict())
    for step in range(10, 20):
        clock = Clock(step, step / 20)
        assert restored.choose(7, clock) == whole.choose(7, clock)


def test_shares_outside_their_bounds_are_refused():
    with pytest.raises(CurrlabError, match="start"):
        make_strategy("climb", start=1.5)
