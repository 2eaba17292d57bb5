"""Final answers of mathematical data sets: where they stand in a solution, and when two are equal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec

NUMBER = re.compile(r"[-+]?\d{1,60}(?:\.\d{1,60})?(?:/\d{1,60})?", re.ASCII)
LONGEST = 200
# math_verify computes what it reads: towers of powers and factorials would never end.
COSTLY = re.compile(r"!|\*\*|\^\s*\{?\s*[-+]?\d{3,}|(?:\^.*){4,}", re.DOTALL)


def last_boxed(text: str) -> str | None:
    r"""The content of the last ``\boxed{...}``, its braces balanced; None if there is none.

    >>> last_boxed(r"so \boxed{1} or rather \boxed{\frac{1}{2}}.")
    '\\frac{1}{2}'
    """
    start, depth = text.rfind(r"\boxed{"), 0
    if start < 0:
        return None
    start += len(r"\boxed{")
    for at, character in enumerate(text[start:], start):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            return text[start:at].strip()
    return None


def as_number(text: str) -> Fraction | None:
    r"""The exact value of a written number, without thousands commas, $ and a final stop.

    >>> as_number("$1,200.50.") == as_number("2401/2")
    True
    """
    plain = text.strip().removeprefix("$").removesuffix("$").strip().removesuffix(".")
    if re.fullmatch(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", plain, re.ASCII):
        plain = plain.replace(",", "")
    if not NUMBER.fullmatch(plain):
        return None
    top, _, bottom = plain.partition("/")
    if bottom and int(bottom) == 0:
        return None
    return Fraction(top) / Fraction(bottom or 1)


def equal_answers(reference: str, answer: str) -> bool:
    """Equal as exact numbers, else as text without spaces, else by math_verify if it is installed.

    Without that package (extra 'hub') only numbers and equal text count: x+1 and 1+x then differ.
    """
    answer = answer.strip()
    if len(answer) > LONGEST + len(reference):
        return False
    numbers = as_number(reference), as_number(answer)
    if None not in numbers:
        return numbers[0] == numbers[1]
    if "".join(reference.split()) == "".join(answer.split()):
        return True
    if COSTLY.search(answer) or find_spec("math_verify") is None:
        return False
    return _verified(reference, answer)


def _verified(reference: str, answer: str) -> bool:
    r"""What math_verify says of two LaTeX expressions; its parser of Python-like text is left out.

    Its time limits are signals, which only work in the main thread: `COSTLY` stands in for them.
    """
    from math_verify import LatexExtractionConfig, parse, verify

    read = {"extraction_config": [LatexExtractionConfig()], "parsing_timeout": None}
    gold, given = (parse(f"${text.strip('$')}$", **read) for text in (reference, answer))
    return bool(gold and given and verify(gold, given, timeout_seconds=None))


def solve_countdown(numbers: Sequence[int], target: int) -> str | None:
    """An expression of all the numbers, each used once, that gives the target; None if none does.

    >>> solve_countdown((2, 3, 4), 20)
    '(4*(2+3))'
    """
    return _solve([(Fraction(n), str(n)) for n in numbers], Fraction(target))


def _solve(parts: list[tuple[Fraction, str]], target: Fraction) -> str | None:
    if len(parts) == 1:
        return parts[0][1] if parts[0][0] == target else None
    for i, (a, left) in enumerate(parts):
        for j, (b, right) in enumerate(parts):
            if i == j:
                continue
            rest = [part for k, part in enumerate(parts) if k not in (i, j)]
            results = [("-", a - b)] + ([("/", a / b)] if b else [])
            if i < j:
                results += [("+", a + b), ("*", a * b)]
            for sign, result in results:
                found = _solve([*rest, (result, f"({left}{sign}{right})")], target)
                if found:
                    return found
    return None
