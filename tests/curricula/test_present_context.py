"""Growing context: what stays, how much of the rest is shown when, and what is no evidence of ability."""

import json
import math

import numpy as np
import pytest

from currlab.curricula import Catalog, Clock, Group, Pick, Rollout, Score, View, make_strategy
from currlab.curricula.ladder import chance_of_promotion
from currlab.curricula.present.facts import in_context, others
from currlab.curricula.reward.exact import is_correct
from currlab.tasks import get_task
from currlab.tasks.base import is_test_prompt
from currlab.tasks.lookup import Question

LOOKUP = get_task("lookup")
CATALOG = Catalog.of({"lookup": range(1, 13), "sorting": [5]}, pool=10_000)
NAMES = ["context_growth", "distractor_levels", "wiki_r1", "input_relief"]


def problems(levels=range(1, 13), seeds=range(8)):
    return [LOOKUP.make(level, seed) for level in levels for seed in seeds]


def shown(strategy, problem, share=0.0, step=0):
    return strategy.show(problem, Pick(problem.arm), 4, Clock(step, share))


def in_view(view):
    """How many facts that are not needed a view holds."""
    return len(Question.read(view.prompt).distractors)


def answered(view, problem, right, n=8, step=0):
    rollouts = [
        Rollout(view, "x", (1,), score=Score(float(i < right), i < right)) for i in range(n)
    ]
    return Group(problem, Pick(problem.arm), tuple(rollouts), step)


def visit(strategy, problem, right, n=8, share=0.0):
    view = shown(strategy, problem, share)
    strategy.observe([answered(view, problem, right, n)], {})
    return view


# ---------------------------------------------------------------- facts


@pytest.mark.parametrize("nearest", [False, True])
def test_what_is_needed_stays_in_order_and_the_answer_stays_right(nearest):
    for problem in problems():
        whole = Question.read(problem.prompt)
        for count in range(others(problem)):
            view = in_context(problem, count, nearest=nearest)
            asked = Question.read(view.prompt)
            assert asked.gold == whole.gold
            assert "=".join(asked.path) == problem.answer
            assert list(asked.facts) == [fact for fact in whole.facts if fact in asked.facts]
            assert view.hinted == (len(asked.facts) < len(whole.facts))
            right = Rollout(view, f"<answer>{problem.answer}</answer>", (1,))
            assert is_correct(problem, [right]) == [True]


def test_a_context_has_as_many_facts_as_asked_for_or_a_few_more_if_those_could_be_a_test():
    exact = 0
    for problem in problems():
        for count in range(others(problem)):
            view = in_context(problem, count)
            assert in_view(view) >= count
            exact += in_view(view) == count
            assert not is_test_prompt(view.prompt)
    # One context in five is a test prompt; where there are several to draw from one is found.
    assert exact > 0.9 * sum(others(problem) for problem in problems())


def test_a_test_problem_keeps_to_its_own_side_too():
    for problem in problems(seeds=range(-8, 0)):
        assert is_test_prompt(in_context(problem, 1).prompt)


def test_a_context_is_the_same_at_every_visit_and_another_for_another_problem():
    one, other = LOOKUP.make(9, 1), LOOKUP.make(9, 2)
    assert in_context(one, 3) == in_context(one, 3)
    assert in_context(one, 3) != in_context(other, 3)


def test_all_facts_or_more_are_the_plain_prompt():
    problem = LOOKUP.make(4, 0)
    for count in (others(problem), others(problem) + 7):
        view = in_context(problem, count)
        assert (view.prompt, view.hinted) == (problem.prompt, False)


def test_the_nearest_facts_share_most_letters_with_the_name():
    for problem in problems(levels=[3, 9], seeds=range(20)):
        whole, view = Question.read(problem.prompt), in_context(problem, 1, nearest=True)
        if in_view(view) != 1:
            continue
        alike = [sum(whole.name.count(c) for c in set(fact)) for fact in whole.distractors]
        (kept,) = Question.read(view.prompt).distractors
        assert alike[whole.distractors.index(kept)] == max(alike)


@pytest.mark.parametrize("name", NAMES)
def test_a_task_without_facts_is_shown_plainly_and_teaches_nothing(name):
    strategy, problem = make_strategy(name), CATALOG.problem("sorting/5", 0)
    for right in (0, 8, 0, 8):
        assert visit(strategy, problem, right).prompt == problem.prompt
    assert not visit(strategy, problem, 8).hinted
    form = get_task("lookup@choice4").make(3, 0)
    assert shown(strategy, form).prompt == form.prompt


@pytest.mark.parametrize("name", NAMES)
def test_in_the_end_every_question_is_whole(name):
    strategy = make_strategy(name, **({"window": 1} if name == "wiki_r1" else {}))
    for problem in problems()[:30]:
        visit(strategy, problem, 8)
    for problem in problems():
        view = shown(strategy, problem, 1.0)
        assert (view.prompt, view.hinted) == (problem.prompt, False)


# ---------------------------------------------------------------- by the budget


@pytest.mark.parametrize(("phases", "first"), [(2, 1 / 3), (5, 0.0), (4, 0.25), (3, 1.0)])
def test_the_context_grows_by_equal_steps_in_phases_of_equal_length(phases, first):
    strategy = make_strategy("context_growth", phases=phases, first=first)
    steps = np.linspace(first, 1, phases)
    for share in np.linspace(0, 1, 41):
        expected = steps[min(int(phases * share + 1e-9), phases - 1)]
        assert strategy.kept(Clock(0, share)) == pytest.approx(expected)


def test_the_first_of_two_phases_has_a_third_of_the_facts_that_do_not_matter():
    strategy, problem = make_strategy("context_growth"), LOOKUP.make(10, 0)
    assert others(problem) == 12 - 4
    assert [in_view(shown(strategy, problem, s)) for s in (0.0, 0.49, 0.5, 1.0)] == [2, 2, 8, 8]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("max", [5, 5, 5, 5, 5, 5]),
        ("linear", [1, 1, 2, 3, 4, 5]),
        ("min_max", [1, 1, 1, 5, 5, 5]),
    ],
)
def test_levels_are_due_as_rag_rl_has_them(order, expected):
    """linear: level ceil(K i / N); min-max: level 1 for i <= N / 2, then K."""
    strategy = make_strategy("distractor_levels", order=order)
    assert [strategy.level(share) for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)] == expected


def test_a_level_is_a_share_of_the_distracting_facts_none_first_and_all_last():
    strategy = make_strategy("distractor_levels", order="linear")
    # Seed 7: no smaller context of this problem has a test prompt for its only form.
    counts = [in_view(shown(strategy, LOOKUP.make(12, 7), s)) for s in np.arange(1, 6) / 5]
    assert counts == [math.floor(level / 4 * 10) for level in range(5)]


def test_shuffled_levels_have_the_same_shares_in_no_order():
    strategy = make_strategy("distractor_levels", order="min_max", shuffled=True)
    for share in (0.0, 1.0):
        whole = [not shown(strategy, LOOKUP.make(9, seed), share).hinted for seed in range(500)]
        assert abs(np.mean(whole) - 0.5) < 4 * np.sqrt(0.25 / 500)


# ---------------------------------------------------------------- Wiki-R1


def test_a_fact_more_comes_with_every_full_window_above_the_threshold():
    strategy, problem = make_strategy("wiki_r1", window=3, levels=4), LOOKUP.make(12, 7)
    seen = []
    for _ in range(14):
        view = visit(strategy, problem, 5)  # .625
        seen.append(in_view(view))
    assert seen == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + [10] * 2
    assert strategy.snapshot() == {"gap level": 4}
    for _ in range(20):
        assert visit(strategy, problem, 0).prompt == problem.prompt


@pytest.mark.parametrize(("right", "up"), [(11, False), (12, True)])
def test_the_mean_must_exceed_the_threshold(right, up):
    """.55 of 20 rollouts are 11 exactly."""
    strategy = make_strategy("wiki_r1", window=1)
    visit(strategy, LOOKUP.make(5, 0), right, n=20)
    assert strategy.memory["gap"] == up


def test_groups_of_one_step_raise_the_level_once():
    strategy = make_strategy("wiki_r1", window=2)
    every = problems(levels=[5])
    groups = [answered(shown(strategy, problem), problem, 8) for problem in every]
    strategy.observe(groups, {})
    assert strategy.memory == {"gap": 1, "recent": []}


def test_nothing_solved_keeps_the_level_for_ever():
    strategy = make_strategy("wiki_r1", window=2)
    for problem in problems():
        visit(strategy, problem, 0)
    assert strategy.memory["gap"] == 0


def test_luck_raises_the_level_at_the_analytic_rate():
    rate = chance_of_promotion(0.4, 8, 3, 0.55, 10)
    assert 0.05 < rate < 0.95
    rng, problem, raised = np.random.default_rng(0), LOOKUP.make(5, 0), 0
    view = shown(make_strategy("wiki_r1"), problem)
    visits = [[answered(view, problem, right)] for right in range(9)]
    for hits in rng.binomial(8, 0.4, size=(400, 10)).tolist():
        strategy = make_strategy("wiki_r1", window=3)
        for right in hits:
            # Once the level has risen these groups are of a level that is gone.
            strategy.observe(visits[right], {})
        raised += strategy.memory["gap"]
    assert abs(raised / 400 - rate) < 4 * np.sqrt(rate * (1 - rate) / 400)


# ---------------------------------------------------------------- relief


def judged(right, **settings):
    """A strategy that has judged the arm lookup/11 by 32 rollouts, so many of them right."""
    strategy, problem = make_strategy("input_relief", **settings), LOOKUP.make(11, 3)
    for hits in np.array_split(np.arange(32) < right, 4):
        assert visit(strategy, problem, int(hits.sum())).prompt == problem.prompt
    return strategy, problem


@pytest.mark.parametrize("share", [0.0, 0.2, 0.35, 0.63, 0.7, 1.0])
def test_a_hard_arm_has_less_to_search_and_the_relief_falls_linearly_to_nothing(share):
    strategy, problem = judged(0)
    hidden = math.floor(max(0.0, 1 - share / 0.7) * 9 + 1e-9)
    assert others(problem) == 9
    assert in_view(shown(strategy, problem, share)) == 9 - hidden
    assert shown(strategy, problem, share).hinted == (hidden > 0)


@pytest.mark.parametrize(("right", "hard"), [(0, True), (7, True), (8, False), (32, False)])
def test_an_arm_is_hard_below_a_quarter(right, hard):
    strategy, problem = judged(right)
    assert strategy.snapshot() == {"hard": {problem.arm: float(hard)}}
    assert shown(strategy, problem).hinted == hard


def test_an_arm_is_judged_once_by_whole_questions_only_and_for_itself():
    strategy, problem = judged(0)
    helped = visit(strategy, problem, 8)
    assert helped.hinted
    visit(strategy, problem, 8, share=1.0)
    assert strategy.memory["tries"] == {problem.arm: 32}
    assert strategy.hard(problem.arm)
    assert not shown(strategy, LOOKUP.make(12, 0)).hinted
    other = make_strategy("input_relief")
    other.observe([answered(helped, problem, 0)] * 9, {})
    assert other.memory["tries"] == {}


def test_a_part_of_the_relief_can_be_asked_for():
    strategy, problem = judged(0, most=0.5)
    assert in_view(shown(strategy, problem)) == 9 - 4


@pytest.mark.parametrize("name", NAMES)
def test_what_was_learnt_survives_saving(name):
    strategy = make_strategy(name, **({"window": 2} if name == "wiki_r1" else {}))
    for problem in problems():
        visit(strategy, problem, 7 if problem.level < 6 else 0)
    other = make_strategy(name)
    other.load_state_dict(json.loads(json.dumps(strategy.state_dict())))
    for share in (0.0, 0.4, 0.9):
        views = [[shown(s, problem, share) for problem in problems()] for s in (strategy, other)]
        assert views[0] == views[1]
        assert all(isinstance(view, View) for view in views[0])
