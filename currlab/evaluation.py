"""Accuracy on fixed test problems: greedy, sampled once at temperature 1, and pass@k; intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from currlab.curricula.data import Policy, View
from currlab.tasks import Problem, get_task
from currlab.training.collect import derive_seed


def held_out(task: str, level: int, n: int) -> list[Problem]:
    """The first `n` test problems of a level: seeds -1 to -n, disjoint from all training."""
    return [get_task(task).make(level, -seed) for seed in range(1, n + 1)]


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Unbiased chance that at least one of `k` samples is right, from `correct` of `n`.

    ``1 - C(n - c, k) / C(n, k)`` (arXiv 2107.03374, eq. 1).
    """
    return 1.0 - math.comb(n - correct, k) / math.comb(n, k)


def wilson(successes: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval of a proportion (95 % at the default z); sane at 0 and at n."""
    if n == 0:
        return (0.0, 1.0)
    p, squared = successes / n, z * z
    centre = (p + squared / (2 * n)) / (1 + squared / n)
    half = z / (1 + squared / n) * math.sqrt(p * (1 - p) / n + squared / (4 * n * n))
    return (max(0.0, centre - half), min(1.0, centre + half))


def evaluate(
    policy: Policy,
    levels: Mapping[str, Sequence[int]],
    problems: int = 32,
    sampled: bool = True,
    k: int = 8,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """One row an arm: shares of the first `problems` test problems that are solved.

    `greedy` takes the likeliest token each time. With `sampled`, `k` completions at temperature 1
    give `sampled` (their mean: pass@1) and `pass_at_8` (solved at least once in 8). Sampling
    depends on `seed` alone, so two evaluations of equal weights are equal.
    """
    arms = [(task, level) for task in levels for level in levels[task]]
    tests = [p for task, level in arms for p in held_out(task, level, problems)]
    greedy = _solved(policy, tests, 1, 0.0, seed)[:, 0]
    hits = _solved(policy, tests, k, 1.0, seed) if sampled else None
    rows = []
    for i, (task, level) in enumerate(arms):
        mine = slice(i * problems, (i + 1) * problems)
        row = {"arm": f"{task}/{level}", "task": task, "level": level, "n": problems}
        row["greedy"] = float(greedy[mine].mean())
        if hits is not None:
            row["sampled"] = float(hits[mine].mean())
            chances = [pass_at_k(k, int(h.sum()), min(k, 8)) for h in hits[mine]]
            row["pass_at_8"] = float(np.mean(chances))
        rows.append(row)
    return rows


def _solved(
    policy: Policy, tests: Sequence[Problem], k: int, temperature: float, seed: int
) -> np.ndarray:
    """Booleans [problems, k]: was the i-th completion right?"""
    views = [View(problem.prompt) for problem in tests for _ in range(k)]
    seeds = [derive_seed(seed, i, j) for i in range(len(tests)) for j in range(k)]
    rollouts = policy.generate(views, seeds, temperature)
    verdicts = [
        get_task(tests[i // k].task).verify(tests[i // k], rollout.text)
        for i, rollout in enumerate(rollouts)
    ]
    return np.array(verdicts).reshape(len(tests), k)


def mean_accuracy(rows: Sequence[Mapping[str, Any]], kind: str = "greedy") -> float:
    """The mean over arms of one kind of accuracy."""
    return float(np.mean([row[kind] for row in rows]))
