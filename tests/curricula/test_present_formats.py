"""Format ladders: rungs, promotion by what was verified, guessing, stages."""

import json
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from currlab.curricula import Catalog, Clock, Group, Pick, Rollout, Score, make_strategy
from currlab.curricula.ladder import chance_of_promotion
from currlab.curricula.present.formats import in_form
from currlab.curricula.reward.exact import is_correct
from currlab.tasks import Task, get_task, register_task
from currlab.tasks.registry import INSTANCES, TASKS

CATALOG = Catalog.of({"sorting": range(3, 9)}, pool=1000)
CHOICES = ("choice4", "choice10", "cloze", "open")
START = Clock()


def ladder(**settings):
    return make_strategy("cog_drift", ladder="problem", **settings)


def visit(strategy, problem, hits, n=8, clock=START, formed=True):
    """Show a problem; `hits` of `n` answers are right. The view it was shown in."""
    pick = Pick(problem.arm, problem.seed)
    view = strategy.show(problem, pick, n, clock)
    strategy.observe([Group(problem, pick, answered(view, hits, n, formed), clock.step)], {})
    return view


@cache
def answered(view, hits, n=8, formed=True):
    text = "<answer>0</answer>" if formed else "0"
    scores = [Score(float(i < hits), i < hits) for i in range(n)]
    return tuple(Rollout(view, text, (1,), score=score) for score in scores)


def test_a_problem_climbs_from_four_choices_to_the_open_question_and_stays_there():
    strategy, problem = ladder(window=1), CATALOG.problem("sorting/5", 7)
    views = [visit(strategy, problem, 8) for _ in range(6)]
    assert [view.kind for view in views] == [*CHOICES, "open", "open"]
    assert views[0].prompt.count("\n") == 1 + 4
    assert views[1].prompt.count("\n") == 1 + 10
    assert "_" in views[2].prompt
    assert views[3].prompt == problem.prompt
    assert [view.hinted for view in views] == [True, True, True, False, False, False]
    # Never down again.
    assert [visit(strategy, problem, 0).kind for _ in range(5)] == ["open"] * 5


def test_options_are_the_same_at_every_visit_and_hold_the_answer():
    problem = CATALOG.problem("sorting/5", 7)
    first, again = (visit(ladder(), problem, 0) for _ in range(2))
    assert first == again
    assert problem.answer in first.prompt.split("\n")
    right = Rollout(first, f"<answer>{problem.answer}</answer>", (1,))
    assert is_correct(problem, [right]) == [True]


def test_two_problems_climb_apart_and_an_arm_together():
    one, other = CATALOG.problem("sorting/5", 0), CATALOG.problem("sorting/5", 1)
    apart, together = ladder(window=1), make_strategy("cog_drift", window=1)
    for strategy in (apart, together):
        visit(strategy, one, 8)
    assert visit(apart, other, 8).kind == "choice4"
    assert visit(together, other, 8).kind == "choice10"
    assert visit(together, CATALOG.problem("sorting/6", 0), 8).kind == "choice4"


def test_groups_of_one_step_promote_an_arm_once():
    strategy = make_strategy("cog_drift", window=1)
    problems = [CATALOG.problem("sorting/5", seed) for seed in range(5)]
    groups = []
    for problem in problems:
        view = strategy.show(problem, Pick(problem.arm), 2, START)
        rollouts = (Rollout(view, "x", (1,), score=Score(1.0, True)),) * 2
        groups.append(Group(problem, Pick(problem.arm), rollouts, 0))
    strategy.observe(groups, {})
    assert strategy.memory["rungs"] == {"sorting/5": 1}


@pytest.mark.parametrize(("rung", "least"), [(0, 16), (1, 14), (2, 13)])
def test_the_default_rule_asks_for_more_than_half_of_the_way_from_chance(rung, least):
    """Over 24 rollouts: 15 of them are exactly .625; 13.2 are .55; 12 are .5."""
    for hits, up in ((least - 1, False), (least, True)):
        strategy, problem = ladder(), CATALOG.problem("sorting/5", 7)
        strategy.memory["rungs"]["sorting/5/7"] = rung
        for part in np.array_split(np.arange(24) < hits, 3):
            visit(strategy, problem, int(part.sum()))
        assert strategy.memory["rungs"]["sorting/5/7"] == rung + up


def test_the_paper_s_rule_counts_the_form_of_an_answer():
    for hits, formed, up in ((2, True, 0), (3, True, 1), (4, False, 0), (5, False, 1)):
        strategy, problem = ladder(rule="paper", window=1), CATALOG.problem("sorting/5", 7)
        visit(strategy, problem, hits, formed=formed)
        assert strategy.memory["rungs"].get("sorting/5/7", 0) == up, (hits, formed)


def guessing(visits, problems=1000, seed=0, **settings):
    """How many of so many problems are promoted within so many visits of random answers."""
    strategy, rng = ladder(**settings), np.random.default_rng(seed)
    every = [CATALOG.problem("sorting/6", i) for i in range(problems)]
    assert {in_form(problem, "choice4").chance for problem in every} == {0.25}
    views = [strategy.show(problem, Pick(problem.arm), 8, START) for problem in every]
    for hits in rng.binomial(8, 0.25, size=(visits, problems)).tolist():
        groups = [
            Group(problem, Pick(problem.arm), answered(view, right), 0)
            for problem, view, right in zip(every, views, hits, strict=True)
        ]
        # Those that were promoted before are not shown in their old form any more.
        strategy.observe(groups, {})
    return sum(rung > 0 for rung in strategy.memory["rungs"].values())


def test_guessing_promotes_next_to_nothing_at_defaults():
    expected = 1000 * chance_of_promotion(0.25, 8, 3, 0.625, 50)
    assert expected < 1
    assert guessing(50) <= 5


def test_guessing_promotes_at_the_analytic_rate():
    rate = chance_of_promotion(0.25, 8, 2, 0.4, 12)
    assert 0.2 < rate < 0.8
    got = guessing(12, threshold=0.2, window=2)
    assert abs(got - 1000 * rate) < 4 * np.sqrt(1000 * rate * (1 - rate))


def test_guessing_passes_the_paper_s_rule_one_visit_in_three():
    """With a perfect form .3 correct is enough: three of eight, which a guesser has 32 % of the time."""
    rate = binom.sf(2, 8, 0.25)
    assert rate == pytest.approx(0.32, abs=0.005)
    got = guessing(1, rule="paper", window=1)
    assert abs(got - 1000 * rate) < 4 * np.sqrt(1000 * rate * (1 - rate))


def test_a_problem_without_a_form_takes_the_next_one_it_has():
    before = dict(TASKS), dict(INSTANCES)

    @register_task
    class Yes(Task):
        name, title, max_level = "always_yes", "yes", 1

        def draw(self, level, rng):
            return f"say yes {rng.random()}", "y"

        def near_miss(self, problem, rng):
            return "y"

    try:
        problem = get_task("always_yes").make(1, 0)
        assert visit(ladder(), problem, 0).kind == "open"
    finally:
        for store, saved in zip((TASKS, INSTANCES), before, strict=True):
            store.clear()
            store.update(saved)


def test_saved_ladders_go_on_where_they_stood():
    strategy, problem = ladder(window=2), CATALOG.problem("sorting/5", 7)
    for _ in range(3):
        visit(strategy, problem, 8)
    other = ladder()
    other.load_state_dict(json.loads(json.dumps(strategy.state_dict())))
    assert [visit(s, problem, 8).kind for s in (strategy, other)] == ["choice10"] * 2
    assert strategy.snapshot() == other.snapshot() != ladder().snapshot()
    assert strategy.snapshot()["ladders at cloze"] == 1


# ---------------------------------------------------------------- stages


@pytest.mark.parametrize(
    ("name", "forms"),
    [("medcco", ["choice4", "open"]), ("curr_reft", ["judge", "choice4", "open"])],
)
def test_stages_have_equal_shares_of_the_budget(name, forms):
    strategy, problem = make_strategy(name), CATALOG.problem("sorting/5", 7)
    shares = np.linspace(0, 1, 300, endpoint=False)
    seen = [visit(strategy, problem, 0, 2, Clock(0, share)).kind for share in shares]
    assert list(dict.fromkeys(seen)) == forms
    assert set(Counter(seen).values()) == {300 // len(forms)}
    assert visit(strategy, problem, 0, 2, Clock(0, 1.0)).kind == "open"


def test_stages_by_success_wait_for_it_and_then_move_for_all():
    strategy = make_strategy("curr_reft", advance="pass_rate", window=4)
    problems = [CATALOG.problem("sorting/5", seed) for seed in range(8)]
    # A judgement is right half of the time by chance: .75 must be exceeded.
    assert [visit(strategy, p, 6).kind for p in problems[:5]] == ["judge"] * 5
    assert visit(strategy, problems[5], 7).kind == "judge"
    assert visit(strategy, problems[0], 0).kind == "choice4"
    assert visit(strategy, CATALOG.problem("sorting/8", 0), 0).kind == "choice4"


def test_a_change_of_rule_goes_on_from_the_present_stage():
    strategy = make_strategy("medcco")
    visit(strategy, CATALOG.problem("sorting/5", 0), 0, clock=Clock(9, 0.9))
    changed = make_strategy("medcco", advance="pass_rate")
    changed.load_state_dict({**strategy.state_dict(), "parameters": vars(changed.parameters)})
    assert visit(changed, CATALOG.problem("sorting/5", 0), 0).kind == "open"


def test_a_judgement_is_answered_by_its_own_word():
    view = visit(make_strategy("curr_reft"), CATALOG.problem("sorting/5", 3), 0)
    assert view.answer in ("yes", "no")
    other = replace(view, answer={"yes": "no", "no": "yes"}[view.answer])
    said = f"<answer>{view.answer}</answer>"
    problem = CATALOG.problem("sorting/5", 3)
    rollouts = [Rollout(v, said, (1,)) for v in (view, other)]
    assert is_correct(problem, rollouts) == [True, False]
