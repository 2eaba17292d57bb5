"""Tasks on numbers: chains of operations mod 10, and Countdown with any correct expression."""

from __future__ import annotations

import ast
import operator
import random
import re
from collections.abc import Callable
from fractions import Fraction
from typing import ClassVar

from currlab.tasks.base import Problem, Task

# What an answer may be made of, and how long it may be: checked before anything parses it.
EXPRESSION = re.compile(r"[0-9+*/() -]{1,100}")
OPERATIONS: dict[type[ast.operator], tuple[str, Callable]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
}
MIRRORED = {"+": "-", "-": "+"}
Report = Callable[[Fraction, str, Fraction, Fraction], None]


class ModularChain(Task):
    """Work from left to right, keep the last digit. Level = number of operations.

    Factors are 3, 7 and 9 only: each operation then maps the ten digits one to one, and a guess
    is right one time in ten at every level.

    >>> ModularChain().steps(Problem("modular_chain", 2, 0, "chain 8+5*7", "1"))
    ['8+5=3', '3*7=1']
    """

    name: ClassVar[str] = "modular_chain"
    title: ClassVar[str] = "a chain of operations, last digits only"
    max_level: ClassVar[int] = 12

    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        chain = rng.choice("0123456789")
        for _ in range(level):
            sign = rng.choice("+-*")
            chain += sign + rng.choice("379" if sign == "*" else "0123456789")
        return f"chain {chain}", running(chain)[-1][-1]

    def steps(self, problem: Problem) -> list[str]:
        """One operation a line, with its running value."""
        return running(problem.prompt.removeprefix("chain "))

    def simplify(self, problem: Problem, share: float, rng: random.Random) -> str | None:
        """The first operations are done, never the last one; None where there is only one."""
        chain = problem.prompt.removeprefix("chain ")
        lines = running(chain)
        done = max(1, round(share * (len(lines) - 1)))
        return f"chain {lines[done - 1][-1]}{chain[1 + 2 * done :]}" if len(lines) > 1 else None

    def rephrase(self, problem: Problem, rng: random.Random) -> str | None:
        """Some sums as differences and the other way round: +3 is -7 on the last digit."""
        chain = problem.prompt.removeprefix("chain ")
        terms = list(zip(chain[1::2], chain[2::2], strict=True))
        return f"chain {chain[0]}" + "".join(
            MIRRORED[sign] + str(-int(digit) % 10)
            if sign in MIRRORED and rng.random() < 0.5
            else sign + digit
            for sign, digit in terms
        )


def running(chain: str) -> list[str]:
    """The operations of a chain with their values mod 10: ``8+5*7`` gives 8+5=3 and 3*7=1."""
    value, lines = int(chain[0]), []
    for sign, digit in zip(chain[1::2], chain[2::2], strict=True):
        before, number = value, int(digit)
        changes = {"+": before + number, "-": before - number, "*": before * number}
        value = changes[sign] % 10
        lines.append(f"{before}{sign}{digit}={value}")
    return lines


class Countdown(Task):
    """Reach a target with every given number once, by + - * / and brackets.

    Any correct expression is accepted. Numbers: 2 at levels 1 and 2, then one more every second
    level; they reach 9 at odd levels and 15 at even ones.

    >>> Countdown().check(Problem("countdown", 3, 0, "make 26 from 7 3 5", "7*3+5"), "5+3*7")
    True
    """

    name: ClassVar[str] = "countdown"
    title: ClassVar[str] = "reach the target with the given numbers"
    max_level: ClassVar[int] = 8
    max_target: ClassVar[int] = 999

    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        largest = 9 if level % 2 else 15
        while True:
            numbers = [rng.randint(1, largest) for _ in range(2 + (level - 1) // 2)]
            target, answer = combine(numbers, rng)
            if target.denominator == 1 and 0 < target <= self.max_target:
                rng.shuffle(numbers)
                return f"make {target} from {' '.join(map(str, numbers))}", answer

    def check(self, problem: Problem, answer: str) -> bool:
        """Exact: fractions are kept, and every given number is used once and no other."""
        target, _, numbers = problem.prompt.removeprefix("make ").partition(" from ")
        tree = parse(answer.strip())
        if tree is None:
            return False
        used = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        return sorted(used) == sorted(map(int, numbers.split())) and value(tree) == int(target)

    def steps(self, problem: Problem) -> list[str]:
        """One operation a line with its value, then the whole expression."""
        lines = []

        def report(left: Fraction, sign: str, right: Fraction, result: Fraction) -> None:
            lines.append(f"{left}{sign}{right}={result}")

        value(parse(problem.answer), report)
        return [*lines, problem.answer]

    def near_miss(self, problem: Problem, rng: random.Random) -> str:
        """Another expression of the same numbers."""
        return combine(self._shuffled(problem, rng), rng)[1]

    def rephrase(self, problem: Problem, rng: random.Random) -> str | None:
        """The numbers in another order."""
        target, _, _ = problem.prompt.partition(" from ")
        return f"{target} from {' '.join(map(str, self._shuffled(problem, rng)))}"

    def _shuffled(self, problem: Problem, rng: random.Random) -> list[int]:
        numbers = [int(n) for n in problem.prompt.partition(" from ")[2].split()]
        return rng.sample(numbers, len(numbers))


def combine(numbers: list[int], rng: random.Random) -> tuple[Fraction, str]:
    """Join random neighbours by random operations until one is left: its value and expression."""
    parts = [(Fraction(n), str(n)) for n in numbers]
    while len(parts) > 1:
        i = rng.randrange(len(parts) - 1)
        (a, left), (b, right) = parts[i : i + 2]
        # Whole positive values keep the worked steps short; verification is not bound to them.
        signs = [
            s for s, fits in (("+", True), ("-", a > b), ("*", True), ("/", a % b == 0)) if fits
        ]
        sign = rng.choice(signs)
        total = {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[sign]
        parts[i : i + 2] = [(total, f"({left}{sign}{right})")]
    total, expression = parts[0]
    return total, ast.unparse(ast.parse(expression)).replace(" ", "")


def parse(expression: str) -> ast.expr | None:
    """The syntax tree of + - * / over whole numbers, or None. Nothing is ever executed.

    Text that is longer than 100 characters or holds anything but digits, spaces, brackets and the
    four signs is turned away before it is parsed; so are ``**`` and ``//`` after it.
    """
    if not EXPRESSION.fullmatch(expression):
        return None
    try:
        tree = ast.parse(expression, mode="eval").body
    except (SyntaxError, MemoryError):  # MemoryError: the parser's word for too many brackets
        return None
    return tree if all(map(allowed, ast.walk(tree))) else None


def allowed(node: ast.AST) -> bool:
    """Is this node a whole number, one of the four operations, or a minus sign?"""
    if isinstance(node, ast.Constant):
        return type(node.value) is int
    return isinstance(node, (ast.BinOp, ast.UnaryOp, ast.USub, *OPERATIONS))


def value(tree: ast.expr, report: Report | None = None) -> Fraction | None:
    """The exact value of a tree made by `parse`; None where it divides by zero.

    `report(left, sign, right, result)` is called for each operation, in order of evaluation.
    """
    if isinstance(tree, ast.Constant):
        return Fraction(tree.value)
    if isinstance(tree, ast.UnaryOp):
        inner = value(tree.operand, report)
        return None if inner is None else -inner
    left, right = value(tree.left, report), value(tree.right, report)
    sign, operation = OPERATIONS[type(tree.op)]
    if left is None or right is None or (sign == "/" and right == 0):
        return None
    result = operation(left, right)
    if report:
        report(left, sign, right, result)
    return result
