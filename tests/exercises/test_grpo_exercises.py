"""The exercises of notebooks 04 and 05: what is right passes, what is typical fails by name."""

import numpy as np
import pytest

from currlab import exercises
from currlab.curricula import Clock, make_strategy
from currlab.curricula.data import Catalog, Group, Pick, Rollout, Score, View
from currlab.tasks import get_task


def advantages(rewards):
    return list(make_strategy("grpo").group_advantages(rewards))


def group_size(p, share):
    return next(n for n in range(2, 1000) if p**n + (1 - p) ** n <= share)


def clipped(ratio, advantage, low=0.2, high=0.2):
    return min(ratio * advantage, min(max(ratio, 1 - low), 1 + high) * advantage)


def sec(q, signals, alpha, tau):
    new = {arm: (1 - alpha) * q[arm] + alpha * signals.get(arm, q[arm]) for arm in q}
    weights = {arm: np.exp(value / tau) for arm, value in new.items()}
    return new, {arm: weight / sum(weights.values()) for arm, weight in weights.items()}


def with_population_deviation(rewards):
    r = np.array(rewards)
    return (r - r.mean()) / (r.std() + 1e-4)


def undivided(rewards):
    return np.array(rewards) - np.mean(rewards)


def without_epsilon(rewards):
    centred, deviation = undivided(rewards), np.std(rewards, ddof=1)
    with np.errstate(invalid="ignore"):
        return centred / deviation


def clip_outside(ratio, advantage, low=0.2, high=0.2):
    return min(max(ratio, 1 - low), 1 + high) * advantage


def sec_that_forgets(q, signals, alpha, tau):
    return sec(q, {arm: signals.get(arm, 0.0) for arm in q}, alpha, tau)


def sec_without_temperature(q, signals, alpha, tau):
    return sec(q, signals, alpha, 1.0)


def sec_of_the_old_values(q, signals, alpha, tau):
    return sec(q, signals, alpha, tau)[0], sec(q, {}, alpha, tau)[1]


RIGHT = {
    "group_advantages": advantages,
    "group_size_for": group_size,
    "clipped_objective": clipped,
    "sec_step": sec,
    "adapter_parameters": lambda shapes, rank: sum(rank * (a + b) for a, b in shapes),
    "newest_feedback": lambda step, ahead: step - 1 - ahead if step > ahead else None,
}

WRONG = [
    ("group_advantages", with_population_deviation, "positive sign"),
    ("group_advantages", undivided, "positive sign"),
    ("group_advantages", lambda r: advantages([-x for x in r]), "positive sign"),
    ("group_advantages", without_epsilon, "Equal rewards"),
    ("group_size_for", lambda p, share: 2, "not lie above"),
    ("group_size_for", lambda p, share: group_size(min(p, 0.5), share) + 1, "Two rollouts"),
    ("group_size_for", lambda p, s: next(n for n in range(2, 99) if (1 - p) ** n <= s), "not lie"),
    ("clipped_objective", lambda ratio, a, low=0.2, high=0.2: ratio * a, "beyond 1 + high"),
    ("clipped_objective", clip_outside, "became unlikely"),
    ("clipped_objective", lambda r, a, low=0.2, high=0.2: clipped(r, a), "two sides"),
    ("sec_step", sec_that_forgets, "keeps its value"),
    ("sec_step", sec_without_temperature, "small temperature"),
    ("sec_step", sec_of_the_old_values, "softmax of the new"),
    ("adapter_parameters", lambda shapes, r: sum(a * b for a, b in shapes), "two thin"),
    ("adapter_parameters", lambda shapes, r: sum(a + b for a, b in shapes), "rank multiplies"),
    ("newest_feedback", lambda step, ahead: step - 1 - ahead, "before the first"),
    ("newest_feedback", lambda step, ahead: step - 1 if step else None, "hides one step"),
]


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_the_right_answer_passes(name, capsys):
    assert exercises.check(name, RIGHT[name]), capsys.readouterr().out


@pytest.mark.parametrize(("name", "function", "says"), WRONG)
def test_the_typical_wrong_answer_hears_its_property(name, function, says, capsys):
    assert not exercises.check(name, function)
    assert says in capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize("case", exercises.get_exercise("sec_step").cases, ids=lambda c: c.says)
def test_the_bandit_of_the_exercise_is_the_packages(case):
    q, signals, alpha, tau = case.arguments
    # Two arms under other names: levels 1 and 2 of sorting.
    arms = dict(zip(q, ("sorting/1", "sorting/2"), strict=True))
    strategy = make_strategy("sec", learning_rate=alpha, temperature=tau)
    strategy.bind(Catalog(tuple(arms.values())))
    strategy.memory["Q"] = {arms[a]: value for a, value in q.items()}
    groups = []
    for arm, signal in signals.items():
        problem = get_task("sorting").make(int(arms[arm][-1]), 0)
        rollout = Rollout(View(problem.prompt), "", (1,), score=Score(0.0, False))
        groups.append(Group(problem, Pick(arms[arm]), (rollout,), 0, (signal,)))
    strategy.observe(groups, {})
    values, chances = case.expected
    assert strategy.memory["Q"] == pytest.approx({arms[a]: v for a, v in values.items()})
    expected = {arms[a]: chance for a, chance in chances.items()}
    assert strategy.probabilities(Clock()) == pytest.approx(expected, abs=1e-3)
