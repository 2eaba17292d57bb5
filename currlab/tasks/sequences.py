"""Tasks on short strings. Under GRPO some climb (sorting, dedupe), others hit a wall.

Reversing and rotating are the wall: a small model that was shown short strings never samples a
right answer for longer ones, so that no choice of problems can help. Closing brackets stands
between: from the shipped base it gets surer of the depths it was shown and finds no deeper one.
"""

from __future__ import annotations

import random
from typing import ClassVar

from currlab.tasks.base import Problem, Task

DIGITS = "0123456789"
CLOSER = {"(": ")", "[": "]", "{": "}"}


def draw_digits(n: int, rng: random.Random) -> str:
    return "".join(rng.choice(DIGITS) for _ in range(n))


def question(problem: Problem) -> str:
    """The string that the prompt asks about: its last word."""
    return problem.prompt.rpartition(" ")[2]


def shuffled(text: str, rng: random.Random) -> str:
    return "".join(rng.sample(text, len(text)))


class Sorting(Task):
    """Sort digits. Level = number of digits - 1."""

    name: ClassVar[str] = "sorting"
    title: ClassVar[str] = "sort the digits"
    max_level: ClassVar[int] = 16

    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        digits = draw_digits(level + 1, rng)
        return f"sort {digits}", "".join(sorted(digits))

    def steps(self, problem: Problem) -> list[str]:
        """Selection sort, one chosen digit a line: what is left, then what is sorted."""
        left, done, lines = question(problem), "", []
        while left:
            smallest = min(left)
            left, done = left.replace(smallest, "", 1), done + smallest
            lines.append(f"{left}|{done}")
        return lines

    def simplify(self, problem: Problem, share: float, rng: random.Random) -> str | None:
        """The smallest digits stand in front already."""
        done = problem.answer[: max(1, round(share * len(problem.answer)))]
        return f"sort {done}{shuffled(problem.answer[len(done) :], rng)}"

    def rephrase(self, problem: Problem, rng: random.Random) -> str | None:
        """The same digits in another order."""
        return f"sort {shuffled(problem.answer, rng)}"


class Dedupe(Task):
    """Keep the first occurrence of every digit. Level = number of digits - 2.

    >>> Dedupe().check(Problem("dedupe", 2, 0, "dedupe 3353", "35"), "35")
    True
    """

    name: ClassVar[str] = "dedupe"
    title: ClassVar[str] = "remove repeated digits"
    max_level: ClassVar[int] = 14

    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        digits = draw_digits(level + 2, rng)
        return f"dedupe {digits}", "".join(dict.fromkeys(digits))

    def steps(self, problem: Problem) -> list[str]:
        """One digit a line, from the left: what is left to read, then what was kept."""
        digits, kept, lines = question(problem), "", []
        for i, digit in enumerate(digits, start=1):
            kept += digit if digit not in kept else ""
            lines.append(f"{digits[i:]}|{kept}")
        return lines

    def simplify(self, problem: Problem, share: float, rng: random.Random) -> str | None:
        """Some of the repeated digits are gone; None where none is repeated."""
        digits = question(problem)
        repeated = [i for i, digit in enumerate(digits) if digit in digits[:i]]
        gone = rng.sample(repeated, min(len(repeated), max(1, round(share * len(repeated)))))
        left = "".join(digit for i, digit in enumerate(digits) if i not in gone)
        return f"dedupe {left}" if gone else None

    def rephrase(self, problem: Problem, rng: random.Random) -> str | None:
        """As many repeated digits, but others and elsewhere."""
        digits = problem.answer
        for _ in range(len(question(problem)) - len(problem.answer)):
            digit = rng.choice(problem.answer)
            at = rng.randint(digits.index(digit) + 1, len(digits))
            digits = digits[:at] + digit + digits[at:]
        return None if digits == problem.answer else f"dedupe {digits}"


class Reverse(Task):
    """Write digits backwards. Level = number of digits - 1."""

    name: ClassVar[str] = "reverse"
    title: ClassVar[str] = "write the digits backwards"
    max_level: ClassVar[int] = 15

    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        digits = draw_digits(level + 1, rng)
        return f"reverse {digits}", digits[::-1]

    def steps(self, problem: Problem) -> list[str]:
        """One digit a line, from the right: what is left, then what is written."""
        digits = question(problem)
        return [f"{digits[:i]}|{digits[i:][::-1]}" for i in reversed(range(len(digits)))]


class Rotate(Task):
    """Move the first k digits to the end. Level = number of digits - 2; k is at most 9.

    >>> Rotate().check(Problem("rotate", 3, 0, "rotate 2 53917", "91753"), "91753")
    True
    """

    name: ClassVar[str] = "rotate"
    title: ClassVar[str] = "move the first k digits to the end"
    max_level: ClassVar[int] = 14

    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        digits = draw_digits(level + 2, rng)
        k = rng.randint(1, min(9, len(digits) - 1))
        return f"rotate {k} {digits}", digits[k:] + digits[:k]

    def steps(self, problem: Problem) -> list[str]:
        """One moved digit a line."""
        _, k, digits = problem.prompt.split(" ")
        return [digits[i:] + digits[:i] for i in range(1, int(k) + 1)]

    def simplify(self, problem: Problem, share: float, rng: random.Random) -> str | None:
        """Some digits have moved already; None where only one has to."""
        k = int(problem.prompt.split(" ")[1])
        return self._rotated(problem, k - max(1, round(share * (k - 1)))) if k > 1 else None

    def rephrase(self, problem: Problem, rng: random.Random) -> str | None:
        """Another number of digits to move, and a string that it makes the same answer of."""
        return self._rotated(problem, rng.randint(1, min(9, len(problem.answer) - 1)))

    def _rotated(self, problem: Problem, k: int) -> str:
        return f"rotate {k} {problem.answer[-k:]}{problem.answer[:-k]}"


class Brackets(Task):
    """Close an unfinished word of three kinds of brackets. Level = number of brackets to close.

    The word also holds pairs that are closed already, two at level 1 and one more every third
    level: they must be seen through, and they make enough different words at level 1 (135).

    >>> Brackets().check(Problem("brackets", 2, 0, "close {(()[]", ")}"), ")}")
    True
    """

    name: ClassVar[str] = "brackets"
    title: ClassVar[str] = "close the open brackets"
    max_level: ClassVar[int] = 16

    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        opened = "".join(rng.choice("([{") for _ in range(level))
        word = with_pairs(opened, 2 + (level - 1) // 3, rng)
        return f"close {word}", "".join(CLOSER[o] for o in reversed(opened))

    def steps(self, problem: Problem) -> list[str]:
        """Strike out one closed pair a line; what stays open is closed from the right."""
        word, lines = question(problem), []
        while pairs := closed_pairs(word):
            word = word[: pairs[0]] + word[pairs[0] + 2 :]
            lines.append(word)
        lines.append(f"{word}|{''.join(CLOSER[o] for o in reversed(word))}")
        return lines

    def simplify(self, problem: Problem, share: float, rng: random.Random) -> str | None:
        """Some of the pairs that are closed already are gone."""
        word = question(problem)
        for _ in range(max(1, round(share * (len(word) - problem.level) / 2))):
            at = rng.choice(closed_pairs(word))
            word = word[:at] + word[at + 2 :]
        return f"close {word}"

    def rephrase(self, problem: Problem, rng: random.Random) -> str | None:
        """As many closed pairs, but others and elsewhere."""
        word = question(problem)
        pairs = (len(word) - problem.level) // 2
        while closed := closed_pairs(word):
            word = word[: closed[0]] + word[closed[0] + 2 :]
        return f"close {with_pairs(word, pairs, rng)}"


def with_pairs(opened: str, pairs: int, rng: random.Random) -> str:
    """The open brackets with so many closed pairs, as balanced words in the gaps around them."""
    gaps = [""] * (len(opened) + 1)
    for _ in range(pairs):
        i = rng.randrange(len(gaps))
        gaps[i] = insert_pair(gaps[i], rng)
    return gaps[0] + "".join(o + gap for o, gap in zip(opened, gaps[1:], strict=True))


def insert_pair(word: str, rng: random.Random) -> str:
    """A balanced word with one more pair somewhere in it."""
    kind, at = rng.choice("([{"), rng.randint(0, len(word))
    return word[:at] + kind + CLOSER[kind] + word[at:]


def closed_pairs(word: str) -> list[int]:
    """Where the opening brackets stand that are closed by their right neighbour."""
    return [i for i in range(len(word) - 1) if CLOSER.get(word[i]) == word[i + 1]]
