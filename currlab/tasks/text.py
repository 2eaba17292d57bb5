"""Small changes of a text: a slip of the pen, hidden characters, pieces of about equal length."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import TypeVar

from currlab.errors import CurrlabError

HIDDEN = "_"
Item = TypeVar("Item")


def slip(text: str, alphabet: str, rng: random.Random) -> str:
    """`text` after one slip, often of the same length: another character, two swapped, one more or
    less, one twice. May be `text` itself where a slip changes nothing.

    >>> slip("0345", "0123456789", random.Random(0))
    '034'
    """
    if not text:
        return rng.choice(alphabet) if alphabet else text
    at = rng.randrange(len(text))
    before, here, after = text[:at], text[at], text[at + 1 :]
    # Slips that keep the length come more often: a wrong length gives the wrong answer away.
    kind = rng.choices(("other", "swap", "drop", "double", "insert"), (4, 4, 1, 1, 1))[0]
    if kind == "other":
        return before + rng.choice(alphabet or here) + after
    if kind == "swap":
        return before + after[:1] + here + after[1:]
    if kind == "drop":
        return before + after
    return before + (here if kind == "double" else rng.choice(alphabet or here)) + here + after


def hide(text: str, n: int, rng: random.Random) -> str:
    """`text` with `n` of its characters (blanks do not count) replaced by ``_``."""
    places = [i for i, character in enumerate(text) if not character.isspace()]
    hidden = set(rng.sample(places, min(n, len(places))))
    return "".join(HIDDEN if i in hidden else c for i, c in enumerate(text))


def pieces(items: Sequence[Item], n: int) -> list[Sequence[Item]]:
    """`items` in order, cut into at most `n` pieces that are not empty and about equally long.

    >>> pieces("abcde", 2)
    ['abc', 'de']
    """
    check_number("n", n, 1)
    n = max(1, min(n, len(items)))
    ends = [-(-len(items) * i // n) for i in range(n + 1)]
    return [items[a:b] for a, b in itertools.pairwise(ends) if a < b]


def check_share(share: float) -> None:
    if not 0 <= share <= 1:  # a NaN fails too
        raise CurrlabError(f"A share lies between 0 and 1; got {share}.")


def check_number(name: str, number: int, least: int, most: int | None = None) -> None:
    if number < least or (most is not None and number > most):
        allowed = f"at least {least}" if most is None else f"from {least} to {most}"
        raise CurrlabError(f"'{name}' must be {allowed}; got {number}.")
