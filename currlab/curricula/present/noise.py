"""Noise: things in the prompt that do not matter, names half hidden, and help where that is too much.

Noise never takes away what an answer needs, so that the verifier's word stays true. Who passes a noisy
view could have passed the plain one: such views are not `easier`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.core import Present
from currlab.curricula.data import Clock, Group, Pick, View
from currlab.curricula.present.facts import DRAWS, may_be_shown
from currlab.curricula.present.hints import ByPassRate, plain_pass_rate, rate, thought
from currlab.curricula.registry import knob, register
from currlab.tasks import Problem, get_task
from currlab.tasks.lookup import Lookup
from currlab.tasks.variants import noisy, prefix, reworded


def python_rng(rng: np.random.Generator) -> random.Random:
    """A generator of the standard library, which the tasks draw from, seeded by one of numpy's."""
    return random.Random(int(rng.integers(2**62)))


def with_noise(problem: Problem, things: int, rng: random.Random) -> View:
    """The problem with so many irrelevant things added: facts, or fields such as ``q=7``.

    Shown plainly if no draw of them may be shown (see `may_be_shown`).
    """
    for _ in range(DRAWS if things else 0):
        prompt = noisy(get_task(problem.task), problem, things, rng).prompt
        if may_be_shown(prompt, problem):
            return View(prompt, kind="noise")
    return View(problem.prompt)


def exponential(share: float, base: float, low: float, high: float) -> float:
    """From `low` at the start to `high` at the end, slowly at first.

    ``low + (high - low) (base^share - 1) / (base - 1)``; about linear for a base near 1.

    >>> exponential(0.5, base=4.0, low=0.0, high=0.6)
    0.2
    """
    return round(low + (high - low) * (base**share - 1) / (base - 1), 12)


@register
class ZeroSearch(Present):
    """What is found for a question is useful or noisy, and noisy more often as training goes on.

    Every rollout has its own search: with chance

        p = low + (high - low) (base^s - 1) / (base - 1),   s the share of the budget,

    its context holds `facts` irrelevant things besides. The schedule and its constants are those of
    ZeroSearch (arXiv 2505.04588) and its code, where a language model writes five useful or five noisy
    documents for every query of an agent. Inspired only: here nobody searches, noise is added to what
    is needed and does not stand in its place, and one look is all there is.
    """

    name: ClassVar[str] = "zero_search"
    title: ClassVar[str] = "ZeroSearch: noisy contexts more and more often"
    papers: ClassVar[tuple[str, ...]] = ("ZeroSearch",)
    family: ClassVar[str] = "F05"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        low: float = knob(0.0, "chance of noise at the start", 0.0, 1.0, paper=0.0)
        high: float = knob(0.5, "chance of noise at the end", 0.0, 1.0, paper=0.5)
        base: float = knob(
            4.0, "how late the chance rises: 4 is later than 2", 1.01, 1e6, paper=4.0
        )
        facts: int = knob(5, "irrelevant things in a noisy context", 1, 20, paper=5)

    def chance(self, clock: Clock) -> float:
        p = self.parameters
        return exponential(clock.share, p.base, p.low, p.high)

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> list[View]:
        rng, chance = self.local_rng(problem, clock), self.chance(clock)
        draws, things = rng.random(n), python_rng(rng)
        return [
            with_noise(problem, self.parameters.facts * bool(draw < chance), things)
            for draw in draws
        ]


@register
class DistractorState(Present):
    """A few irrelevant things in some prompts, from the first step to the last.

    Inspired by "Paying Less Generalization Tax" (arXiv 2601.18217), which adds small amounts of
    distracting features to the states that agents see, so that they do better in other worlds. With
    `chance` a problem gets 1 to `most` such things, each number as likely. The numbers are ours.
    """

    name: ClassVar[str] = "distractor_state"
    title: ClassVar[str] = "a few irrelevant fields, all the time"
    papers: ClassVar[tuple[str, ...]] = ("Generalization tax",)
    family: ClassVar[str] = "F05"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        chance: float = knob(0.5, "chance of irrelevant things in a prompt", 0.0, 1.0)
        most: int = knob(2, "irrelevant things in a prompt at most", 1, 20)

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        rng = self.local_rng(problem, clock)
        if rng.random() >= self.parameters.chance:
            return View(problem.prompt)
        things = int(rng.integers(1, self.parameters.most + 1))
        return with_noise(problem, things, python_rng(rng))


@register
class Obfuscation(Present):
    """The question gets vaguer: the name that is asked for is half hidden, or the words change.

    Inspired by WebSailor-V2 (arXiv 2509.13305), which blurs what a question says so that an agent has
    to find out more; the ramp is ours. With a chance that rises linearly from 0 to `most` while
    ``share < until``, one letter of the name in a `lookup` is hidden such that it still means one name
    only. Where that cannot be, and in other tasks, the question is asked in other words.
    """

    name: ClassVar[str] = "obfuscation"
    title: ClassVar[str] = "vaguer questions as training goes on"
    papers: ClassVar[tuple[str, ...]] = ("WebSailor-V2",)
    family: ClassVar[str] = "F05"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        most: float = knob(0.5, "largest chance of a vague question", 0.0, 1.0)
        until: float = knob(0.7, "share of the budget over which the chance rises", 0.01, 1.0)

    def chance(self, clock: Clock) -> float:
        p = self.parameters
        return p.most * min(1.0, clock.share / p.until)

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        rng = self.local_rng(problem, clock)
        if rng.random() >= self.chance(clock):
            return View(problem.prompt)
        return vague(problem, python_rng(rng))


def vague(problem: Problem, rng: random.Random) -> View:
    """The problem asked less clearly, with the same answer; plainly where there is no such way."""
    task = get_task(problem.task)
    if isinstance(task, Lookup):
        half = task.obscure(problem, rng)
        if half and may_be_shown(half, problem):
            return View(half, kind="vague")
    for _ in range(DRAWS):
        other = reworded(task, problem, rng)
        # The digits of a number to sort, in another order, may be the answer.
        if other and (problem.answer in problem.prompt or problem.answer not in other.prompt):
            return View(other.prompt, kind="vague")
    return View(problem.prompt)


@register
class DifficultyBalance(ByPassRate):
    """Help for what is harder than usual, noise for what is easier: all problems end up in between.

    An analogue of the augmentation in DeepVideo-R1 (arXiv 2506.07464), which compares the mean reward
    of a prompt with that of a window of steps, and adds part of a successful trace to harder prompts
    and noise to easier ones; its formulas are not known here. An arm's gap is the mean success of the
    last `window` steps minus its own pass rate, both without help. With `chance` a problem of an arm
    with a gap g > 0 begins with the first ``min(1, strength g)`` of its worked solution, one with
    g < 0 gets ``round(-g things)`` irrelevant things. Its loss, which regresses advantages, is another
    dial's.
    """

    name: ClassVar[str] = "difficulty_balance"
    title: ClassVar[str] = "help for the hard, noise for the easy"
    papers: ClassVar[tuple[str, ...]] = ("DeepVideo-R1",)
    family: ClassVar[str] = "F02"
    state: ClassVar[str] = "analogue"

    @dataclass(frozen=True)
    class Parameters:
        chance: float = knob(0.5, "chance that a problem is changed at all", 0.0, 1.0)
        strength: float = knob(1.0, "share of the solution that is given for a gap of 1", 0.0, 10.0)
        things: int = knob(8, "irrelevant things for a gap of 1 the other way", 0, 20)
        window: int = knob(8, "steps that the usual success is averaged over", 1, 10_000)
        rate: float = rate()
        thought: bool = thought()

    def fresh_memory(self) -> dict[str, Any]:
        return {**super().fresh_memory(), "steps": []}

    def gap(self, arm: str) -> float:
        """How much harder the arm is than what was usual; 0 where nothing is known."""
        steps = self.memory["steps"]
        usual = sum(steps) / len(steps) if steps else 0.0
        return usual - self.memory["pass_rate"].get(arm, usual)

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        p, rng, gap = self.parameters, self.local_rng(problem, clock), self.gap(problem.arm)
        if rng.random() >= p.chance:
            return View(problem.prompt)
        if gap <= 0:
            return with_noise(problem, round(-gap * p.things), python_rng(rng))
        given = prefix(get_task(problem.task), problem, min(1.0, p.strength * gap), p.thought)
        return View(problem.prompt, prefix=given, kind="help" if given else "plain")

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        super().observe(groups, metrics)
        rates = [found for group in groups if (found := plain_pass_rate(group)) is not None]
        if rates:
            steps = [*self.memory["steps"], sum(rates) / len(rates)]
            self.memory["steps"] = steps[-self.parameters.window :]

    def snapshot(self) -> dict[str, Any]:
        return {
            **super().snapshot(),
            "gap": {arm: self.gap(arm) for arm in self.memory["pass_rate"]},
        }
