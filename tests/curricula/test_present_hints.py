"""Hints: every schedule against its formula, prefixes of right solutions, nothing hinted as ability."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, kstest

from currlab.curricula import Catalog, Clock, Group, Pick, Rollout, Score, View, make_strategy
from currlab.curricula.present.hints import cosine, plain_pass_rate
from currlab.tasks import get_task

CATALOG = Catalog.of({"sorting": range(1, 13)}, pool=10_000)


def shown(strategy, share, level=8, seeds=400, n=8):
    """The views of so many problems at this share of the budget."""
    problems = [CATALOG.problem(f"sorting/{level}", seed) for seed in range(seeds)]
    clock = Clock(int(share * 100), share)
    return [(p, strategy.show(p, Pick(p.arm), n, clock)) for p in problems]


def given(view):
    """How many characters of the answer a forced start holds; None without one."""
    return len(view.prefix) - len("<answer>") if view.prefix else None


def with_results(problem, views, right, step=0):
    rollouts = [
        Rollout(view, "x", (1, 2), score=Score(float(ok), bool(ok)))
        for view, ok in zip(views, right, strict=True)
    ]
    return Group(problem, Pick(problem.arm), tuple(rollouts), step)


@pytest.mark.parametrize("share", [0.0, 0.15, 0.3, 0.59, 0.6, 1.0])
def test_the_cosine_is_the_paper_s(share):
    """p(t) = lo + .5 (hi - lo)(1 + cos(pi t / T_hint)) for t < T_hint, here t / T = share."""
    expected = 0.05 + 0.5 * 0.9 * (1 + np.cos(np.pi * min(share / 0.6, 1)))
    assert cosine(share, 0.6, 0.05, 0.95) == pytest.approx(expected)
    assert cosine(share, 0.0, 0.05, 0.95) == 0.05


# ---------------------------------------------------------------- UFT


@pytest.mark.parametrize("share", [0.0, 0.2, 0.45])
def test_uft_draws_the_number_of_pieces_from_its_binomial(share):
    p = 0.05 + 0.5 * 0.9 * (1 + np.cos(np.pi * share / 0.6))
    views = shown(make_strategy("uft"), share, seeds=2000)
    # Nine digits in five pieces: two digits each, but the last.
    counts = Counter(given(view) for _, view in views)
    assert set(counts) <= {None, 2, 4, 6, 8, 9}
    for pieces, digits in enumerate((None, 2, 4, 6, 8, 9)):
        expected = binom.pmf(pieces, 5, p)
        spread = np.sqrt(expected * (1 - expected) / 2000)
        assert abs(counts[digits] / 2000 - expected) < 4 * spread + 1e-9


def test_uft_gives_no_hint_after_its_share_of_the_budget():
    for schedule in ("cosine", "stage"):
        for share in (0.6, 0.8, 1.0):
            views = shown(make_strategy("uft", schedule=schedule), share, seeds=50)
            assert all(view == View(problem.prompt) for problem, view in views)


def test_uft_stages_drop_one_piece_after_the_other():
    """l = S - floor(t / (T_hint / (S + 1)))."""
    strategy = make_strategy("uft", schedule="stage")
    for share in np.linspace(0, 0.599, 60):
        expected = 5 - int(share / (0.6 / 6) + 1e-9)
        digits = {given(view) for _, view in shown(strategy, share, seeds=3)}
        assert digits == {(None, 2, 4, 6, 8, 9)[expected]}


def test_r3_draws_evenly_all_the_time_and_imitates_nothing():
    views = shown(make_strategy("uft", schedule="uniform"), 0.99, seeds=3000)
    counts = Counter(given(view) for _, view in views)
    for digits in (None, 2, 4, 6, 8, 9):
        assert abs(counts[digits] / 3000 - 1 / 6) < 4 * np.sqrt(5 / 36 / 3000)
    assert {view.prefix_nll for _, view in views} == {0.0}


def test_uft_imitates_its_hints_and_keeps_them_out_of_the_policy_loss():
    views = [view for _, view in shown(make_strategy("uft", imitation=0.3), 0.1) if view.prefix]
    assert {view.prefix_nll for view in views} == {0.3}
    assert {view.prefix_credit for view in views} == {"none"}


def test_a_short_answer_has_fewer_pieces():
    views = shown(make_strategy("uft", high=1.0), 0.0, level=1, seeds=20)
    assert {given(view) for _, view in views} == {2}


def test_steps_of_a_thought_are_pieces_where_solutions_have_one():
    strategy = make_strategy("uft", thought=True, high=1.0, chunks=100)
    problem, view = shown(strategy, 0.0, level=3, seeds=1)[0]
    steps = get_task("sorting").steps(problem)
    assert view.prefix == "<think>" + "\n".join(steps)


# ---------------------------------------------------------------- Prefix-RFT


def test_one_rollout_of_a_group_is_a_hybrid_with_a_fifth_of_its_prefix_credited():
    for problem, views in shown(make_strategy("prefix_rft"), 0.0, seeds=50):
        assert views[:7] == [View(problem.prompt)] * 7
        assert views[7].prefix_credit == 0.2
        assert views[7].prefix_nll == 0.0
        assert given(views[7]) == int(0.95 * 9)


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_the_hybrid_s_share_is_uniform_above_a_falling_bound(share):
    low = 0.95 * 0.5 * (1 + np.cos(np.pi * share))
    # One hundred digits: the floor costs at most a hundredth.
    long = replace(CATALOG.problem("sorting/8", 0), answer="0" * 100)
    strategy, clock = make_strategy("prefix_rft"), Clock(3, share)
    draws = []
    for seed in range(1500):
        view = strategy.show(replace(long, seed=seed), Pick("sorting/8"), 4, clock)[-1]
        draws.append(((given(view) or 0) + 0.5) / 100)
    assert kstest(draws, "uniform", (low, 0.95 - low)).statistic < 0.05


def test_a_single_rollout_is_plain():
    strategy = make_strategy("prefix_rft")
    problem = CATALOG.problem("sorting/8", 0)
    assert strategy.show(problem, Pick(problem.arm), 1, Clock()) == [View(problem.prompt)]


# ---------------------------------------------------------------- ADHint


def test_half_of_a_group_is_hinted_and_the_hint_is_longer_for_harder_arms():
    strategy = make_strategy("adhint")
    means = []
    for rate in (0.0, 0.5, 0.9, 1.0):
        strategy.memory["pass_rate"] = {"sorting/12": rate}
        views = [v for _, v in shown(strategy, 0.5, level=12, seeds=500)]
        assert all(view[0].prefix == "" for view in views)
        assert all(len(set(view[4:])) == 1 for view in views)
        means.append(np.mean([given(view[-1]) or 0 for view in views]))
    # floor(u h 13), u uniform: about half of a digit less than u h 13.
    for mean, rate in zip(means, (0.0, 0.5, 0.9), strict=False):
        assert mean == pytest.approx(max(0.0, 0.5 * (1 - rate) * 13 - 0.5), abs=0.35)
    assert means[-1] == 0


def test_hinted_and_plain_rollouts_are_compared_apart():
    strategy = make_strategy("adhint")
    problem = CATALOG.problem("sorting/8", 0)
    plain, hint = View(problem.prompt), View(problem.prompt, prefix="<answer>0")
    views = [plain, hint, plain, hint, plain, hint]
    (row,) = strategy.advantages([with_results(problem, views, [0, 1, 0, 1, 1, 0])])
    grpo = make_strategy("grpo")
    assert row[0::2] == grpo.group_advantages((0.0, 0.0, 1.0))
    assert row[1::2] == grpo.group_advantages((1.0, 1.0, 0.0))
    # All hinted ones right, all plain ones wrong: a hint is no merit.
    (row,) = strategy.advantages([with_results(problem, views, [0, 1, 0, 1, 0, 1])])
    assert row == (0.0,) * 6


def test_a_group_without_a_hint_has_grpo_s_advantages():
    strategy, problem = make_strategy("adhint"), CATALOG.problem("sorting/8", 0)
    group = with_results(problem, [View(problem.prompt)] * 4, [1, 0, 0, 1])
    assert strategy.advantages([group]) == make_strategy("grpo").advantages([group])
    unscaled = make_strategy("adhint", scale="none").advantages([group])
    assert unscaled == make_strategy("grpo", scale="none").advantages([group])


@pytest.mark.parametrize("name", ["adhint", "expo"])
def test_only_rollouts_without_help_count_as_ability(name):
    strategy, problem = make_strategy(name, rate=0.5), CATALOG.problem("sorting/8", 0)
    plain, hint = View(problem.prompt), View(problem.prompt, prefix="<answer>0")
    strategy.observe([with_results(problem, [hint] * 4, [1] * 4)], {})
    assert strategy.memory["pass_rate"] == {}
    strategy.observe([with_results(problem, [plain, plain, hint, hint], [0, 1, 1, 1])], {})
    assert strategy.memory["pass_rate"] == {problem.arm: 0.5}
    strategy.observe([with_results(problem, [plain, hint], [0, 1])], {})
    assert strategy.memory["pass_rate"] == {problem.arm: 0.25}


def test_the_plain_pass_rate_of_a_group():
    problem = CATALOG.problem("sorting/8", 0)
    plain, hint = View(problem.prompt), View(problem.prompt, prefix="<answer>0")
    assert plain_pass_rate(with_results(problem, [hint], [1])) is None
    assert plain_pass_rate(with_results(problem, [plain, hint, plain], [1, 0, 0])) == 0.5


# ---------------------------------------------------------------- MIRAGE


def test_help_falls_in_equal_steps_with_every_success_and_never_rises():
    strategy = make_strategy("mirage", steps=4, window=2, most=0.8, threshold=0.5)
    problem, told = CATALOG.problem("sorting/9", 0), []
    for _ in range(12):
        view = strategy.show(problem, Pick(problem.arm), 2, Clock())
        told.append(given(view) or 0)
        strategy.observe([with_results(problem, [view] * 2, [1, 1])], {})
    # .8 .6 .4 .2 of ten digits, two visits each; then none for good.
    assert told == [8, 8, 6, 6, 4, 4, 2, 2, 0, 0, 0, 0]
    strategy.observe([with_results(problem, [View(problem.prompt)] * 2, [0, 0])] * 9, {})
    assert strategy.help(problem.arm) == 0


def test_failure_keeps_the_help_and_other_arms_have_their_own():
    strategy = make_strategy("mirage", steps=4, window=1)
    hard, easy = CATALOG.problem("sorting/12", 0), CATALOG.problem("sorting/2", 0)
    for problem, right in ((hard, 0), (easy, 1)):
        view = strategy.show(problem, Pick(problem.arm), 1, Clock())
        strategy.observe([with_results(problem, [view], [right])], {})
    assert strategy.help(hard.arm) == 0.9
    assert strategy.help(easy.arm) == pytest.approx(0.675)


def test_help_in_the_prompt_is_an_answer_to_fill_in():
    strategy = make_strategy("mirage", place="prompt", most=0.5)
    problem = CATALOG.problem("sorting/9", 3)
    view = strategy.show(problem, Pick(problem.arm), 4, Clock())
    assert view.prompt == f"{problem.prompt}\nfill in: {problem.answer[:5]}_____"
    assert view.prefix == ""
    assert view.hinted
    strategy.memory["rungs"][problem.arm] = 8
    last = strategy.show(problem, Pick(problem.arm), 4, Clock())
    assert (last.prompt, last.hinted) == (problem.prompt, False)
