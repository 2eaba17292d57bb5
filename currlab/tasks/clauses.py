"""What the task `programs` asks for: clauses in words, the Python that each asks for, its meaning.

"if over 5 add 3" is a clause on a number ``x``: ``x+3 if x>5 else x``. The meaning is written
down a second time, as a function; it is what programs are tested against.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

NUMBER, LIST, WORD = "number", "list", "word"
LETTERS = "abcde"
SMALL, MANY = range(1, 10), range(1, 41)


@dataclass(frozen=True)
class Phrase:
    """Words with gaps, the Python for them, their meaning, and what may stand in each gap."""

    words: str
    code: str
    meaning: Callable[..., Any] = field(compare=False)
    gaps: tuple[Sequence[Any], ...] = ()
    gives: str = ""  # the kind of value that comes out, if it is another one

    def read(self, words: str) -> tuple[Any, ...] | None:
        """What stands in the gaps, or None if these are other words."""
        found = self.pattern.fullmatch(words)
        if not found:
            return None
        return tuple(int(gap) if gap.isdecimal() else gap for gap in found.groups())

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        kinds = ("([0-9]{1,3})" if isinstance(gap[0], int) else "([a-z])" for gap in self.gaps)
        return re.compile(self.words.format(*kinds))

    def fill(self, rng: random.Random) -> tuple[Any, ...]:
        return tuple(rng.choice(gap) for gap in self.gaps)


PHRASES: dict[str, tuple[Phrase, ...]] = {
    NUMBER: (
        Phrase("add {}", "x+{}", lambda x, k: x + k, (MANY,)),
        Phrase("minus {}", "x-{}", lambda x, k: x - k, (MANY,)),
        Phrase("times {}", "x*{}", lambda x, k: x * k, (range(2, 10),)),
        Phrase("mod {}", "x%{}", lambda x, k: x % k, (range(2, 10),)),
        Phrase("at most {}", "min(x,{})", lambda x, k: k if x > k else x, (MANY,)),
        Phrase("at least {}", "max(x,{})", lambda x, k: k if x < k else x, (MANY,)),
        Phrase("halve", "x//2", lambda x: (x - x % 2) // 2),
        Phrase("square", "x*x", lambda x: x**2),
        Phrase("negate", "-x", lambda x: 0 - x),
        Phrase("absolute", "abs(x)", lambda x: -x if x < 0 else x),
    ),
    LIST: (
        Phrase("reverse", "x[::-1]", lambda x: list(reversed(x))),
        Phrase("sort", "sorted(x)", sorted),
        Phrase("drop first", "x[1:]", lambda x: [v for i, v in enumerate(x) if i > 0]),
        Phrase("drop last", "x[:-1]", lambda x: x[: max(0, len(x) - 1)]),
        Phrase(
            "first {}",
            "x[:{}]",
            lambda x, k: [v for v, _ in zip(x, range(k), strict=False)],
            (range(1, 5),),
        ),
        Phrase("last {}", "x[-{}:]", lambda x, k: x[max(0, len(x) - k) :], (range(1, 5),)),
        Phrase("each add {}", "[v+{} for v in x]", lambda x, k: [k + v for v in x], (SMALL,)),
        Phrase(
            "each times {}", "[v*{} for v in x]", lambda x, k: [k * v for v in x], (range(2, 10),)
        ),
        Phrase(
            "keep over {}", "[v for v in x if v>{}]", lambda x, k: [v for v in x if k < v], (SMALL,)
        ),
        Phrase("keep even", "[v for v in x if v%2==0]", lambda x: [v for v in x if not v % 2]),
        Phrase("sum", "sum(x)", sum, gives=NUMBER),
        Phrase("length", "len(x)", len, gives=NUMBER),
        Phrase("count {}", "x.count({})", lambda x, k: sum(v == k for v in x), (SMALL,), NUMBER),
        Phrase(
            "largest or {}", "max(x,default={})", lambda x, k: max(x) if x else k, (SMALL,), NUMBER
        ),
    ),
    WORD: (
        Phrase("reverse", "x[::-1]", lambda x: "".join(reversed(x))),
        Phrase("upper", "x.upper()", str.upper),
        Phrase("drop first", "x[1:]", lambda x: "".join(c for i, c in enumerate(x) if i > 0)),
        Phrase("drop last", "x[:-1]", lambda x: x[: max(0, len(x) - 1)]),
        Phrase(
            "first {}",
            "x[:{}]",
            lambda x, k: "".join(x[i] for i in range(min(k, len(x)))),
            (range(1, 5),),
        ),
        Phrase("last {}", "x[-{}:]", lambda x, k: x[max(0, len(x) - k) :], (range(1, 5),)),
        Phrase("twice", "x*2", lambda x: x + x),
        Phrase("append {}", "x+'{}'", lambda x, c: f"{x}{c}", (LETTERS,)),
        Phrase("prepend {}", "'{}'+x", lambda x, c: f"{c}{x}", (LETTERS,)),
        Phrase(
            "replace {} {}",
            "x.replace('{}','{}')",
            lambda x, a, b: b.join(x.split(a)),
            (LETTERS, LETTERS),
        ),
        Phrase("length", "len(x)", len, gives=NUMBER),
        Phrase(
            "count {}", "x.count('{}')", lambda x, c: sum(d == c for d in x), (LETTERS,), NUMBER
        ),
    ),
}
_LONGER = Phrase("if longer {} ", "len(x)>{}", lambda x, k: not len(x) <= k, (range(1, 5),))
CONDITIONS: dict[str, tuple[Phrase, ...]] = {
    NUMBER: (
        Phrase("if odd ", "x%2", lambda x: x % 2 == 1),
        Phrase("if even ", "x%2==0", lambda x: x % 2 != 1),
        Phrase("if over {} ", "x>{}", lambda x, k: not x <= k, (MANY,)),
        Phrase("if under {} ", "x<{}", lambda x, k: not x >= k, (MANY,)),
    ),
    LIST: (
        _LONGER,
        Phrase("if has {} ", "{} in x", lambda x, k: any(v == k for v in x), (SMALL,)),
    ),
    WORD: (
        _LONGER,
        Phrase("if has {} ", "'{}' in x", lambda x, c: x.count(c) > 0, (LETTERS,)),
    ),
}


@dataclass(frozen=True)
class Clause:
    """A phrase with its gaps filled, and perhaps a condition under which it applies."""

    phrase: Phrase
    gaps: tuple[Any, ...]
    condition: Phrase | None = None
    condition_gaps: tuple[Any, ...] = ()

    @classmethod
    def draw(cls, kind: str, gives: str, conditional: bool, rng: random.Random) -> Self:
        """A clause on a value of `kind`, after which it is of kind `gives`."""
        fitting = [p for p in PHRASES[kind] if (p.gives or kind) == gives]
        # A phrase with gaps stands for many clauses.
        (phrase,) = rng.choices(fitting, [1 + len(p.gaps) for p in fitting])
        condition = rng.choice(CONDITIONS[kind]) if conditional else None
        return cls(phrase, phrase.fill(rng), condition, condition.fill(rng) if condition else ())

    @classmethod
    def read(cls, words: str, kind: str) -> Self | None:
        """The clause on a value of `kind` that these words are; None if they are none."""
        for condition in (None, *CONDITIONS[kind]):
            start = condition.pattern.match(words) if condition else None
            if condition and not start:
                continue
            head, rest = (start[0], words[start.end() :]) if start else ("", words)
            for phrase in PHRASES[kind]:
                if (gaps := phrase.read(rest)) is not None:
                    return cls(phrase, gaps, condition, condition.read(head) if condition else ())
        return None

    @property
    def words(self) -> str:
        condition = self.condition.words.format(*self.condition_gaps) if self.condition else ""
        return condition + self.phrase.words.format(*self.gaps)

    @property
    def code(self) -> str:
        """An expression in ``x``."""
        code = self.phrase.code.format(*self.gaps)
        if self.condition is None:
            return code
        return f"{code} if {self.condition.code.format(*self.condition_gaps)} else x"

    def apply(self, value: Any) -> Any:
        """What the clause makes of the value."""
        if self.condition and not self.condition.meaning(value, *self.condition_gaps):
            return value
        return self.phrase.meaning(value, *self.gaps)

    @property
    def bounds(self) -> tuple[Any, ...]:
        """Where the clause turns from one behaviour to another."""
        return (*self.condition_gaps, *(self.gaps if self.phrase.words.startswith("at ") else ()))

    def neighbours(self) -> Iterator[Clause]:
        """Clauses that differ in one gap, by one: what a test must be able to tell apart."""
        for name in ("gaps", "condition_gaps"):
            gaps = getattr(self, name)
            for i, gap in enumerate(gaps):
                for other in beside(gap):
                    yield replace(self, **{name: (*gaps[:i], other, *gaps[i + 1 :])})


def beside(gap: Any) -> list[Any]:
    """The numbers or letters next to this one, from 1 or "a" on."""
    if isinstance(gap, int):
        return [number for number in (gap - 1, gap + 1) if number > 0]
    return [letter for letter in (chr(ord(gap) - 1), chr(ord(gap) + 1)) if letter.isalpha()]
