"""Noise: how often and how much, that answers stay right, and who gets help instead."""

import random
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from currlab.curricula import Clock, Group, Pick, Rollout, Score, View, make_strategy
from currlab.curricula.present.noise import exponential, vague, with_noise
from currlab.curricula.reward.exact import is_correct
from currlab.tasks import Task, get_task, register_task
from currlab.tasks.base import is_test_prompt
from currlab.tasks.lookup import Question
from currlab.tasks.registry import INSTANCES, TASKS

LOOKUP, SORTING = get_task("lookup"), get_task("sorting")
NAMES = ["zero_search", "distractor_state", "obfuscation", "difficulty_balance"]


def views(strategy, share, task=LOOKUP, level=5, seeds=600, n=1, step=3):
    """The views of so many problems at this share of the budget, one list."""
    found = []
    for seed in range(seeds):
        problem = task.make(level, seed)
        new = strategy.show(problem, Pick(problem.arm), n, Clock(step, share))
        found += [(problem, view) for view in (new if isinstance(new, list) else [new] * n)]
    return found


def added(problem, view):
    """How many facts a view holds that the problem does not."""
    facts = Question.read(view.prompt).facts
    return len(facts) - len(Question.read(problem.prompt).facts)


def close(share, expected, n):
    return abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / n) + 1e-9


def group(problem, right, n=8, view=None):
    rollouts = [
        Rollout(view or View(problem.prompt), "x", (1,), score=Score(float(i < right), i < right))
        for i in range(n)
    ]
    return Group(problem, Pick(problem.arm), tuple(rollouts), 0)


@pytest.fixture
def silent():
    """A task of one question that has neither noise nor other words."""
    before = dict(TASKS), dict(INSTANCES)

    @register_task
    class Silent(Task):
        name, title, max_level = "silent", "silent", 1

        def draw(self, level, rng):
            return f"say {rng.random()}", "y"

        def distract(self, problem, n, rng):
            # On the other side of the split.
            prompts = (f"{problem.prompt} {i}" for i in range(1000))
            return next(p for p in prompts if is_test_prompt(p) != is_test_prompt(problem.prompt))

        def rephrase(self, problem, rng):
            return None

    yield get_task("silent").make(1, 0)
    for store, saved in zip((TASKS, INSTANCES), before, strict=True):
        store.clear()
        store.update(saved)


@pytest.mark.parametrize("task", ["lookup", "sorting", "knights_knaves", "countdown"])
@pytest.mark.parametrize("name", NAMES)
def test_noise_leaves_the_answer_right_and_gives_nothing_away(name, task):
    settings = {"most": 1.0} if name == "obfuscation" else {}
    strategy, task = make_strategy(name, **settings), get_task(task)
    # For the balance: an arm that is much easier than what is usual.
    easy = task.make(2, 0)
    if name == "difficulty_balance":
        strategy.memory.update(pass_rate={easy.arm: 1.0}, steps=[0.2])
    seen = views(strategy, 1.0, task, 2, seeds=60, n=2)
    assert any(view.prompt != problem.prompt for problem, view in seen)
    for problem, view in seen:
        assert not view.hinted
        assert not is_test_prompt(view.prompt)
        right = Rollout(view, task.completion(problem), (1,))
        assert is_correct(problem, [right]) == [True]


@pytest.mark.parametrize("name", NAMES)
def test_a_problem_without_noise_is_shown_plainly(name, silent):
    strategy = make_strategy(name)
    if name == "difficulty_balance":
        strategy.memory.update(pass_rate={silent.arm: 1.0}, steps=[0.2])
    for step in range(20):
        new = strategy.show(silent, Pick(silent.arm), 1, Clock(step, 1.0))
        (view,) = new if isinstance(new, list) else [new]
        assert view.prompt == silent.prompt


def test_so_many_facts_come_in_between_the_others():
    problem = LOOKUP.make(6, 0)
    for things in (0, 1, 5, 20):
        view = with_noise(problem, things, random.Random(0))
        assert added(problem, view) == things
        asked = Question.read(view.prompt)
        assert "=".join(asked.path) == problem.answer
        assert [f for f in asked.facts if f in problem.prompt.split(" ")] == (
            problem.prompt.split(" ")[1:-1]
        )


# ---------------------------------------------------------------- ZeroSearch


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("base", [1.01, 4.0, 100.0])
def test_the_schedule_is_the_paper_s(share, base):
    """p_i = p_s + (b^(i/m) - 1) / (b - 1) (p_e - p_s)."""
    expected = 0.1 + (0.6 - 0.1) * np.expm1(share * np.log(base)) / (base - 1)
    assert exponential(share, base, 0.1, 0.6) == pytest.approx(expected)


def test_the_schedule_starts_slowly_and_is_linear_for_a_base_near_one():
    assert exponential(0.5, 4.0, 0.0, 0.5) < 0.25
    assert exponential(0.5, 1.01, 0.0, 0.5) == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_every_rollout_has_its_own_noise_with_the_chance_of_the_schedule(share):
    seen = views(make_strategy("zero_search"), share, n=4)
    counts = Counter(added(problem, view) for problem, view in seen)
    assert set(counts) <= {0, 5}
    assert close(counts[5] / len(seen), (4**share - 1) / 3 * 0.5, len(seen))
    if share:
        groups = [seen[i : i + 4] for i in range(0, len(seen), 4)]
        assert any(len({view for _, view in group}) > 2 for group in groups)


def test_noise_from_the_start_can_be_asked_for():
    seen = views(make_strategy("zero_search", low=1.0, high=1.0, facts=2), 0.0, seeds=50)
    assert {added(problem, view) for problem, view in seen} == {2}


# ---------------------------------------------------------------- a few fields, vaguer questions


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_few_things_at_a_fixed_rate_each_number_as_likely(share):
    strategy = make_strategy("distractor_state", chance=0.6, most=3)
    counts = Counter(added(problem, view) for problem, view in views(strategy, share, seeds=1500))
    assert set(counts) == {0, 1, 2, 3}
    assert close(1 - counts[0] / 1500, 0.6, 1500)
    assert chisquare([counts[i] for i in (1, 2, 3)]).pvalue > 1e-4


@pytest.mark.parametrize("share", [0.0, 0.35, 0.7, 1.0])
def test_questions_get_vaguer_linearly(share):
    seen = views(make_strategy("obfuscation"), share, seeds=1500)
    vaguer = sum(view.kind == "vague" for _, view in seen)
    assert close(vaguer / 1500, 0.5 * min(1, share / 0.7), 1500)


def test_a_vague_name_still_means_one_name_only_and_else_the_words_change():
    kinds = Counter()
    for seed in range(300):
        problem = LOOKUP.make(6, seed)
        asked, vaguer = Question.read(problem.prompt), vague(problem, random.Random(seed)).prompt
        name, half = asked.name, Question.read(vaguer).name
        kinds["_" in half] += 1
        if "_" in half:
            known = {fact.split("=")[0] for fact in asked.facts}
            fits = [k for k in known if all(b in ("_", a) for a, b in zip(k, half, strict=True))]
            assert fits == [name]
        else:
            assert half == name
            assert set(asked.gold) <= set(Question.read(vaguer).facts)
    assert kinds[True] > 30
    assert kinds[False] > 30
    assert vague(SORTING.make(8, 0), random.Random(0)).prompt != SORTING.make(8, 0).prompt


def test_other_words_never_are_the_answer():
    """Two digits to sort have only one other order, which may be the answer."""
    for seed in range(40):
        problem = SORTING.make(1, seed)
        sorted_already = problem.answer in problem.prompt
        for draw in range(20):
            view = vague(problem, random.Random(draw))
            assert sorted_already or problem.answer not in view.prompt


# ---------------------------------------------------------------- help and noise


def balanced(rate, usual=0.5, **settings):
    strategy = make_strategy("difficulty_balance", chance=1.0, **settings)
    strategy.memory.update(pass_rate={"sorting/9": rate, "lookup/5": rate}, steps=[usual])
    return strategy


@pytest.mark.parametrize(("rate", "digits"), [(0.0, 5), (0.3, 2), (0.45, None), (0.5, None)])
def test_a_harder_arm_gets_the_start_of_its_solution_in_proportion(rate, digits):
    """Ten digits; floor(.5 * 10) = 5 of them are given for a gap of one half."""
    for problem, view in views(balanced(rate), 0.5, SORTING, 9, seeds=20):
        expected = f"<answer>{problem.answer[:digits]}" if digits else ""
        assert view.prefix == expected
        assert view.hinted == bool(digits)


@pytest.mark.parametrize(("rate", "things"), [(1.0, 4), (0.75, 2), (0.55, 0), (0.5, 0)])
def test_an_easier_arm_gets_noise_in_proportion(rate, things):
    """round(8 * .5) = 4 things for a gap of one half."""
    seen = views(balanced(rate), 0.5, seeds=20)
    assert {added(problem, view) for problem, view in seen} == {things}


def test_no_more_than_the_whole_solution_is_given():
    problem, view = views(balanced(0.0, usual=1.0, strength=5.0), 0.5, SORTING, 9, seeds=1)[0]
    assert view.prefix == f"<answer>{problem.answer}"


def test_without_any_knowledge_and_where_all_are_alike_nothing_is_changed():
    for strategy in (make_strategy("difficulty_balance", chance=1.0), balanced(1.0, 1.0)):
        assert all(v == View(p.prompt) for p, v in views(strategy, 0.5, SORTING, 9, seeds=20))
    for right in (0, 8):
        strategy = make_strategy("difficulty_balance", chance=1.0)
        for level in (2, 9):
            strategy.observe([group(SORTING.make(level, 0), right)] * 3, {})
        assert strategy.gap("sorting/9") == 0


def test_half_of_the_problems_stay_as_they_are_so_that_ability_is_seen():
    strategy = balanced(0.0)
    strategy.parameters = type(strategy.parameters)()
    seen = views(strategy, 0.5, SORTING, 9, seeds=800)
    assert close(sum(not view.hinted for _, view in seen) / 800, 0.5, 800)


def test_the_usual_success_is_that_of_the_last_steps_without_help():
    strategy, hard = make_strategy("difficulty_balance", window=2), SORTING.make(9, 0)
    helped = View(hard.prompt, prefix="<answer>0")
    for right in (8, 4, 2):
        strategy.observe([group(hard, right), group(hard, 8, view=helped)], {})
    strategy.observe([group(hard, 8, view=helped)], {})
    assert strategy.memory["steps"] == [0.5, 0.25]
    # A running mean of 1, .5, .25 with weight .1.
    assert strategy.gap(hard.arm) == pytest.approx(0.375 - (0.9 * 0.95 + 0.1 * 0.25))
    assert set(strategy.snapshot()["gap"]) == {hard.arm}
