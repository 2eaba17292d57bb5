"""Small Python functions: written from a description in words, judged by what they return.

A program is run by `currlab.sandbox`, never here, and any program that passes the tests is right.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

from currlab.errors import CurrlabError
from currlab.sandbox.pool import shared_pool
from currlab.tasks.base import Problem, Task, extract_answer
from currlab.tasks.clauses import NUMBER, PHRASES, Clause
from currlab.tasks.program_tests import (
    TIERS,
    Tests,
    make_tests,
    passed_all,
    program,
    shares_passed,
    tells_apart,
)

MAX_CLAUSES = 3
MAX_DRAWS = 1000
# Characters of a prompt with its worked solution, written thought included: what the tiny models'
# context holds.
LONGEST = 500
# The kinds of value before, between and after the clauses, and which clauses are conditional.
Shape = tuple[tuple[str, ...], tuple[bool, ...]]


class Programs(Task):
    """Write ``f(x)`` for a number, a list or a word, from one to three clauses in words.

    Level = what the clauses cost in all: 1 for one on a number, 2 on a list or a word, and 1 more
    with a condition. The body of the worked solution has one line a clause.

    >>> problem = Problem("programs", 2, 0, "f(list): largest or 7", "")
    >>> Programs().tier_results(problem, "<answer>def f(x): return max(x)</answer>")
    {'basic': 1.0, 'intermediate': 1.0, 'complex': 1.0, 'edge': 0.75}
    """

    name: ClassVar[str] = "programs"
    title: ClassVar[str] = "small Python functions"
    max_level: ClassVar[int] = 9

    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        """Draws until all is short enough, every part matters to the tests, and no constant passes."""
        for _ in range(MAX_DRAWS):
            kinds, conditional = rng.choice(shapes(level))
            steps = zip(itertools.pairwise(kinds), conditional, strict=True)
            clauses = [Clause.draw(kind, gives, when, rng) for (kind, gives), when in steps]
            prompt = f"f({kinds[0]}): {', '.join(clause.words for clause in clauses)}"
            problem = Problem(self.name, level, 0, prompt, source(clauses))
            written = len(prompt + self.completion(problem, thought=True))
            if written <= LONGEST and tells_apart(tests_of(prompt), clauses):
                return prompt, problem.answer
        raise CurrlabError(f"No program of level {level} was found whose every part matters.")

    def tests(self, problem: Problem) -> Tests:
        """Four tests (argument, expected value) in each of the tiers, from basic to edge."""
        return tests_of(problem.prompt)

    def check(self, problem: Problem, answer: str) -> bool:
        return passed_all(self._judge(problem, [answer])[0])

    def verify_all(self, problem: Problem, completions: Sequence[str]) -> list[bool]:
        return [passed_all(shares) for shares in self.tier_results_all(problem, completions)]

    def tier_results(self, problem: Problem, completion: str) -> dict[str, float]:
        """The share of each tier's tests that the completion's program passes."""
        return self.tier_results_all(problem, [completion])[0]

    def tier_results_all(
        self, problem: Problem, completions: Sequence[str]
    ) -> list[dict[str, float]]:
        """`tier_results` of many completions, which are run side by side."""
        answers = [extract_answer(completion) for completion in completions]
        judged = iter(self._judge(problem, [answer for answer in answers if answer is not None]))
        nothing = dict.fromkeys(TIERS, 0.0)
        return [dict(nothing) if answer is None else next(judged) for answer in answers]

    def _judge(self, problem: Problem, answers: Sequence[str]) -> list[dict[str, float]]:
        """The shares that each answer passes; equal answers are run once."""
        tests, different = self.tests(problem), list(dict.fromkeys(answers))
        outcomes = shared_pool().run([program(answer, tests) for answer in different])
        passed = {a: shares_passed(o, tests) for a, o in zip(different, outcomes, strict=True)}
        return [dict(passed[answer]) for answer in answers]

    def steps(self, problem: Problem) -> list[str]:
        """Each clause with its expression, then the whole program."""
        return [*(f"{c.words}: {c.code}" for c in read(problem.prompt)[1]), problem.answer]

    def near_miss(self, problem: Problem, rng: random.Random) -> str:
        """The program for a clause that is another one."""
        kind, clauses = read(problem.prompt)
        i = rng.randrange(len(clauses))
        others = list(clauses[i].neighbours())
        if not others or rng.random() < 0.5:
            kinds = kinds_of(kind, clauses)[i : i + 2]
            others = [Clause.draw(*kinds, clauses[i].condition is not None, rng)]
        return source([*clauses[:i], rng.choice(others), *clauses[i + 1 :]])


# ---------------------------------------------------------------- levels, prompts, programs


def cost(kind: str, conditional: bool) -> int:
    return (1 if kind == NUMBER else 2) + conditional


@lru_cache
def shapes(level: int) -> list[Shape]:
    """Every way in which one to three clauses can cost `level` in all."""
    found = []
    for n in range(1, MAX_CLAUSES + 1):
        for kinds in itertools.product(PHRASES, repeat=n + 1):
            pairs = list(itertools.pairwise(kinds))
            if any(gives not in (kind, NUMBER) for kind, gives in pairs):
                continue
            for conditional in itertools.product((False, True), repeat=n):
                both = list(zip(pairs, conditional, strict=True))
                keeps = all(kind == gives or not when for (kind, gives), when in both)
                if keeps and sum(cost(kind, when) for (kind, _), when in both) == level:
                    found.append((kinds, conditional))
    return found


@lru_cache(maxsize=4096)
def read(prompt: str) -> tuple[str, tuple[Clause, ...]]:
    """The kind of the argument and the clauses. CurrlabError if this is no prompt of the task."""
    head, _, rest = prompt.partition("): ")
    kind = started = head.removeprefix("f(")
    clauses: list[Clause] = []
    for words in rest.split(", "):
        clause = Clause.read(words, kind) if kind in PHRASES else None
        if clause is None:
            raise CurrlabError(f"Task 'programs' did not make the prompt {prompt[:80]!r}.")
        clauses.append(clause)
        kind = clause.phrase.gives or kind
    return started, tuple(clauses)


def kinds_of(kind: str, clauses: Sequence[Clause]) -> list[str]:
    """The kinds of value before, between and after the clauses."""
    kinds = [kind]
    for clause in clauses:
        kinds.append(clause.phrase.gives or kinds[-1])
    return kinds


def source(clauses: Sequence[Clause]) -> str:
    """The worked solution: one line a clause, and on the line of ``def`` if there is only one."""
    *first, last = [clause.code for clause in clauses]
    if not first:
        return f"def f(x): return {last}"
    return "\n".join(("def f(x):", *(f" x={code}" for code in first), f" return {last}"))


@lru_cache(maxsize=4096)
def tests_of(prompt: str) -> Tests:
    """The tests that belong to a prompt: always the same ones."""
    kind, clauses = read(prompt)
    return make_tests(kind, clauses, random.Random(f"tests/{prompt}"))
