"""Small Python functions: written from a description in words, judged by what they return.

A program is run by `currlab.sandbox`, never here, and any program that passes the tests is right.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from currlab.errors import CurrlabError
from currlab.sandbox.pool import shared_pool
from currlab.sandbox.process import Outcome, Program
from currlab.tasks.base import Problem, Task, extract_answer
from currlab.tasks.clauses import LETTERS, LIST, NUMBER, PHRASES, WORD, Clause

TIERS = ("basic", "intermediate", "complex", "edge")
TESTS_A_TIER = 4
MAX_CLAUSES = 3
MAX_DRAWS = 1000
Test = tuple[Any, Any]  # argument, expected value
Tests = Mapping[str, Sequence[Test]]
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
        """Draws until every clause and every number in it matters to at least one test."""
        for _ in range(MAX_DRAWS):
            kinds, conditional = rng.choice(shapes(level))
            steps = zip(itertools.pairwise(kinds), conditional, strict=True)
            clauses = [Clause.draw(kind, gives, when, rng) for (kind, gives), when in steps]
            prompt = f"f({kinds[0]}): {', '.join(clause.words for clause in clauses)}"
            if tells_apart(tests_of(prompt), clauses):
                return prompt, source(clauses)
        raise CurrlabError(f"No program of level {level} was found whose every part matters.")

    def check(self, problem: Problem, answer: str) -> bool:
        return self._right(problem, [answer])[0]

    def verify_all(self, problem: Problem, completions: Sequence[str]) -> list[bool]:
        """`verify` of many completions at once, which are run side by side."""
        answers = [extract_answer(completion) for completion in completions]
        right = iter(self._right(problem, [answer for answer in answers if answer is not None]))
        return [answer is not None and next(right) for answer in answers]

    def _right(self, problem: Problem, answers: Sequence[str]) -> list[bool]:
        return [min(shares.values()) == 1 for shares in self.shares(problem, answers)]

    def tests(self, problem: Problem) -> Tests:
        """Four tests (argument, expected value) in each of the tiers, from basic to edge."""
        return tests_of(problem.prompt)

    def tier_results(self, problem: Problem, completion: str) -> dict[str, float]:
        """The share of each tier's tests that the completion's program passes."""
        answer = extract_answer(completion)
        return (
            self.shares(problem, [answer])[0] if answer is not None else dict.fromkeys(TIERS, 0.0)
        )

    def shares(self, problem: Problem, answers: Sequence[str]) -> list[dict[str, float]]:
        """`tier_results` of many answers (without their tags), each different one run once."""
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
            kinds = (*kinds_of(kind, clauses),)[i : i + 2]
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


# ---------------------------------------------------------------- tests


def reference(clauses: Sequence[Clause], argument: Any) -> Any:
    """What a right program returns, computed from the clauses' meanings."""
    value = argument
    for clause in clauses:
        value = clause.apply(value)
    return value


@lru_cache(maxsize=4096)
def tests_of(prompt: str) -> Tests:
    """The tests that belong to a prompt: always the same ones."""
    kind, clauses = read(prompt)
    arguments = ARGUMENTS[kind](clauses, random.Random(f"tests/{prompt}"))
    return {
        tier: tuple((argument, reference(clauses, argument)) for argument in arguments[tier])
        for tier in TIERS
    }


def tells_apart(tests: Tests, clauses: Sequence[Clause]) -> bool:
    """Does some test fail without each clause, and with each number or letter one off?"""
    others: list[Sequence[Clause]] = []
    for i, clause in enumerate(clauses):
        before, after = clauses[:i], clauses[i + 1 :]
        others += [[*before, other, *after] for other in clause.neighbours()]
        if (clause.phrase.gives or "") == "" and len(clauses) > 1:
            others.append([*before, *after])
    asked = [test for tier in TIERS for test in tests[tier]]
    return all(any(not same(reference(o, x), y) for x, y in asked) for o in others)


def program(answer: str, tests: Tests) -> Program:
    """What the sandbox is given: the answer and the tests' arguments, not what is expected."""
    return Program(answer, [[argument] for tier in TIERS for argument, _ in tests[tier]])


def same(value: Any, expected: Any) -> bool:
    """Equal and of the same type all through: True is not 1, and 1.0 is not 1."""
    if type(value) is not type(expected):
        return False
    if isinstance(value, list):
        return len(value) == len(expected) and all(map(same, value, expected))
    return value == expected


def shares_passed(outcome: Outcome, tests: Tests) -> dict[str, float]:
    """The share of each tier's tests that were passed; 0 where the program was refused."""
    results = iter(outcome.results)
    passed = {}
    for tier in TIERS:
        ended = [next(results, None) for _ in tests[tier]]
        right = [
            result is not None and not result.error and same(result.value, expected)
            for result, (_, expected) in zip(ended, tests[tier], strict=True)
        ]
        passed[tier] = sum(right) / len(right)
    return passed


# ---------------------------------------------------------------- arguments of the tests


def mentioned(clauses: Sequence[Clause], kind: type) -> list[Any]:
    return [g for c in clauses for g in (*c.gaps, *c.condition_gaps) if isinstance(g, kind)]


def number_arguments(clauses: Sequence[Clause], rng: random.Random) -> dict[str, list[int]]:
    """Small, larger and large numbers; then zero, a negative one, and those where a clause turns."""
    turning = []
    for i, clause in enumerate(clauses):
        goals = {g + d for g in mentioned([clause], int) for d in (0, 1, -1)}
        turning += [x for x in range(-30, 60) if reference(clauses[:i], x) in goals]
    edge = [0, -rng.randint(1, 30), *rng.sample(turning, min(2, len(turning)))]
    return {
        "basic": rng.sample(range(1, 10), TESTS_A_TIER),
        "intermediate": rng.sample(range(10, 60), TESTS_A_TIER),
        "complex": rng.sample(range(-60, 999), TESTS_A_TIER),
        "edge": [*edge, *range(-len(edge), 0)][:TESTS_A_TIER],
    }


def list_arguments(clauses: Sequence[Clause], rng: random.Random) -> dict[str, list[list[int]]]:
    """Short lists of digits, longer ones, long ones with negatives and repeats; then next to none."""
    special = [*mentioned(clauses, int), *(g + 1 for g in mentioned(clauses, int))]

    def some(length: int, values: Sequence[int]) -> list[int]:
        pick: Callable[[], int] = lambda: rng.choice(  # noqa: E731
            special if special and rng.random() < 0.3 else values
        )
        return [pick() for _ in range(length)]

    return {
        "basic": [some(rng.randint(2, 3), range(1, 10)) for _ in range(TESTS_A_TIER)],
        "intermediate": [some(rng.randint(4, 6), range(21)) for _ in range(TESTS_A_TIER)],
        "complex": [some(rng.randint(5, 9), range(-9, 10)) for _ in range(TESTS_A_TIER)],
        "edge": [[], some(1, range(10)), some(4, [0]), some(2, range(-9, 0))],
    }


def word_arguments(clauses: Sequence[Clause], rng: random.Random) -> dict[str, list[str]]:
    """Short words, longer ones, ones with capitals, digits and blanks; then next to nothing."""
    special = "".join(mentioned(clauses, str)) or LETTERS

    def some(length: int, letters: str) -> str:
        return "".join(
            rng.choice(special if rng.random() < 0.3 else letters) for _ in range(length)
        )

    return {
        "basic": [some(rng.randint(2, 4), "abcdefgh") for _ in range(TESTS_A_TIER)],
        "intermediate": [some(rng.randint(5, 8), "abcdefghstu") for _ in range(TESTS_A_TIER)],
        "complex": [some(rng.randint(4, 9), "abcdeABC 01.") for _ in range(TESTS_A_TIER)],
        "edge": ["", some(1, special), some(3, special), some(2, " AZ")],
    }


ARGUMENTS: dict[str, Callable[..., dict[str, list[Any]]]] = {
    NUMBER: number_arguments,
    LIST: list_arguments,
    WORD: word_arguments,
}
