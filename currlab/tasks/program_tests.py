"""Four tiers of tests for a program: made by the reference, and checked that they tell it apart."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from currlab.sandbox.process import Outcome, Program
from currlab.tasks.clauses import LETTERS, LIST, NUMBER, WORD, Clause

TIERS = ("basic", "intermediate", "complex", "edge")
TESTS_A_TIER = 4
# The share of the tests that the best constant may pass.
MOST_FOR_A_CONSTANT = 0.75
Test = tuple[Any, Any]  # argument, expected value
Tests = Mapping[str, Sequence[Test]]


def reference(clauses: Sequence[Clause], argument: Any) -> Any:
    """What a right program returns, computed from the clauses' meanings."""
    value = argument
    for clause in clauses:
        value = clause.apply(value)
    return value


def make_tests(kind: str, clauses: Sequence[Clause], rng: random.Random) -> Tests:
    """Four tests in each tier; what the reference returns is what is expected."""
    arguments = ARGUMENTS[kind](clauses, rng)
    return {
        tier: tuple((argument, reference(clauses, argument)) for argument in arguments[tier])
        for tier in TIERS
    }


def tells_apart(tests: Tests, clauses: Sequence[Clause]) -> bool:
    """Do the tests notice a missing clause, a number or letter that is one off, and a constant?"""
    asked = [test for tier in TIERS for test in tests[tier]]
    (_, most), *_ = Counter(repr(expected) for _, expected in asked).most_common(1)
    if most > MOST_FOR_A_CONSTANT * len(asked):
        return False
    others: list[Sequence[Clause]] = []
    for i, clause in enumerate(clauses):
        before, after = clauses[:i], clauses[i + 1 :]
        others += [[*before, other, *after] for other in clause.neighbours()]
        if not clause.phrase.gives:
            others.append([*before, *after])
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


def passed_all(shares: Mapping[str, float]) -> bool:
    return min(shares.values()) == 1


# ---------------------------------------------------------------- arguments


def mentioned(clauses: Sequence[Clause], kind: type) -> list[Any]:
    return [g for c in clauses for g in (*c.gaps, *c.condition_gaps) if isinstance(g, kind)]


def number_arguments(clauses: Sequence[Clause], rng: random.Random) -> dict[str, list[int]]:
    """Small, larger and large numbers; then zero, a negative one, and those where a clause turns."""
    turning = []
    for i, clause in enumerate(clauses):
        near = {bound + d for bound in clause.bounds for d in (-1, 0, 1)}
        turning += [x for x in range(-30, 60) if reference(clauses[:i], x) in near] if near else []
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
        drawn = rng.choices(values, k=length)
        return [rng.choice(special) if special and rng.random() < 0.3 else v for v in drawn]

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
        drawn = rng.choices(letters, k=length)
        return "".join(rng.choice(special) if rng.random() < 0.3 else c for c in drawn)

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
