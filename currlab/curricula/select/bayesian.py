"""Bayesian selection: a Beta posterior of the success rate of every item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.data import Clock, Group, Pick, Policy
from currlab.curricula.registry import knob, register
from currlab.curricula.select.items import ItemSelect, ask, best, cycle
from currlab.errors import CurrlabError

# How much of the old capability estimate stays at each update; ties are broken by noise this small.
CAPABILITY_DECAY = 0.9
TIE_NOISE = 1e-9
# Posteriors that Thompson sampling draws from in one step; a draw costs ten times a random number.
DRAWN_AT_MOST = 50_000


@register
class BOTS(ItemSelect):
    """Bayesian online task selection: pick the items whose success rate is likely near the target.

    Source: BOTS (arXiv 2510.26374) and its released code. Every item k has Beta(alpha_k, beta_k),
    at first Beta(1, 1), and two anchors: the pass rates a_k of a weak and b_k of a strong model.

    Select. Draw ``q_k ~ Beta(alpha_k, beta_k)`` (Thompson sampling) or take the mean; the score is
    ``-|target - q_k|``. With tau = 0 the n best are taken, else n are drawn without replacement in
    proportion to ``exp(score / tau)``.

    Update, m rollouts an item, pass rates x_k on the batch. Capability
    ``c = (mean x - mean a) / (mean b - mean a + 1e-6)`` over the batch, ``C <- .9 C + .1 c`` (at
    first C = c). Implicit evidence: ``p_k = clip(a_k + C (b_k - a_k), 0, 1)``, and p_k = x_k on the
    batch. Explicit evidence: s_k = m x_k and f_k = m (1 - x_k) on the batch, 0 elsewhere.
    ``alpha_k <- (1 - lam) alpha_k + lam + (1 - rho) s_k + rho m p_k``, beta_k likewise with f_k and
    1 - p_k. With `adaptive_rho`, rho is halved when the mean of ``|p_k - x_k|`` on the batch, p_k
    before it was replaced, reaches .25.

    What differs here. Without reference models, a_k is measured once per arm by a first probe of
    the learner (or given by `set_anchors`) and b_k is 1; until there are anchors there is no
    implicit evidence. Where problems are fresh an item is an arm: each pick then draws its own
    posterior sample, and an arm's groups in a batch are pooled. Of more than 50 000 items, Thompson
    sampling draws for a fresh uniform sample of that many.
    """

    name: ClassVar[str] = "bots"
    title: ClassVar[str] = "BOTS: a posterior of every item's success rate"
    papers: ClassVar[tuple[str, ...]] = ("BOTS",)
    family: ClassVar[str] = "F02"

    @dataclass(frozen=True)
    class Parameters:
        target: float = knob(0.5, "success rate to aim at", 0.0, 1.0, paper=0.5)
        temperature: float = knob(
            0.0, "tau: 0 takes the best, more is softer", 0.0, 10.0, paper=0.0
        )
        forgetting: float = knob(0.1, "lam: how fast old evidence fades", 0.0, 1.0, paper=0.1)
        implicit: float = knob(0.1, "rho: weight of the implicit evidence", 0.0, 1.0, paper=0.1)
        thompson: bool = knob(True, "sample the posteriors; off takes their means", paper=True)
        adaptive_rho: bool = knob(
            False, "halve rho when the implicit evidence is far off", paper=False
        )
        anchor_problems: int = knob(
            16, "problems of each arm that the first probe asks once for the weak anchor", 1, 1000
        )

    def fresh_memory(self) -> dict[str, Any]:
        return {"anchored": False, "capability": None, "rho_factor": 1.0}

    def fresh_values(self) -> dict[str, np.ndarray]:
        ones, arms = np.ones(self.size), np.ones(len(self.catalog.arms))
        # The anchors, one an arm, mean nothing until memory["anchored"].
        return {"alpha": ones, "beta": ones.copy(), "weak": 0 * arms, "strong": arms}

    # ------------------------------------------------------------ anchors

    def set_anchors(
        self, weak: Mapping[str, float], strong: Mapping[str, float] | None = None
    ) -> None:
        """Pass rates of a weak and a strong model by arm (strong: 1 for all arms if not given)."""
        strong = strong or dict.fromkeys(self.catalog.arms, 1.0)
        for anchors in (weak, strong):
            missing = [arm for arm in self.catalog.arms if arm not in anchors]
            if missing:
                raise CurrlabError(f"Anchors are needed for every arm; missing: {missing[0]}.")
        for name, anchors in (("weak", weak), ("strong", strong)):
            self.values[name] = np.array([float(anchors[arm]) for arm in self.catalog.arms])
        self.memory["anchored"] = True

    def probe(self, policy: Policy, clock: Clock) -> None:
        if self.memory["anchored"]:
            return
        n, arms, pool = self.parameters.anchor_problems, self.catalog.arms, self.pool or 1
        items = np.repeat(np.arange(len(arms)) * pool, n) + self.rng.integers(
            pool, size=n * len(arms)
        )
        solved, _ = ask(policy, [self.problem(i) for i in items], 1, self.rng)
        rates = solved.reshape(len(arms), n).mean(1)
        self.set_anchors(dict(zip(arms, rates.tolist(), strict=True)))

    # ------------------------------------------------------------ select

    def scores(self, alpha: np.ndarray, beta: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """``-|target - q|`` of items with these posteriors, ties broken at random."""
        q = (
            self.rng.beta(alpha, beta, shape)
            if self.parameters.thompson
            else alpha / (alpha + beta)
        )
        return -np.abs(self.parameters.target - q) + TIE_NOISE * self.rng.random(shape)

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        alpha, beta, items = self.values["alpha"], self.values["beta"], None
        if self.parameters.thompson and self.size > DRAWN_AT_MOST:
            items = self.rng.choice(self.size, DRAWN_AT_MOST, replace=False, shuffle=False)
            alpha, beta = alpha[items], beta[items]
        shape = (n, self.size) if self.pool is None else alpha.shape
        scores, tau = self.scores(alpha, beta, shape), self.parameters.temperature
        if tau:
            # Gumbel noise turns "the largest" into a draw from the softmax, without replacement.
            scores = scores / tau + self.rng.gumbel(size=shape)
        first = scores.argmax(1) if self.pool is None else cycle(best(scores, n), n)
        return [self.pick(i) for i in (first if items is None else items[first])]

    # ------------------------------------------------------------ update

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        items, rates, sizes = self.evidence(groups)
        if not len(items):
            return
        batch, place = np.unique(items, return_inverse=True)
        asked, hits = np.bincount(place, sizes), np.bincount(place, rates * sizes)
        x = hits / asked
        rho, expected = self._implicit(items // (self.pool or 1), rates)
        for name, counts, p, implicit in (
            ("alpha", hits, x, expected),
            ("beta", asked - hits, 1 - x, 1 - expected),
        ):
            everything = self.values[name]
            everything *= 1 - self.parameters.forgetting
            everything += self.parameters.forgetting
            evident = everything[batch] + (1 - rho) * counts + rho * asked * p
            # In place, an arm at a time: temporary arrays of millions take longer than the sums.
            everything.reshape(len(expected), -1)[:] += (rho * sizes.mean() * implicit)[:, None]
            everything[batch] = evident

    def _implicit(self, arms: np.ndarray, rates: np.ndarray) -> tuple[float, np.ndarray]:
        """rho, and the pass rates that a batch of these arms lets one expect of every arm."""
        weak, strong, memory = self.values["weak"], self.values["strong"], self.memory
        if not memory["anchored"]:
            return 0.0, np.zeros(len(weak))
        gap = strong[arms].mean() - weak[arms].mean()
        now = float((rates.mean() - weak[arms].mean()) / (gap + 1e-6))
        old = memory["capability"]
        memory["capability"] = (
            now if old is None else CAPABILITY_DECAY * old + (1 - CAPABILITY_DECAY) * now
        )
        expected = np.clip(weak + memory["capability"] * (strong - weak), 0, 1)
        if self.parameters.adaptive_rho and np.abs(expected[arms] - rates).mean() >= 0.25:
            memory["rho_factor"] *= 0.5
        return self.parameters.implicit * memory["rho_factor"], expected

    def snapshot(self) -> dict[str, Any]:
        alpha, beta = self.values["alpha"], self.values["beta"]
        shot = {
            "pass_rate": self.by_arm(alpha / (alpha + beta)),
            "evidence": self.by_arm(alpha + beta),
        }
        capability = self.memory["capability"]
        return shot if capability is None else shot | {"capability": capability}
