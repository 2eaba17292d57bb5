"""Knights and knaves: knights say the truth, knaves lie; who is what?"""

from __future__ import annotations

import random
from itertools import product
from typing import ClassVar

from currlab.tasks.base import Problem, Task

PEOPLE = "ABCDEFG"
SIMPLER_DRAWS = 20


class KnightsKnaves(Task):
    """Find the only assignment of K (knight) and N (knave) that fits what everybody says.

    A statement says what someone is (``B=N``), that two are of the same kind or not (``A=C``,
    ``A!=C``), or joins two such claims by and (``&``) or or (``|``). Levels 1 and 2 have three
    people, with one more every second level; at higher levels more statements are joined. The
    answer holds one letter a person, in order.

    >>> puzzle = Problem("knights_knaves", 1, 0, "knights A:A!=C B:A=N C:B=N", "NKN")
    >>> KnightsKnaves().steps(puzzle)
    ['K??>KNN !C', 'N??>NKN']
    """

    name: ClassVar[str] = "knights_knaves"
    title: ClassVar[str] = "who is a knight, who a knave?"
    max_level: ClassVar[int] = 10

    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        half, odd = divmod(level - 1, 2)
        people = PEOPLE[: 3 + half]
        while True:
            truth = "".join(rng.choice("KN") for _ in people)
            joined = rng.sample(people, half + 2 * odd)
            spoken = [speak(person, truth, person in joined, rng) for person in people]
            if solutions(spoken) == [truth]:
                return f"knights {' '.join(spoken)}", truth

    def steps(self, problem: Problem) -> list[str]:
        """Suppose, follow, backtrack: ``K??>KNN !C`` supposes that A is a knight; B and C must then
        be knaves, and C's words do not fit. The last line ends with the answer."""
        spoken = problem.prompt.split(" ")[1:]
        lines, supposed = [], suppose("?" * len(spoken))
        while True:
            start = supposed.pop()
            world, broken = follow(spoken, start)
            lines.append(f"{start}>{world}" + (f" !{broken}" if broken else ""))
            if not broken and "?" not in world:
                return lines
            if not broken:
                supposed += suppose(world)

    def near_miss(self, problem: Problem, rng: random.Random) -> str:
        """Another assignment."""
        return "".join(rng.choice("KN") for _ in problem.answer)

    def simplify(self, problem: Problem, share: float, rng: random.Random) -> str | None:
        """Some statements say nothing but what one other person is; None where that tells too little.

        Not all of them: such statements alone fit the opposite of every solution, too.
        """
        truth = problem.answer
        n = min(max(1, round(share * len(truth))), len(truth) - 1)
        for _ in range(SIMPLER_DRAWS):
            spoken = problem.prompt.split(" ")[1:]
            for i in rng.sample(range(len(truth)), n):
                other = rng.choice([j for j in range(len(truth)) if j != i])
                said = "K" if truth[i] == truth[other] else "N"
                spoken[i] = f"{PEOPLE[i]}:{PEOPLE[other]}={said}"
            if solutions(spoken) == [truth]:
                return f"knights {' '.join(spoken)}"
        return None

    def rephrase(self, problem: Problem, rng: random.Random) -> str | None:
        """The same statements with sides exchanged: ``A=C|B=N`` as ``B=N|C=A``."""
        spoken = (_exchanged(statement, rng) for statement in problem.prompt.split(" ")[1:])
        return f"knights {' '.join(spoken)}"


def _exchanged(statement: str, rng: random.Random) -> str:
    """The statement with its claims, and the people that a claim compares, in random order."""
    speaker, _, said = statement.partition(":")
    joint = "&" if "&" in said else "|"
    claims = said.split(joint)
    for i, part in enumerate(claims):
        if part[-1] in PEOPLE and rng.random() < 0.5:
            claims[i] = part[-1] + part[1:-1] + part[0]
    return f"{speaker}:{joint.join(rng.sample(claims, len(claims)))}"


def suppose(world: str) -> list[str]:
    """The worlds in which the first unknown person is a knave, a knight."""
    return [world.replace("?", kind, 1) for kind in "NK"]


def follow(spoken: list[str], world: str) -> tuple[str, str]:
    """What must hold in `world`, and who says something that does not fit ("" if nobody)."""
    for statement in spoken:
        if not fits(statement, world):
            return world, statement[0]
        for i in (i for i, kind in enumerate(world) if kind == "?"):
            worlds = [world[:i] + kind + world[i + 1 :] for kind in "KN"]
            possible = [w for w in worlds if fits(statement, w)]
            if len(possible) == 1:
                return follow(spoken, possible[0])
    return world, ""


def speak(speaker: str, truth: str, joined: bool, rng: random.Random) -> str:
    """Something that `speaker` can say in the world `truth`, of one claim or two: ``A:B=N``."""
    people = PEOPLE[: len(truth)]
    while True:
        first, second = claim(speaker, people, rng), claim(speaker, people, rng)
        statement = f"{speaker}:{first}"
        if joined:
            statement += rng.choice("&|") + second
        if first != second and fits(statement, truth):
            return statement


def claim(speaker: str, people: str, rng: random.Random) -> str:
    """What someone else is, or how two people compare."""
    if rng.random() < 0.5:
        return f"{rng.choice(people.replace(speaker, ''))}={rng.choice('KN')}"
    first, second = sorted(rng.sample(people, 2))
    return f"{first}{rng.choice(('=', '!='))}{second}"


def fits(statement: str, world: str) -> bool:
    """Can this be said in this world? True where unknown people (``?``) leave it open.

    `world` gives the kinds of all people in order: ``"KN"`` is A a knight, B a knave.

    >>> fits("A:B=N", "KN"), fits("A:B=N", "NN"), fits("A:B=N", "N?")
    (True, False, True)
    """
    kinds = dict(zip(PEOPLE, world, strict=False)) | {"K": "K", "N": "N"}
    speaker, _, said = statement.partition(":")
    truths = {_holds(part, kinds) for part in said.replace("&", "|").split("|")}
    # One such claim settles the statement: a false one under "and", a true one under "or".
    settling = "&" not in said
    if kinds[speaker] == "?" or (None in truths and settling not in truths):
        return True
    true = settling if settling in truths else not settling
    return true == (kinds[speaker] == "K")


def _holds(part: str, kinds: dict[str, str]) -> bool | None:
    """Is one claim true? ``B=N``, ``A=C`` or ``A!=C``; None if someone's kind is unknown."""
    first, second = kinds[part[0]], kinds[part[-1]]
    return None if "?" in (first, second) else (first == second) != ("!" in part)


def solutions(spoken: list[str]) -> list[str]:
    """All worlds that fit every statement, by trying them all (at most 2^7)."""
    worlds = map("".join, product("KN", repeat=len(spoken)))
    return [world for world in worlds if all(fits(s, world) for s in spoken)]
