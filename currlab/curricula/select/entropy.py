"""Choosing what the learner is least sure of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.data import Clock, Pick, Policy
from currlab.curricula.registry import knob, register
from currlab.curricula.select.items import PoolSelect, ask, best, cycle, problems_per_arm
from currlab.errors import CurrlabError


@contextmanager
def short_answers(policy: Policy, tokens: int) -> Iterator[None]:
    """Inside the `with` the learner's answers end after `tokens` tokens at the latest."""
    longest = getattr(policy, "max_new_tokens", None)
    if longest is None:
        raise CurrlabError(
            "The entropy of a prefix needs a learner with 'max_new_tokens', whose answers can be cut."
        )
    policy.max_new_tokens = min(tokens, longest)
    try:
        yield
    finally:
        policy.max_new_tokens = longest


@register
class EDCO(PoolSelect):
    """EDCO: train on the problems whose answers have the highest entropy, measured anew each round.

    Source: EDCO (arXiv 2601.03725) and its released code.
    1. In every round sample the first `prefix` tokens of one answer to each problem of the pool, at
       temperature .7.
    2. Score: the mean entropy of these tokens, ``H = 1/L sum_t (- sum_v pi_t(v) ln pi_t(v))``.
    3. Train on the `keep` problems with the highest scores, in that order; repeat with the tuned
       model.

    What differs here. The score is the paper's mean over the first L tokens, in nats, of the full
    vocabulary at temperature 1; the released code takes the mean of the 20 % highest entropies, of
    the 20 likeliest tokens each, after a request for a quick answer and with top-p .7. An answer
    that ends before the prefix does saves nothing. Until the first probe the order is random.
    """

    name: ClassVar[str] = "edco"
    title: ClassVar[str] = "EDCO: highest entropy first"
    papers: ClassVar[tuple[str, ...]] = ("EDCO",)
    family: ClassVar[str] = "F02"

    @dataclass(frozen=True)
    class Parameters:
        rounds: int = knob(5, "rounds, of equal shares of the budget", 1, 1000, paper=5)
        keep: int = knob(200, "problems that a round trains on", 1, 1_000_000, paper=200)
        prefix: int = knob(
            128, "L: tokens of an answer that are sampled at most", 1, 100_000, paper=128
        )
        temperature: float = knob(0.7, "temperature of the probing answers", 0.05, 3.0, paper=0.7)
        problems_per_arm: int = problems_per_arm()

    def fresh_memory(self) -> dict[str, Any]:
        # Rounds scored so far, and problems of this round given out.
        return {"rounds": 0, "given": 0}

    def fresh_values(self) -> dict[str, np.ndarray]:
        return {"entropy": np.zeros(self.size), "order": self.rng.permutation(self.size)}

    def probe(self, policy: Policy, clock: Clock) -> None:
        rounds = self.parameters.rounds
        now = min(int(clock.share * rounds + 1e-9), rounds - 1)
        if now < self.memory["rounds"]:
            return
        problems = [self.problem(item) for item in range(self.size)]
        with short_answers(policy, self.parameters.prefix):
            _, answers = ask(policy, problems, 1, self.rng, self.parameters.temperature)
        self.values["entropy"] = np.array([answer.entropy for answer in answers], dtype=float)
        self.values["order"] = best(self.values["entropy"], self.size)
        self.memory.update(rounds=now + 1, given=0)

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        kept = self.values["order"][: self.parameters.keep]
        items = cycle(kept, n, self.memory["given"])
        self.memory["given"] = (self.memory["given"] + n) % len(kept)
        return [self.pick(item) for item in items]

    def snapshot(self) -> dict[str, Any]:
        return {"entropy": self.by_arm(self.values["entropy"])} if self.memory["rounds"] else {}
