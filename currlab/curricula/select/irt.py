"""Item response theory: one scale for how hard problems are and how able the learner is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from currlab.curricula.data import Clock, Group, Pick, Policy
from currlab.curricula.registry import knob, register
from currlab.curricula.select.items import PoolSelect, ask, best, cycle, problems_per_arm
from currlab.errors import CurrlabError

# Width of the normal prior on difficulties: problems that all or none solve stay finite.
DIFFICULTY_DEVIATION = 2.0
SWEEPS, TOLERANCE = 200, 1e-6


def fit_rasch(responses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Abilities [models] and difficulties [items] from right (1) and wrong (0) answers [models, items].

    The one-parameter logistic (Rasch) model ``P(right) = sigmoid(theta_j - b_i)``, fitted by maximum
    a posteriori with theta ~ N(0, 1) and b ~ N(0, 2^2): Newton steps on all abilities, then on all
    difficulties, until nothing moves.
    """
    u = np.asarray(responses, dtype=float)
    theta, b = np.zeros(u.shape[0]), np.zeros(u.shape[1])
    precision = 1 / DIFFICULTY_DEVIATION**2
    for _ in range(SWEEPS):
        p = expit(theta[:, None] - b)
        up = ((u - p).sum(1) - theta) / ((p * (1 - p)).sum(1) + 1)
        # Steps of at most one logit: a full Newton step can overshoot far from the optimum.
        theta += np.clip(up, -1, 1)
        p = expit(theta[:, None] - b)
        down = ((p - u).sum(0) - precision * b) / ((p * (1 - p)).sum(0) + precision)
        b += np.clip(down, -1, 1)
        if max(np.abs(up).max(), np.abs(down).max()) < TOLERANCE:
            break
    return theta, b


def ability(difficulties: np.ndarray, right: np.ndarray) -> float:
    """The maximum-a-posteriori ability of a learner with N(0, 1) prior, from answers to known items.

    Maximises ``log N(theta; 0, 1) + sum_i log sigmoid(u_i (theta - b_i))``, u = +1 right, -1 wrong.
    The released code writes the terms ``log(1 + (2 sigmoid(theta - b_i) - 1) u_i)``; as
    ``1 + (2 s - 1) u`` is 2 s for u = 1 and 2 (1 - s) for u = -1, the two differ by a constant only.
    """
    b, u = np.asarray(difficulties, dtype=float), np.asarray(right, dtype=float)
    low, high = -50.0, 50.0
    # The slope falls from positive to negative, so its root can be bisected.
    for _ in range(60):
        middle = (low + high) / 2
        slope = (u - expit(middle - b)).sum() - middle
        low, high = (middle, high) if slope > 0 else (low, middle)
    return (low + high) / 2


@register
class PUDF(PoolSelect):
    """Train on what is no harder than the learner is able, both measured by item response theory.

    Source: PUDF (arXiv 2408.05326) and the released code of its predecessor DDaCLAE.
    1. A crowd of models answers all problems; a Rasch model gives each problem a difficulty b_i.
    2. Every epoch the learner answers a probe set; its ability theta is the MAP estimate (`ability`).
    3. This epoch trains on problems with ``b_i <= theta + log(1/q - 1)`` only, that is with a chance
       of success of at least q; q = 1/2 gives ``b_i <= theta``.

    What differs here: PUDF fine-tunes on labels, this is reinforcement learning, where the easiest
    problems teach nothing. The crowd is given by `set_crowd` (such as checkpoints of a warm-up) or
    else made of the first learner at `crowd` temperatures from .25 to 2; without either,
    difficulties are spread over [-2, 2] by level. If fewer problems pass than are asked for, the
    easiest are taken. `evidence` "training" reads the ability from the training groups, at no cost.
    """

    name: ClassVar[str] = "pudf"
    title: ClassVar[str] = "PUDF: difficulty up to the learner's ability"
    papers: ClassVar[tuple[str, ...]] = ("PUDF",)
    family: ClassVar[str] = "F02"

    @dataclass(frozen=True)
    class Parameters:
        success: float = knob(
            0.5, "q: least chance of success of what is shown", 0.01, 0.99, paper=0.5
        )
        evidence: str = knob(
            "probe", "what the ability is read from", choices=["probe", "training"], paper="probe"
        )
        every: int = knob(20, "steps between two probes (an epoch)", 1, 100_000)
        probe_problems: int = knob(64, "problems of the pool asked in a probe", 1, 100_000)
        crowd: int = knob(4, "models of the crowd, where none is given", 1, 64)
        problems_per_arm: int = problems_per_arm()

    def fresh_memory(self) -> dict[str, Any]:
        return {"ability": 0.0, "crowd": False, "probed_at": None}

    def fresh_values(self) -> dict[str, np.ndarray]:
        ranks = np.unique(self.arm_levels, return_inverse=True)[1]
        spread = 4 * ranks / max(ranks.max(), 1) - 2
        return {"difficulty": np.repeat(spread.astype(float), self.pool)}

    def set_crowd(self, responses: np.ndarray) -> None:
        """Fit the difficulties to right and wrong answers [models, items], items arm by arm."""
        shape = np.shape(responses)
        if len(shape) != 2 or shape[1] != self.size:
            raise CurrlabError(
                f"A crowd's answers need one row a model and {self.size} columns, one a problem; "
                f"got the shape {shape}."
            )
        self.values["difficulty"] = fit_rasch(responses)[1]
        self.memory["crowd"] = True

    def probe(self, policy: Policy, clock: Clock) -> None:
        p, memory = self.parameters, self.memory
        if not memory["crowd"]:
            problems = [self.problem(item) for item in range(self.size)]
            heats = np.geomspace(0.25, 2.0, p.crowd)
            answers = [ask(policy, problems, 1, self.rng, float(heat))[0][:, 0] for heat in heats]
            self.set_crowd(np.array(answers))
        due = memory["probed_at"] is None or clock.step >= memory["probed_at"] + p.every
        if p.evidence == "probe" and due:
            items = self.rng.choice(self.size, min(p.probe_problems, self.size), replace=False)
            right, _ = ask(policy, [self.problem(item) for item in items], 1, self.rng)
            memory["ability"] = ability(self.values["difficulty"][items], right[:, 0])
            memory["probed_at"] = clock.step

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        b, q = self.values["difficulty"], self.parameters.success
        allowed = np.flatnonzero(b <= self.memory["ability"] + math.log(1 / q - 1))
        if len(allowed) < n:
            items = cycle(best(-b, n), n)
        else:
            items = self.rng.choice(allowed, n, replace=False)
        return [self.pick(item) for item in items]

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        items, rates, sizes = self.evidence(groups)
        if self.parameters.evidence == "training" and len(items):
            b = np.repeat(self.values["difficulty"][items], 2)
            # A group of n rollouts with pass rate x is n x right and n (1 - x) wrong answers.
            weights = (
                np.column_stack([rates * sizes, (1 - rates) * sizes]).ravel().round().astype(int)
            )
            right = np.tile([1.0, 0.0], len(items))
            self.memory["ability"] = ability(np.repeat(b, weights), np.repeat(right, weights))

    def snapshot(self) -> dict[str, Any]:
        return {
            "ability": self.memory["ability"],
            "difficulty": self.by_arm(self.values["difficulty"]),
        }
