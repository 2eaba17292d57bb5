"""Accuracy by level: counted against a policy whose answers are known."""

import itertools
import math

import pytest

from currlab.curricula import Rollout
from currlab.evaluation import evaluate, held_out, mean_accuracy, pass_at_k, wilson
from currlab.tasks.base import is_test_prompt


class KnownPolicy:
    """Right on level 1 always, on level 2 for even seeds when sampled, never on level 3."""

    def generate(self, views, seeds, temperature):
        rollouts = []
        for view, seed in zip(views, seeds, strict=True):
            digits = view.prompt.removeprefix("sort ")
            right = len(digits) == 2 or (len(digits) == 3 and temperature > 0 and seed % 2 == 0)
            answer = "".join(sorted(digits)) if right else "?"
            rollouts.append(Rollout(view, f"<answer>{answer}</answer>", (1,)))
        return rollouts


def test_three_kinds_of_accuracy_are_counted_apart():
    rows = evaluate(KnownPolicy(), {"sorting": [1, 2, 3]}, problems=40)
    assert [row["level"] for row in rows] == [1, 2, 3]
    assert [row["greedy"] for row in rows] == [1.0, 0.0, 0.0]
    assert rows[0]["sampled"] == rows[0]["pass_at_8"] == 1.0
    assert 0.4 < rows[1]["sampled"] < 0.6
    assert rows[1]["pass_at_8"] > 0.95
    assert rows[2]["pass_at_8"] == 0.0
    assert mean_accuracy(rows) == pytest.approx(1 / 3)


def test_greedy_only_leaves_the_sampled_columns_out():
    rows = evaluate(KnownPolicy(), {"sorting": [1]}, problems=4, sampled=False)
    assert "sampled" not in rows[0]


def test_held_out_problems_are_test_problems():
    assert all(is_test_prompt(p.prompt) for p in held_out("sorting", 4, 50))


@pytest.mark.parametrize(("n", "c", "k"), [(5, 2, 3), (4, 0, 2), (4, 4, 1), (6, 1, 6)])
def test_pass_at_k_is_the_share_of_subsets_with_a_hit(n, c, k):
    flags = [True] * c + [False] * (n - c)
    subsets = list(itertools.combinations(flags, k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


@pytest.mark.parametrize(("successes", "n"), [(0, 20), (20, 20), (7, 20), (500, 1000)])
def test_wilson_ends_solve_its_equation(successes, n):
    """Both ends p of the interval satisfy |p_hat - p| = z sqrt(p (1 - p) / n)."""
    for end in wilson(successes, n):
        if 0 < end < 1:
            distance = abs(successes / n - end)
            assert distance == pytest.approx(1.96 * math.sqrt(end * (1 - end) / n), abs=1e-9)
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n <= high <= 1


def test_wilson_knows_nothing_of_nothing():
    assert wilson(0, 0) == (0.0, 1.0)
