"""Choosing a batch by what the model makes of the worked answers: useful rows, unlike the last ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.data import Clock, Pick, Policy
from currlab.curricula.registry import knob, register
from currlab.curricula.select.items import ItemSelect, best
from currlab.errors import CurrlabError

# Numbers that a logits matrix is squeezed into: this many rows times this many columns.
ROWS, COLUMNS = 4, 16
# Answers beyond this many tokens are compared by their beginning.
LONGEST = 512


@register
class UDS(ItemSelect):
    """Utility-diversity sampling: of many worked problems, fine-tune on the most telling few.

    Source: UDS (arXiv 2510.16882) and its released code, for batches of supervised fine-tuning. With
    L the logits of a candidate, [tokens, vocabulary]:

    1. Draw k m candidates uniformly; one forward pass of the present model gives each its L.
    2. Utility and diversity within the row: the nuclear norm ``|L|_*``, the sum of L's singular
       values.
    3. Diversity against the past: L is squeezed to ``z = P L Q`` by fixed random matrices; d is the
       mean Euclidean distance of z to those of the last `memory` chosen rows, 0 while there are none.
    4. Train on the m rows with the largest ``|L|_* + alpha d``; their z replace the oldest ones.

    What differs here: L is read where the answer is predicted, not over the prompt, because only the
    answer is trained on; P and Q are random signs scaled to keep lengths on average, where the
    released code has a subsampled Fourier transform that stretches them by about sqrt(tokens x
    vocabulary) / 2. Its alpha of .0015 (512 tokens, 152 000 words) is 6.6 in our unit. The strategy
    serves `warm_up(select=...)`; in GRPO it needs worked solutions, too, and a learner with logits.
    """

    name: ClassVar[str] = "uds"
    title: ClassVar[str] = "UDS: useful and different worked problems"
    papers: ClassVar[tuple[str, ...]] = ("UDS",)
    family: ClassVar[str] = "F02"

    @dataclass(frozen=True)
    class Parameters:
        candidates: int = knob(4, "k: candidates for each row that is kept", 1, 64, paper=4)
        diversity: float = knob(
            6.6, "alpha: weight of the distance to the past", 0.0, 1e4, paper=6.6
        )
        memory: int = knob(256, "chosen rows that are remembered", 1, 4096, paper=1024)

    def __init__(self, parameters: Any = None, seed: int = 0) -> None:
        super().__init__(parameters, seed)
        self._policy: Policy | None = None  # the learner, new each step
        self._projection: tuple[np.ndarray, np.ndarray] | None = None

    def fresh_memory(self) -> dict[str, Any]:
        # Rows chosen since the start; nuclear norms of the last candidates by arm; P and Q's seed.
        return {"chosen": 0, "utility": {}, "projection": self.seed}

    def fresh_values(self) -> dict[str, np.ndarray]:
        return {"past": np.zeros((self.parameters.memory, ROWS * COLUMNS))}

    def probe(self, policy: Policy, clock: Clock) -> None:
        if not hasattr(policy, "logits"):
            raise CurrlabError(
                "UDS reads the logits of worked answers, and this learner has none: use it with a "
                "language model, best in the warm-up."
            )
        self._policy = policy

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        """The best `n` of the candidates; the first `n` if no learner was probed."""
        candidates = self.candidates(n * self.parameters.candidates)
        if self._policy is None or n == 0:
            return candidates[:n]
        problems = [self.catalog.problem(pick.arm, pick.seed) for pick in candidates]
        answers = [self.catalog.worked(problem, False) for problem in problems]
        matrices = self._policy.logits([problem.prompt for problem in problems], answers)
        norms, arms = nuclear_norms(matrices), np.array([problem.arm for problem in problems])
        self.memory["utility"] = {
            str(arm): float(norms[arms == arm].mean()) for arm in dict.fromkeys(arms)
        }
        return [candidates[i] for i in self.keep(norms, matrices, n)]

    def keep(self, norms: np.ndarray, matrices: Sequence[np.ndarray], n: int) -> np.ndarray:
        """Indices of the `n` best rows; they enter the memory, in place of the oldest."""
        squeezed = np.array([self.squeeze(matrix) for matrix in matrices])
        chosen = best(norms + self.parameters.diversity * self.distances(squeezed), n)
        for row in squeezed[chosen]:
            self.values["past"][self.memory["chosen"] % self.parameters.memory] = row
            self.memory["chosen"] += 1
        return chosen

    def distances(self, squeezed: np.ndarray) -> np.ndarray:
        """Mean distance of each row to the remembered ones, [rows]; 0 while there are none."""
        past = self.values["past"][: self.memory["chosen"]]
        if not len(past):
            return np.zeros(len(squeezed))
        gaps = squeezed[:, None] - past
        return np.sqrt(np.einsum("ijk,ijk->ij", gaps, gaps)).mean(1)

    def squeeze(self, matrix: np.ndarray) -> np.ndarray:
        """z = P L Q of logits [tokens, vocabulary], as one row of numbers."""
        matrix = matrix[:LONGEST]
        if self._projection is None:
            rng = np.random.default_rng(self.memory["projection"])
            signs = [
                rng.choice([-1.0, 1.0], size=s)
                for s in ((ROWS, LONGEST), (matrix.shape[1], COLUMNS))
            ]
            self._projection = signs[0] / ROWS**0.5, signs[1] / COLUMNS**0.5
        left, right = self._projection
        return (left[:, : len(matrix)] @ matrix @ right).ravel()

    def snapshot(self) -> dict[str, Any]:
        return {"utility": dict(self.memory["utility"])} if self.memory["utility"] else {}


def nuclear_norms(matrices: Sequence[np.ndarray]) -> np.ndarray:
    """The sum of the singular values of each matrix.

    >>> nuclear_norms([np.array([[3.0, 0.0], [0.0, -4.0]])]).tolist()
    [7.0]
    """
    return np.array([np.linalg.svd(matrix, compute_uv=False).sum() for matrix in matrices])
