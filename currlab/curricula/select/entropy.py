"""Choosing what the learner is least sure of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.data import Clock, Pick, Policy
from currlab.curricula.registry import knob, register
from currlab.curricula.select.items import PoolSelect, ask, best, cycle, problems_per_arm


@register
class EDCO(PoolSelect):
    """EDCO: train on the problems whose answers have the highest entropy, measured anew each round.

    Inspired by EDCO (arXiv 2601.03725): in every round, generate a short answer to each problem of the
    pool, score it by its token entropies, train on the problems with the highest scores in that
    order, repeat with the tuned model.

    What is implemented: the score is the mean entropy (nats, full vocabulary, at temperature 1) of
    *all* sampled tokens of one answer at temperature .7. The released code takes the mean of the 20 %
    highest entropies of a prefix of 128 tokens, over the 20 likeliest tokens each, after a request
    for a quick answer; a policy here reports one mean per answer, and the answers of small tasks are
    shorter than such a prefix. So nothing is saved by a prefix, and every round costs one whole
    answer a problem. Until the first probe the order is random.
    """

    name: ClassVar[str] = "edco"
    title: ClassVar[str] = "EDCO: highest entropy first"
    papers: ClassVar[tuple[str, ...]] = ("EDCO",)
    family: ClassVar[str] = "F02"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        rounds: int = knob(5, "rounds, of equal shares of the budget", 1, 1000, paper=5)
        keep: int = knob(200, "problems that a round trains on", 1, 1_000_000, paper=200)
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
