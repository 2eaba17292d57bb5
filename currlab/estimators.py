"""Guessing pass rates before asking: what notebook 13 measures learned difficulty with.

An estimator gives each problem a number, from its prompt, its hidden states, a few rollouts or the
answers of other models. Here are the pieces that estimators share, what they cost, and how well a
guess agrees with the truth.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from scipy.stats import rankdata, spearmanr

from currlab.curricula.data import Group, Pick, Score, View
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

    Inspired by EDCO (arXiv 2601.03725). Entropies are of the full vocabulary at temperature 1; the
    answer is sampled at `temperature` and stops after `length` tokens, which is what saves time.
    Equal seeds give the same answers at every length, cut at different places.
    """
    short = LanguagePolicy(policy.model, policy.tokenizer, length)
    seeds = [derive_seed(seed, i) for i in range(len(problems))]
    rows = short.generate([View(problem.prompt) for problem in problems], seeds, temperature)
    policy.tokens_generated += short.tokens_generated
    policy.tokens_forwarded += short.tokens_forwarded
    return np.array([row.entropy for row in rows])


# ---------------------------------------------------------------- heads


@dataclass
class LogisticHead:
    """``V(x) = sigmoid(w . z + b)``, z the standardised features: predicts pass rates in (0, 1).

    `fit` minimises the mean cross-entropy with the pass rates (that is, with the 0/1 outcomes behind
    them) plus ``penalty / 2 |w|^2 / n``. Standardising uses the training features only.

    >>> head = LogisticHead().fit(np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 0.5, 0.0]))
    >>> head.predict(np.array([[0.0], [2.0]])).round(1).tolist()
    [0.9, 0.1]
    """

    penalty: float = 1.0
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))
    bias: float = 0.0
    mean: np.ndarray = field(default_factory=lambda: np.zeros(0))
    scale: np.ndarray = field(default_factory=lambda: np.ones(0))

    def fit(self, features: np.ndarray, rates: np.ndarray) -> LogisticHead:
        """Fit to features [n, d] and pass rates [n]; returns itself."""
        features, rates = _checked(features, rates)
        self.mean, deviation = features.mean(0), features.std(0)
        # A feature that never changes would divide by zero; it then says nothing.
        self.scale = np.where(deviation > 1e-12, deviation, 1.0)
        z = (features - self.mean) / self.scale

        def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            w, logits = parameters[:-1], z @ parameters[:-1] + parameters[-1]
            cross = -(rates * log_expit(logits) + (1 - rates) * log_expit(-logits)).mean()
            error = (expit(logits) - rates) / len(rates)
            slope = z.T @ error + self.penalty * w / len(rates)
            return cross + self.penalty * w @ w / 2 / len(rates), np.append(slope, error.sum())

        best = minimize(loss, np.zeros(z.shape[1] + 1), jac=True, method="L-BFGS-B").x
        self.weights, self.bias = best[:-1], float(best[-1])
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predicted pass rates [n] of features [n, d]."""
        z = (np.asarray(features, dtype=float) - self.mean) / self.scale
        return expit(z @ self.weights + self.bias)


def linear_probe(
    features: np.ndarray, labels: np.ndarray, new: np.ndarray, penalty: float = 1.0
) -> np.ndarray:
    """Ridge regression of labels [n] on standardised features [n, d], read off for `new` [m, d].

    Such a probe asks what a model's hidden states hold, without training the model (as in arXiv
    2510.18147, for the difficulty that people or models see).
    """
    features, labels = _checked(features, labels)
    mean, deviation = features.mean(0), features.std(0)
    scale = np.where(deviation > 1e-12, deviation, 1.0)
    z = (features - mean) / scale
    gram = z.T @ z + penalty * np.eye(z.shape[1])
    weights = np.linalg.solve(gram, z.T @ (labels - labels.mean()))
    return (np.asarray(new, dtype=float) - mean) / scale @ weights + labels.mean()


def calibrated(scores: np.ndarray, rates: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Turn any score into a pass rate: a logistic curve fitted to (scores, rates), read off at `new`.

    All are one-dimensional. Keeps the order of the scores (or turns it round).
    """
    head = LogisticHead(penalty=1e-3).fit(np.reshape(scores, (-1, 1)), rates)
    return head.predict(np.reshape(new, (-1, 1)))


def _checked(features: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    features, targets = np.asarray(features, dtype=float), np.asarray(targets, dtype=float)
    if features.ndim != 2 or targets.shape != (len(features),) or not len(features):
        raise CurrlabError(
            "A head needs features [problems, numbers] and one target a problem, at least one; "
            f"got the shapes {features.shape} and {targets.shape}."
        )
    if not (np.isfinite(features).all() and np.isfinite(targets).all()):
        raise CurrlabError("Features and targets of a head must be finite numbers.")
    return features, targets


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
