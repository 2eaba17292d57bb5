"""Guessing pass rates before asking: what notebook 13 measures learned difficulty with.

An estimator gives each problem a number, from its prompt, its hidden states, a few rollouts or the
answers of other models. Here are the pieces that estimators share, what they cost, and how well a
guess agrees with the truth.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import rankdata, spearmanr

from currlab.curricula.data import Group, Pick, Score, View
from currlab.curricula.select.entropy import short_answers
from currlab.errors import CurrlabError
from currlab.tasks import Problem, get_task
from currlab.training.collect import derive_seed
from currlab.training.policy import LanguagePolicy

# A pass rate within these bounds counts as intermediate. The bounds are ours.
INTERMEDIATE = (0.2, 0.8)
BINS = 10


# ---------------------------------------------------------------- what the learner answers


@dataclass
class Cost:
    """What an estimate cost: sampled tokens, forwarded tokens (those included), CPU seconds."""

    tokens_generated: int = 0
    tokens_forwarded: int = 0
    seconds: float = 0.0


@contextmanager
def metered(*policies: LanguagePolicy) -> Iterator[Cost]:
    """The cost of what happens inside the `with`: tokens of `policies`, this process's CPU seconds.

    CPU seconds rather than the clock's: other programs of a busy machine do not count.
    """
    cost, start = Cost(), time.process_time()
    generated = sum(policy.tokens_generated for policy in policies)
    forwarded = sum(policy.tokens_forwarded for policy in policies)
    yield cost
    cost.seconds = time.process_time() - start
    cost.tokens_generated = sum(policy.tokens_generated for policy in policies) - generated
    cost.tokens_forwarded = sum(policy.tokens_forwarded for policy in policies) - forwarded


def roll_out(
    policy: LanguagePolicy,
    problems: Sequence[Problem],
    rollouts: int,
    seed: int,
    temperature: float = 1.0,
) -> list[Group]:
    """One verified group of `rollouts` a problem. Equal seeds give equal answers."""
    if rollouts < 1:
        raise CurrlabError(f"'rollouts' must be at least 1; got {rollouts}.")
    views = [View(problem.prompt) for problem in problems for _ in range(rollouts)]
    seeds = [derive_seed(seed, i, j) for i in range(len(problems)) for j in range(rollouts)]
    rows = policy.generate(views, seeds, temperature)
    groups = []
    for i, problem in enumerate(problems):
        mine = rows[i * rollouts : (i + 1) * rollouts]
        right = [get_task(problem.task).verify(problem, row.text) for row in mine]
        verified = [
            replace(row, score=Score(float(correct), correct))
            for row, correct in zip(mine, right, strict=True)
        ]
        groups.append(Group(problem, Pick(problem.arm, problem.seed), tuple(verified), step=0))
    return groups


def pass_rates(groups: Sequence[Group]) -> np.ndarray:
    """The share of correct rollouts of every group, [groups]."""
    return np.array([group.pass_rate for group in groups])


def prefix_entropies(
    policy: LanguagePolicy,
    problems: Sequence[Problem],
    length: int,
    seed: int,
    temperature: float = 0.7,
) -> np.ndarray:
    """EDCO's score: mean token entropy (nats) of the first `length` tokens of one answer each.

    As in EDCO (arXiv 2601.03725; the strategy is `currlab.curricula.select.entropy`). Entropies are
    of the full vocabulary at temperature 1; the answer is sampled at `temperature` and stops after
    `length` tokens, which is what saves time. Equal seeds give the same answers at every length, cut
    at different places.
    """
    seeds = [derive_seed(seed, i) for i in range(len(problems))]
    views = [View(problem.prompt) for problem in problems]
    with short_answers(policy, length):
        rows = policy.generate(views, seeds, temperature)
    return np.array([row.entropy for row in rows])


# ---------------------------------------------------------------- how good is a guess?


def rank_correlation(guess: np.ndarray, truth: np.ndarray) -> float:
    """Spearman's rank correlation, -1 to 1; 0 where either side is all equal: no order, no credit."""
    if np.ptp(guess) == 0 or np.ptp(truth) == 0:
        return 0.0
    return float(spearmanr(guess, truth).statistic)


def within_levels(guess: np.ndarray, truth: np.ndarray, levels: np.ndarray) -> float:
    """Mean rank correlation inside the levels whose true pass rates differ: what the level cannot say.

    0 if there is no such level.
    """
    masks = [levels == level for level in np.unique(levels)]
    found = [rank_correlation(guess[m], truth[m]) for m in masks if np.ptp(truth[m]) > 0]
    return float(np.mean(found)) if found else 0.0


def area_under_curve(scores: np.ndarray, wanted: np.ndarray) -> float:
    """The chance that a wanted item scores above an unwanted one, ties counting half (AUC).

    NaN unless there are both kinds.
    """
    wanted = np.asarray(wanted, dtype=bool)
    yes, no = int(wanted.sum()), int((~wanted).sum())
    if not yes or not no:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[wanted].sum() - yes * (yes + 1) / 2) / (yes * no))


def brier(guess: np.ndarray, truth: np.ndarray) -> float:
    """Brier score of all rollouts behind `truth`: ``mean (V - p)^2 + p (1 - p)``; lower is better."""
    return float(np.mean((guess - truth) ** 2 + truth * (1 - truth)))


def calibration_error(guess: np.ndarray, truth: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: |mean guess - mean truth| over equal bins of the guess, weighted."""
    index = np.minimum((np.asarray(guess) * bins).astype(int), bins - 1)
    gaps = [abs((guess[index == i] - truth[index == i]).sum()) for i in range(bins)]
    return float(sum(gaps) / len(guess))


def intermediate(truth: np.ndarray) -> np.ndarray:
    """Which pass rates lie in `INTERMEDIATE`, bounds included."""
    return (truth >= INTERMEDIATE[0]) & (truth <= INTERMEDIATE[1])
