"""How close an answer comes to the right one, from 0 to 1: what partial credit is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import eq

from currlab.curricula.data import Rollout
from currlab.curricula.reward.exact import is_correct
from currlab.tasks import Problem, extract_answer
from currlab.tasks.program_tests import TIERS

# An answer more than this many times as long as the right one is not compared with it: it is 0.
LONGEST = 8


@dataclass(frozen=True)
class Judged:
    """A rollout's answer (None if it has none in the asked form), the right one, and the verdict.

    `right` is the verifier's word and nothing else; `wanted` is one right answer of possibly many.
    """

    right: bool
    answer: str | None
    wanted: str

    def closeness(self, measure: str) -> float:
        """1 for a verified answer, 0 for none, else what the measure says of the two texts."""
        if self.right:
            return 1.0
        if self.answer is None or len(self.answer) > LONGEST * max(1, len(self.wanted)):
            return 0.0
        return MEASURES[measure](self.answer, self.wanted)


def judge(problem: Problem, rollouts: Sequence[Rollout]) -> list[Judged]:
    """Each rollout's answer beside the one that its view asks for."""
    found = []
    for rollout, right in zip(rollouts, is_correct(problem, rollouts), strict=True):
        answer, wanted = extract_answer(rollout.text), rollout.view.wanted(problem)
        found.append(Judged(right, None if answer is None else answer.strip(), wanted))
    return found


@lru_cache(maxsize=65_536)
def distance(answer: str, wanted: str) -> float:
    """``1 - d / length of the longer``, d being the Levenshtein distance.

    >>> distance("1235", "1234")
    0.75
    """
    row = list(range(len(wanted) + 1))
    for i, a in enumerate(answer, start=1):
        before, row[0] = row[0], i
        for j, w in enumerate(wanted, start=1):
            change = before + (a != w)
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, change)
    return 1 - row[-1] / max(len(answer), len(wanted), 1)


def overlap(answer: str, wanted: str) -> float:
    """Intersection over union of the characters, each counted as often as it occurs; blind to order.

    >>> overlap("4321", "1234"), overlap("12", "1234")
    (1.0, 0.5)
    """
    have, need = Counter(answer), Counter(wanted)
    union = (have | need).total()
    return (have & need).total() / union if union else 1.0


def places(answer: str, wanted: str) -> float:
    """The share of places, of those of the longer text, that hold the right character.

    >>> places("1243", "1234")
    0.5
    """
    return sum(map(eq, answer, wanted)) / max(len(answer), len(wanted), 1)


def checks(answer: str, wanted: str) -> dict[str, float]:
    """Four checks of one wrong answer, easiest first, named as the tiers of a program's tests.

    Ours, for tasks that have no tests: *basic*, as long as the right answer; *intermediate*, its first
    half is right; *complex*, all characters but one are; *edge*, it is right, which it is not.

    >>> checks("1243", "1234")
    {'basic': 1.0, 'intermediate': 1.0, 'complex': 0.0, 'edge': 0.0}
    """
    half = max(1, (len(wanted) + 1) // 2)
    whole = len(answer) == len(wanted)
    right = sum(map(eq, answer, wanted))
    passed = (whole, answer[:half] == wanted[:half], whole and right == len(wanted) - 1 > 0, False)
    return dict(zip(TIERS, map(float, passed), strict=True))


def hierarchy(answer: str, wanted: str) -> float:
    """The share of the four `checks` that are passed."""
    return sum(checks(answer, wanted).values()) / len(TIERS)


MEASURES: dict[str, Callable[[str, str], float]] = {
    "distance": distance,
    "overlap": overlap,
    "places": places,
    "hierarchy": hierarchy,
}
