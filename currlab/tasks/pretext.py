"""Pretext tasks: restore what was hidden or put out of order, with nobody's labels.

Text analogues of masked pre-training by reinforcement (MaskSearch, PretrainZero) and of restoring
the order of shuffled pieces (Visual Jigsaw): what is asked for was in the text, so that any text
makes problems and their answers.
"""

from __future__ import annotations

import random
import string
from typing import ClassVar

from currlab.tasks.base import Problem, Task
from currlab.tasks.sequences import draw_digits
from currlab.tasks.text import HIDDEN


class Fill(Task):
    """Digits, and the same digits sorted: which of them are hidden? Level = hidden digits.

    Two digits more stand on each side than are hidden. No digit is hidden on both sides, so that
    what is hidden can be told, but for the order of what is hidden on the left. The answer holds the
    hidden digits as they stand; whatever makes the right side the left one sorted is right.

    >>> Fill().check(Problem("fill", 2, 0, "fill 5_4_=1345", "13"), "31")
    True
    """

    name: ClassVar[str] = "fill"
    title: ClassVar[str] = "find the hidden digits"
    max_level: ClassVar[int] = 10

    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        n = level + 2
        left = draw_digits(n, rng)
        order = sorted(range(n), key=lambda i: left[i])
        whole = left + "".join(left[i] for i in order)
        # A digit that is hidden somewhere on one side is shown as often as it occurs on the other.
        hidden_left = {digit for digit in string.digits if rng.random() < 0.5}
        chosen = rng.sample(range(n), level)
        places = {i if left[i] in hidden_left else n + order.index(i) for i in chosen}
        text = "".join(HIDDEN if i in places else c for i, c in enumerate(whole))
        hidden = "".join(whole[i] for i in sorted(places))
        return f"fill {text[:n]}={text[n:]}", hidden

    def check(self, problem: Problem, answer: str) -> bool:
        answer, shown = answer.strip(), problem.prompt.partition(" ")[2]
        digits = set(answer) <= set(string.digits)
        if not digits or len(answer) != shown.count(HIDDEN):
            return False
        given = iter(answer)
        left, _, right = "".join(next(given) if c == HIDDEN else c for c in shown).partition("=")
        return "".join(sorted(left)) == right


class Unshuffle(Task):
    """Letters in the alphabet's order were cut into pairs and the pairs shuffled: put them back.

    Level = pairs - 1.

    >>> Unshuffle().steps(Problem("unshuffle", 2, 0, "unshuffle mt ad fk", "adfkmt"))
    ['mt fk|ad', 'mt|adfk', '|adfkmt']
    """

    name: ClassVar[str] = "unshuffle"
    title: ClassVar[str] = "put shuffled pieces back in order"
    max_level: ClassVar[int] = 10

    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        letters = "".join(sorted(rng.sample(string.ascii_lowercase, 2 * level + 2)))
        pairs = [letters[i : i + 2] for i in range(0, len(letters), 2)]
        mixed = pairs
        while mixed == pairs:
            mixed = rng.sample(pairs, len(pairs))
        return f"unshuffle {' '.join(mixed)}", letters

    def steps(self, problem: Problem) -> list[str]:
        """One piece a line, the first in the alphabet: what is left, then what stands in order."""
        left, done, lines = problem.prompt.split(" ")[1:], "", []
        while left:
            first = min(left)
            left.remove(first)
            done += first
            lines.append(f"{' '.join(left)}|{done}")
        return lines

    def simplify(self, problem: Problem, share: float, rng: random.Random) -> str | None:
        """The first pieces stand in order already."""
        pairs = self._pairs(problem)
        done = max(1, round(share * len(pairs)))
        rest = pairs[done:]
        return f"unshuffle {' '.join((*pairs[:done], *rng.sample(rest, len(rest))))}"

    def rephrase(self, problem: Problem, rng: random.Random) -> str | None:
        """The same pieces in another disorder."""
        pairs = self._pairs(problem)
        return f"unshuffle {' '.join(rng.sample(pairs, len(pairs)))}"

    def _pairs(self, problem: Problem) -> list[str]:
        return sorted(problem.prompt.split(" ")[1:])
