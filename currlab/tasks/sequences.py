"""Tasks on short strings: sorting climbs under GRPO, reversing hits a wall (no selection helps)."""

from __future__ import annotations

import random
from typing import ClassVar

from currlab.tasks.base import Problem, Task


class Sorting(Task):
    """Sort digits. Level = number of digits - 1."""

    name: ClassVar[str] = "sorting"
    title: ClassVar[str] = "sort the digits"
    max_level: ClassVar[int] = 16

    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        digits = [rng.choice("0123456789") for _ in range(level + 1)]
        return f"sort {''.join(digits)}", "".join(sorted(digits))

    def steps(self, problem: Problem) -> list[str]:
        """Selection sort, one chosen digit a line: what is left, then what is sorted."""
        left, done, lines = problem.prompt.removeprefix("sort "), "", []
        while left:
            smallest = min(left)
            left, done = left.replace(smallest, "", 1), done + smallest
            lines.append(f"{left}|{done}")
        return lines
