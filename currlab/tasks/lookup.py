"""Look a name up in a few facts, some of which lead on to another name; most do not matter.

The facts that matter are the gold ones, the others distractors, and a `Question` takes a prompt
apart into them: strategies on context and noise put it together again with other facts (gold ones
only, with more distractors, as a retriever found them, in another order, with a name half hidden).
The answer never changes.

>>> asked = Question.read("look ba=47 du=12 ko=ba ko?")
>>> asked.gold, asked.distractors
(('ko=ba', 'ba=47'), ('du=12',))
>>> asked.with_facts(asked.gold).prompt
'look ko=ba ba=47 ko?'
>>> retrieve("ko", ["ba=47", "du=12", "ko=ba"], 1)
['ko=ba']
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

from currlab.errors import CurrlabError
from currlab.tasks.base import Problem, Task
from currlab.tasks.text import HIDDEN, check_number

NAMES = tuple(c + v for c in "bdfgklmnprstvz" for v in "aeiou")


@dataclass(frozen=True)
class Question:
    """A prompt of the task `lookup`: `facts` such as ``ko=ba`` in their order, and the `name`."""

    facts: tuple[str, ...]
    name: str

    @classmethod
    def read(cls, prompt: str) -> Question:
        """The question that a prompt asks; CurrlabError if it is not one of `lookup`."""
        first, *facts, last = prompt.split(" ") if " " in prompt else ("", "")
        if first != "look" or not last.endswith("?") or any(f.count("=") != 1 for f in facts):
            raise CurrlabError(
                f"A prompt of the task 'lookup' looks like 'look ba=47 ko=ba ko?'; got {prompt!r}."
            )
        return cls(tuple(facts), last[:-1])

    @property
    def prompt(self) -> str:
        return " ".join(("look", *self.facts, f"{self.name}?"))

    @property
    def path(self) -> tuple[str, ...]:
        """The name, where it leads, and so on to the last that is known: ``("ko", "ba", "47")``."""
        leads = dict(fact.split("=") for fact in self.facts)
        names = [self.name]
        while names[-1] in leads and len(names) <= len(leads):
            names.append(leads[names[-1]])
        return tuple(names)

    @property
    def gold(self) -> tuple[str, ...]:
        """The facts that are needed, in the order of their use."""
        return tuple(map("=".join, pairwise(self.path)))

    @property
    def distractors(self) -> tuple[str, ...]:
        """The facts that are not needed, in their order."""
        return tuple(fact for fact in self.facts if fact not in self.gold)

    @property
    def free_names(self) -> list[str]:
        """Names that nothing in the question uses."""
        used = {part for fact in self.facts for part in fact.split("=")} | {self.name}
        return [name for name in NAMES if name not in used]

    def with_facts(self, facts: Sequence[str]) -> Question:
        """The same question of other facts, in their order."""
        return replace(self, facts=tuple(facts))

    def shuffled(self, rng: random.Random) -> Question:
        """The same facts in another order."""
        return self.with_facts(rng.sample(self.facts, len(self.facts)))


def more_facts(question: Question, n: int, rng: random.Random) -> list[str]:
    """`n` facts of names that the question does not use, so that none of them matters to it."""
    free = question.free_names
    check_number("n", n, 0, len(free))
    return [f"{name}={value(rng)}" for name in rng.sample(free, n)]


def value(rng: random.Random) -> str:
    """Two digits."""
    return f"{rng.randrange(100):02}"


def retrieve(query: str, store: Sequence[str], k: int) -> list[str]:
    """The `k` facts of the store that share most characters with the query, best first.

    A weak retriever on purpose: facts with like names come before the one that a second hop needs.
    Ties keep the store's order.
    """
    check_number("k", k, 0)
    wanted = Counter(query)
    return sorted(store, key=lambda fact: -(wanted & Counter(fact)).total())[:k]


class Lookup(Task):
    """Follow a name through facts to its value, and write the path: ``ko=ba=47``.

    Level = facts - 2. Every third level has one hop more (1 at levels 1 to 3, 4 at levels 10 to
    12), and the distractors form paths of the same length.

    The tiny base model does not learn it from a warm-up of several hundred steps: of three facts
    it gives the right one no more often than by luck.

    >>> Lookup().steps(Problem("lookup", 4, 0, "look ba=47 du=12 ko=ba ko?", "ko=ba=47"))
    ['ko=ba', 'ko=ba=47']
    """

    name: ClassVar[str] = "lookup"
    title: ClassVar[str] = "follow a name through facts"
    max_level: ClassVar[int] = 12

    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        hops, names = 1 + (level - 1) // 3, rng.sample(NAMES, level + 2)
        paths = [names[i : i + hops] for i in range(0, len(names), hops)]
        facts = [fact for path in paths for fact in map("=".join, pairwise([*path, value(rng)]))]
        asked = Question(tuple(facts), names[0]).shuffled(rng)
        return asked.prompt, "=".join(asked.path)

    def steps(self, problem: Problem) -> list[str]:
        """The path, a hop longer each line."""
        path = problem.answer.split("=")
        return ["=".join(path[:n]) for n in range(2, len(path) + 1)]

    def near_miss(self, problem: Problem, rng: random.Random) -> str:
        """A path that goes astray somewhere, to a value of another fact or to a slip of the right one."""
        if rng.random() < 0.5:
            return super().near_miss(problem, rng)
        path, others = problem.answer.split("="), Question.read(problem.prompt).distractors
        ends = [fact.split("=")[1] for fact in others] or [value(rng)]
        return "=".join([*path[:-1], rng.choice(ends)])

    def simplify(self, problem: Problem, share: float, rng: random.Random) -> str | None:
        """Some of the facts that do not matter are gone; None where all of them matter."""
        asked = Question.read(problem.prompt)
        others = asked.distractors
        gone = rng.sample(others, min(len(others), max(1, round(share * len(others)))))
        return asked.with_facts([f for f in asked.facts if f not in gone]).prompt if gone else None

    def rephrase(self, problem: Problem, rng: random.Random) -> str | None:
        """The facts in another order, and other names and values in those that do not matter."""
        asked = Question.read(problem.prompt)
        others = more_facts(asked, len(asked.distractors), rng)
        return asked.with_facts([*asked.gold, *others]).shuffled(rng).prompt

    def distract(self, problem: Problem, n: int, rng: random.Random) -> str:
        """`n` more facts, in between the others."""
        asked = Question.read(problem.prompt)
        facts = list(asked.facts)
        for fact in more_facts(asked, n, rng):
            facts.insert(rng.randint(0, len(facts)), fact)
        return asked.with_facts(facts).prompt

    def obscure(self, problem: Problem, rng: random.Random) -> str | None:
        """The name asked for with one letter hidden, if still only one name fits; else None."""
        asked = Question.read(problem.prompt)
        known = {fact.split("=")[0] for fact in asked.facts}
        for i in rng.sample(range(2), 2):
            half = asked.name[:i] + HIDDEN + asked.name[i + 1 :]
            if sum(name[1 - i] == asked.name[1 - i] for name in known) == 1:
                return replace(asked, name=half).prompt
        return None
