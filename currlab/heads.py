"""Small models of pass rates on top of numbers that describe a problem, and the line behind them.

No torch: hidden states come as arrays, and what is learnt is a weight for each number and a bias.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from currlab.errors import CurrlabError


@dataclass
class LogisticHead:
    """``V(x) = sigmoid(w . x + b)``: predicts pass rates in (0, 1).

    `fit` minimises the mean cross-entropy with the pass rates (that is, with the 0/1 outcomes behind
    them) plus ``penalty / 2 |w~|^2 / n``, w~ being the weights of the standardised features.
    Standardising uses the training features only.

    >>> head = LogisticHead().fit(np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 0.5, 0.0]))
    >>> head.predict(np.array([[0.0], [2.0]])).round(1).tolist()
    [0.7, 0.3]
    """

    penalty: float = 1.0
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))
    bias: float = 0.0

    def fit(self, features: np.ndarray, rates: np.ndarray) -> LogisticHead:
        """Fit to features [n, d] and pass rates [n]; returns itself."""
        features, rates = _checked(features, rates)
        mean, scale = _standard(features)
        z = (features - mean) / scale

        def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            w, logits = parameters[:-1], z @ parameters[:-1] + parameters[-1]
            cross = -(rates * log_expit(logits) + (1 - rates) * log_expit(-logits)).mean()
            error = (expit(logits) - rates) / len(rates)
            slope = z.T @ error + self.penalty * w / len(rates)
            return cross + self.penalty * w @ w / 2 / len(rates), np.append(slope, error.sum())

        best = minimize(loss, np.zeros(z.shape[1] + 1), jac=True, method="L-BFGS-B").x
        self.weights = best[:-1] / scale
        self.bias = float(best[-1] - self.weights @ mean)
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predicted pass rates [n] of features [n, d]."""
        return expit(np.asarray(features, dtype=float) @ self.weights + self.bias)


def ridge(
    features: np.ndarray, labels: np.ndarray, penalty: float = 1.0
) -> tuple[np.ndarray, float]:
    """Weights and bias of a ridge regression of labels [n] on features [n, d], standardised inside.

    >>> weights, bias = ridge(np.array([[0.0], [1.0]]), np.array([3.0, 5.0]), penalty=0.0)
    >>> weights.tolist(), bias
    ([2.0], 3.0)
    """
    features, labels = _checked(features, labels)
    mean, scale = _standard(features)
    z = (features - mean) / scale
    gram = z.T @ z + penalty * np.eye(z.shape[1])
    weights = np.linalg.solve(gram, z.T @ (labels - labels.mean())) / scale
    return weights, float(labels.mean() - weights @ mean)


def linear_probe(
    features: np.ndarray, labels: np.ndarray, new: np.ndarray, penalty: float = 1.0
) -> np.ndarray:
    """`ridge` fitted to labels [n] and features [n, d], read off for `new` [m, d].

    Such a probe asks what a model's hidden states hold, without training the model (as in arXiv
    2510.18147, for the difficulty that people or models see).
    """
    weights, bias = ridge(features, labels, penalty)
    return np.asarray(new, dtype=float) @ weights + bias


def calibrated(scores: np.ndarray, rates: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Turn any score into a pass rate: a logistic curve fitted to (scores, rates), read off at `new`.

    All are one-dimensional. Keeps the order of the scores (or turns it round).
    """
    return curve(scores, rates).predict(np.reshape(new, (-1, 1)))


def curve(scores: np.ndarray, rates: np.ndarray) -> LogisticHead:
    """The logistic curve from scores [n] to pass rates [n], all but unpenalised."""
    return LogisticHead(penalty=1e-3).fit(np.reshape(scores, (-1, 1)), rates)


def _standard(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every feature."""
    deviation = features.std(0)
    # A feature that never changes would divide by zero; it then says nothing.
    return features.mean(0), np.where(deviation > 1e-12, deviation, 1.0)


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
