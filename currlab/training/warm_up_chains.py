"""Worked chains with planted behaviour: mistakes that are passed on, steps taken back, no order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from currlab.curricula.registry import check_parameters, knob
from currlab.errors import CurrlabError
from currlab.tasks import Problem
from currlab.tasks.base import CLOSE, OPEN
from currlab.tasks.numbers import running
from currlab.tasks.sequences import DIGITS, question

# What stands behind a step that is taken back; the next line does it again.
TAKEN_BACK = " !"
# A line of a chain and what is left to do after it.
Move = tuple[str, str]


@dataclass(frozen=True)
class Walk:
    """A task's worked solution, step by step.

    `start` says what there is to do at first; `moves` the lines that can be written next, the right
    one first, none at the end; `answer` reads the answer off what is left then.
    """

    start: Callable[[Problem], str]
    moves: Callable[[str], list[Move]]
    answer: Callable[[str], str]


def selections(state: str) -> list[Move]:
    """Selection sort: any digit of what is left may be taken, the smallest is right."""
    left, _, done = state.partition("|")
    lines = (f"{left.replace(digit, '', 1)}|{done}{digit}" for digit in sorted(set(left)))
    return [(line, line) for line in lines]


def operations(state: str) -> list[Move]:
    """A chain of operations: the first one with its value, or with any other digit."""
    if len(state) == 1:
        return []
    operation, rest = state[:3], state[3:]
    right = running(operation)[0][-1]
    digits = [right, *(digit for digit in DIGITS if digit != right)]
    return [(f"{operation}={digit}", digit + rest) for digit in digits]


WALKS: Mapping[str, Walk] = {
    "sorting": Walk(lambda p: f"{question(p)}|", selections, lambda state: state[1:]),
    "modular_chain": Walk(question, operations, lambda state: state),
}


class Chains:
    """Writes worked solutions as `Task.completion(thought=True)` does, with planted behaviour.

    - A *mistake* is a wrong step in the right form; what follows builds on it, and the answer is what
      comes of it: a wrong chain, well formed.
    - A *backtrack* is a wrong step, marked `` !`` and done again.
    - *Shuffled* steps are the right ones (or those with mistakes) in a random order.

    Source: How Much Backtracking is Enough? (arXiv 2505.24273), which counts the steps back in the
    demonstrations and finds that correctness matters less than structure; Behavior Priming (arXiv
    2510.06534), Behavior Injection (arXiv 2505.18917) and Meta-CoT (arXiv 2501.04682) plant habits and
    dead ends, too. Only these ideas are known to us; how the behaviour is planted is ours. Equal
    problems get equal chains.

    >>> problem = Problem("modular_chain", 2, 0, "chain 8+5*7", "1")
    >>> make_chains().completion(problem)
    '<think>8+5=3\\n3*7=1</think><answer>1</answer>'
    """

    name: ClassVar[str] = "chains"
    title: ClassVar[str] = "worked chains with planted behaviour"
    papers: ClassVar[tuple[str, ...]] = (
        "Backtracking",
        "Behavior Priming",
        "Behavior Injection",
        "Meta-CoT",
    )
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        mistakes: float = knob(0.0, "chance that a step is wrong and passed on", 0.0, 1.0)
        backtracks: int = knob(0, "wrong steps that are marked and done again", 0, 32)
        shuffled: bool = knob(False, "whether the steps stand in a random order")

    def __init__(self, parameters: Any = None) -> None:
        self.parameters = self.Parameters() if parameters is None else parameters

    def completion(self, problem: Problem) -> str:
        """A worked solution; a step that has no wrong form is neither mistaken nor taken back."""
        if problem.task not in WALKS:
            raise CurrlabError(
                f"Chains with planted behaviour are known for {', '.join(WALKS)}; "
                f"'{problem.task}' is not one of them."
            )
        rng = random.Random(f"chains/{problem.key}")
        lines, answer = self._walk(WALKS[problem.task], problem, rng)
        if self.parameters.shuffled:
            rng.shuffle(lines)
        return f"<think>{chr(10).join(lines)}</think>{OPEN}{answer}{CLOSE}"

    def _walk(self, walk: Walk, problem: Problem, rng: random.Random) -> tuple[list[str], str]:
        """The lines of a chain, and the answer at its end."""
        state, lines = walk.start(problem), []
        planted = self._places(walk, state, rng)
        step = 0
        while moves := walk.moves(state):
            right, *wrong = moves
            lines += [
                rng.choice(wrong)[0] + TAKEN_BACK for _ in range(planted[step] if wrong else 0)
            ]
            mistaken = wrong and rng.random() < self.parameters.mistakes
            line, state = rng.choice(wrong) if mistaken else right
            lines.append(line)
            step += 1
        return lines, walk.answer(state)

    def _places(self, walk: Walk, state: str, rng: random.Random) -> Counter[int]:
        """How often the right chain's steps are taken back, by their number."""
        fallible, step = [], 0
        while moves := walk.moves(state):
            fallible += [step] if len(moves) > 1 else []
            (_, state), step = moves[0], step + 1
        return Counter(rng.choices(fallible, k=self.parameters.backtracks) if fallible else ())


def make_chains(**parameters: Any) -> Chains:
    """Chains with these parameters, checked against their bounds.

    >>> make_chains(backtracks=2).parameters.backtracks
    2
    """
    return Chains(check_parameters(Chains, parameters))
