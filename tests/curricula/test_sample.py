"""The sample dial: budgets, refills and replays, each against what it promises."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from fakes import CATALOG, group

from currlab.curricula import Clock, Pick, Rollout, make_recipe, make_strategy, strategy_names
from currlab.curricula.data import ANY_ARM
from currlab.tasks import get_task
from currlab.training.collect import Collector, with_advantages

SAMPLES = strategy_names("sample")


class LuckyPolicy:
    """Right with the chance of the problem's level; luck depends on the row's seed alone."""

    def __init__(self, chances):
        self.chances, self.tokens_generated = chances, 0

    def generate(self, views, seeds, temperature):
        self.tokens_generated += 5 * len(views)
        rows = []
        for view, seed in zip(views, seeds, strict=True):
            digits = view.prompt.removeprefix("sort ")
            right = np.random.default_rng(seed).random() < self.chances[len(digits) - 1]
            text = f"<answer>{''.join(sorted(digits)) if right else 'no'}</answer>"
            ids = (7,) * 4
            rows.append(Rollout(view, text, ids, entropy=0.5, temperature=temperature))
        return rows


def collector(sample, chance, select="uniform", seed=0, **settings):
    """`chance` of a right answer: one for all levels, or a list by level from 1."""
    both = {"present": sample} if sample == "rare_successes" else {}
    recipe = make_recipe(select, seed, {sample: settings}, sample=sample, **both)
    chances = [0.0, *([chance] * 12 if isinstance(chance, float) else chance)]
    return Collector(recipe, CATALOG, LuckyPolicy(chances), seed)


def step(c, number=0, prompts=12):
    """One step of the dials: the groups with advantages, observed."""
    clock = Clock(number, number / 100)
    groups = with_advantages(c.recipe, c.collect(c.choose(prompts, clock), clock))
    c.recipe.observe(groups, {})
    return groups


def kept(groups):
    return [sum(r.kept for r in g.rollouts) for g in groups]


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("chance", [0.0, 0.1, 0.5, 1.0])
def test_a_step_is_bounded_and_fits_what_was_announced(name, chance):
    c = collector(name, chance)
    sample = c.recipe.sample
    for number in range(4):
        groups = step(c, number)
        assert sum(kept(groups)) <= sample.growth * 12 * 8
        assert len(groups) <= 12 * (1 + sample.max_rounds)
        assert json.loads(json.dumps(sample.snapshot(), allow_nan=False)) == sample.snapshot()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_restored_run_goes_on_alike(name):
    chances = [0.9, 0.7, 0.5, 0.3, 0.15, 0.05, 0.0, 0.0]
    whole = collector(name, chances)
    steps = [step(whole, i) for i in range(8)]
    first = collector(name, chances)
    for i in range(4):
        step(first, i)
    saved = json.loads(json.dumps(first.recipe.state_dict()))
    step(first, 4)  # what is lost by the kill
    second = collector(name, chances)
    second.recipe.load_state_dict(saved)
    assert [step(second, i) for i in range(4, 8)] == steps[4:]


def test_silent_groups_are_as_frequent_as_the_formula_says():
    """P(all rewards equal) = p^n + (1 - p)^n."""
    for n, p in [(4, 0.1), (8, 0.1), (8, 0.3), (16, 0.05)]:
        c = collector("fixed_group", p, size=n)
        groups = [g for i in range(20) for g in step(c, i, prompts=50)]
        share = np.mean([not g.informative for g in groups])
        expected = p**n + (1 - p) ** n
        assert share == pytest.approx(expected, abs=4 * math.sqrt(expected / len(groups)))


# ---------------------------------------------------------------- filters


def test_refills_are_other_problems_and_make_the_batch_whole():
    c = collector("dynamic_sampling", 0.25, refills=10)
    groups = step(c, prompts=20)
    assert sum(n == 8 for n in kept(groups)) == 20
    for g, n in zip(groups, kept(groups), strict=True):
        assert n in (0, 8)
        assert g.informative or n == 0
    seeds = [g.problem.key for g in groups]
    assert len(set(seeds)) == len(seeds) > 20
    refills = groups[20:]
    assert all(not groups[g.pick.parent].informative for g in refills)
    assert c.policy.tokens_generated == 5 * 8 * len(groups), "dropped groups cost, too"


def test_refills_end_and_the_batch_is_then_smaller():
    c = collector("dynamic_sampling", 0.0, refills=3)
    groups = step(c, prompts=5)
    assert len(groups) == 5 * 4
    assert sum(kept(groups)) == 0
    assert c.recipe.sample.snapshot()["share of the batch filled"] == 0.0


def test_refills_are_chosen_by_select():
    """SEC has learnt that level 4 teaches; what is sampled in place of others is level 4, too."""
    chances = [1.0, 1.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0]
    c = collector("dynamic_sampling", chances, select="sec")
    for number in range(30):
        groups = step(c, number)
    arms = [g.arm for g in groups]
    assert arms.count("sorting/4") > len(arms) / 2


def test_the_variance_filter_drops_the_lopsided():
    c = collector("variance_filter", 0.5)
    rewards = [[1] * 8, [1] * 7 + [0], [1] * 4 + [0] * 4, [0] * 8]
    groups = [group(CATALOG, Pick("sorting/2"), r) for r in rewards]
    flagged, extra = c.recipe.sample.after(groups, Clock())
    # Standard deviations over n: 0, .331, .5, 0.
    assert kept(flagged) == [0, 8, 8, 0]
    assert not extra
    flagged, _ = make_strategy("variance_filter", least=0.34).after(groups, Clock())
    assert kept(flagged) == [0, 0, 8, 0]


# ---------------------------------------------------------------- Reinforce-Ada


def with_rewards(rewards):
    return group(CATALOG, Pick("sorting/3"), rewards)


@pytest.mark.parametrize(
    ("rewards", "stop", "more", "chosen"),
    [
        ([1, 1, 0, 0, 0, 0, 0, 0], "balanced", False, [0, 1, 2, 3]),
        ([1, 0, 0, 0, 0, 0, 0, 0], "balanced", True, [0, 1, 2, 3]),
        ([1, 0, 0, 0, 0, 0, 0, 0], "positive", False, [0, 1, 2, 3]),
        ([0] * 8, "positive", True, [0, 1, 2, 3]),
        ([0, 0, 0, 0, 0, 1, 1, 1], "balanced", False, [0, 1, 5, 6]),
        ([1, 1, 1, 1, 1, 1, 1, 0], "balanced", True, [0, 1, 2, 7]),
        ([0.7, 0.71, 0, 0.9, 0, 0, 0, 0], "balanced", False, [0, 1, 2, 3]),
    ],
)
def test_reinforce_ada_stops_and_keeps_as_told(rewards, stop, more, chosen):
    sample = make_strategy("reinforce_ada", stop=stop)
    (flagged,), extra = sample.after([with_rewards(rewards)], Clock())
    assert bool(extra) == more
    assert [i for i, r in enumerate(flagged.rollouts) if r.kept] == chosen
    for pick in extra:
        assert (pick.parent, pick.merge, pick.rollouts) == (0, True, 8)
        assert pick.arm == "sorting/3"


def test_reinforce_ada_compares_with_all_rollouts_of_a_problem():
    c = collector("reinforce_ada", 0.1)
    c.recipe = c.recipe.with_dial("update", make_strategy("grpo", scale="none"))
    groups = step(c, prompts=30)
    sizes = {len(g.rollouts) for g in groups}
    assert sizes <= {8, 16, 24, 32}
    assert len(sizes) > 1
    for g in groups:
        mean = sum(g.rewards) / len(g.rewards)
        assert g.advantages == pytest.approx([r - mean for r in g.rewards])
        assert sum(r.kept for r in g.rollouts) == 4
    finished = [g for g in groups if 2 <= sum(g.rewards) <= len(g.rewards) - 2]
    for g in finished:
        assert sum(r.score.correct for r in g.rollouts if r.kept) == 2


# ---------------------------------------------------------------- budgets


def test_rollouts_go_where_the_outcome_is_open_and_their_number_stays():
    sample = make_strategy("uncertainty_budget", decay=1.0)
    picks = [Pick(arm) for arm in CATALOG.arms[:3] for _ in range(4)]
    assert sample.plan(picks, Clock()).rollouts == (8,) * 12
    rights, tries = dict.fromkeys(CATALOG.arms[:3], 0), 0
    rng = np.random.default_rng(0)
    for _ in range(25):
        groups = []
        for arm, p in zip(CATALOG.arms[:3], (0.02, 0.5, 0.98), strict=True):
            rewards = (rng.random(8) < p).astype(float)
            rights[arm] += int(rewards.sum())
            groups.append(group(CATALOG, Pick(arm), rewards))
        tries += 8
        sample.observe(groups, {})
    p = np.array([(rights[arm] + 1) / (tries + 2) for arm in CATALOG.arms[:3]])
    spread = np.sqrt(p * (1 - p))
    ideal = 2 + 6 * 12 * np.repeat(spread, 4) / (4 * spread.sum())
    sizes = sample.plan(picks, Clock()).rollouts
    assert sum(sizes) == 96
    assert np.abs(np.array(sizes) - ideal).max() < 1
    assert min(sizes) >= 2
    assert sizes[4] >= 2 * sizes[0]


def test_the_budget_forgets_at_its_rate_and_ignores_hinted_groups():
    sample = make_strategy("uncertainty_budget", decay=0.5)
    sample.observe([group(CATALOG, Pick("sorting/1"), [1] * 8)], {})
    assert sample.rate("sorting/1") == pytest.approx(9 / 10)
    sample.observe([group(CATALOG, Pick("sorting/1"), [0] * 8)], {})
    assert sample.rate("sorting/1") == pytest.approx((4 + 1) / (4 + 8 + 2))
    plain = group(CATALOG, Pick("sorting/2"), [1] * 8)
    helped = [replace(r, view=replace(r.view, prefix="<answer>")) for r in plain.rollouts]
    sample.observe([replace(plain, rollouts=tuple(helped))], {})
    assert sample.rate("sorting/2") == 0.5


def test_the_temperature_follows_the_entropy_for_thirty_updates():
    p = {"target": 0.4, "gain": 0.2, "lowest": 0.7, "highest": 1.3}
    sample = make_strategy("entropy_temperature", **p)
    rng, expected = np.random.default_rng(1), 1.0
    for _ in range(30):
        assert sample.plan([Pick("sorting/1")], Clock()).temperature == pytest.approx(expected)
        entropy = rng.uniform(0.0, 1.2)
        one = group(CATALOG, Pick("sorting/1"), [1, 0])
        rows = tuple(replace(r, entropy=entropy) for r in one.rollouts)
        sample.observe([replace(one, rollouts=rows)], {})
        expected *= math.exp(0.2 * (0.4 - entropy) / 0.4)
        expected = min(max(expected, 0.7), 1.3)
    # Bounds the wrong way round leave one temperature, not a failure.
    crossed = make_strategy("entropy_temperature", lowest=2.0, highest=1.0)
    crossed.observe([group(CATALOG, Pick("sorting/1"), [1, 0])], {})
    assert crossed.temperature() == 2.0


# ---------------------------------------------------------------- replay


def test_a_rare_success_comes_back_as_a_forced_answer_that_verifies():
    c = collector("rare_successes", 0.06, extra=3)
    seen = []
    for number in range(6):
        seen += [g for g in step(c, number) if g.pick.parent is not None]
    assert seen
    for g in seen:
        first, *others = g.rollouts
        assert first.view.prefix == g.pick.view["success"]
        assert first.view.prefix_credit == "all"
        assert get_task("sorting").verify(g.problem, first.view.prefix)
        assert all(not r.view.prefix for r in others)
        assert len(g.rollouts) == 8
        assert g.hinted, "a forced answer is no ability"


def test_common_successes_are_not_kept_and_the_buffer_is_bounded():
    c = collector("rare_successes", 0.9)
    step(c)
    assert c.recipe.sample.memory["successes"] == []
    c = collector("rare_successes", 0.05, buffer=3, extra=0)
    for number in range(8):
        step(c, number)
    assert len(c.recipe.sample.memory["successes"]) == 3


def test_extra_picks_that_leave_the_problem_to_select_get_new_ones():
    c = collector("fixed_group", 0.5)
    first = c.choose(4, Clock(3))
    chosen = c._chosen([Pick(ANY_ARM, parent=2), Pick("sorting/1", 5, parent=1)], Clock(3))
    assert chosen[0].arm in CATALOG.arms
    assert chosen[0].parent == 2
    assert chosen[1] == Pick("sorting/1", 5, parent=1)
    assert c._with_seed(replace(first[0], seed=None), 3, 0, 1).seed not in [p.seed for p in first]
