"""What is learnt: a `Task` makes problems at a level, verifies answers exactly, writes solutions."""

from __future__ import annotations

import hashlib
import operator
import random
import string
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from currlab.errors import CurrlabError
from currlab.tasks.text import slip

Key = tuple[str, int, int]

OPEN, CLOSE = "<answer>", "</answer>"
THINK, END_THINK = "<think>", "</think>"
PHRASES = ("Q: {}", "Problem: {}", "please {}", "now {}", "{} ?", "{}, please")
# One prompt in five is a test prompt: 500 draws miss it with a chance of 1e-48.
MAX_DRAWS = 500


@dataclass(frozen=True)
class Problem:
    """One problem. Equal keys mean equal problems: `seed` alone decides the draw within a level.

    Seeds >= 0 are training problems and negative seeds are test problems; no prompt is both.
    """

    task: str
    level: int
    seed: int
    prompt: str
    answer: str

    @property
    def key(self) -> Key:
        return (self.task, self.level, self.seed)

    @property
    def arm(self) -> str:
        """The label that most curricula group by: ``"sorting/5"``."""
        return f"{self.task}/{self.level}"


class Task(ABC):
    """A family of problems with a level knob, an exact verifier and worked solutions.

    A new task is one subclass: `name`, `title`, `max_level`, and `draw`; `check` and `steps` where
    the defaults (equal text, no written thought) do not fit. Levels run from 1 to `max_level`.
    `currlab.tasks.register_task` makes it known by its name. Choices, blanks, hints, noise and
    masks then work for it (`currlab.tasks.variants`); `near_miss`, `simplify`, `rephrase` and
    `distract` are where a task says what it knows better than the defaults.

    >>> from currlab.tasks import get_task
    >>> problem = get_task("sorting").make(level=3, seed=0)
    >>> get_task("sorting").verify(problem, f"<answer>{problem.answer}</answer>")
    True
    """

    name: str
    title: str
    max_level: int

    @abstractmethod
    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        """Draw (prompt, answer) at `level`; every random choice comes from `rng`."""

    def check(self, problem: Problem, answer: str) -> bool:
        """Is `answer` (the text between the answer tags) right? Must accept any string."""
        return answer.strip() == problem.answer

    def steps(self, problem: Problem) -> list[str]:
        """The written thought of a worked solution, in order; empty if the task needs none.

        The last step ends with the answer.
        """
        return []

    # ------------------------------------------------------------ what variants are made of

    def near_miss(self, problem: Problem, rng: random.Random) -> str:
        """An answer that looks right; whoever uses it checks that it is wrong.

        By default the right answer after a slip of the pen, or another problem's answer.
        """
        others = some_answers(self, problem.level)
        if rng.random() < 0.1:
            return rng.choice(others)
        return slip(problem.answer, "".join(others), rng)

    def simplify(self, problem: Problem, share: float, rng: random.Random) -> str | None:
        """A prompt with the same answer and about `share` of the work done, or None.

        By default the first steps of the worked solution stand behind the prompt; the last one,
        which ends with the answer, never does.
        """
        given = self.steps(problem)[:-1]
        given = given[: max(1, round(share * len(given)))]
        return "\n".join((problem.prompt, *given)) if given else None

    def rephrase(self, problem: Problem, rng: random.Random) -> str | None:
        """Another prompt, about as hard, with the same answer; None if there is none.

        By default other words around the same question.
        """
        return rng.choice(PHRASES).format(problem.prompt)

    def distract(self, problem: Problem, n: int, rng: random.Random) -> str:
        """The prompt with `n` things added that do not matter.

        By default fields such as ``q=7`` before and behind it.
        """
        fields = [f"{rng.choice(string.ascii_lowercase)}={rng.randrange(10)}" for _ in range(n)]
        before = rng.randint(0, n)
        return " ".join((*fields[:before], problem.prompt, *fields[before:]))

    @property
    def levels(self) -> range:
        return range(1, self.max_level + 1)

    def make(self, level: int, seed: int) -> Problem:
        """The problem of this key, the same on every machine.

        Draws are repeated until the prompt falls on the seed's side of the split, which is a
        function of the prompt alone: that is why training and test problems can never coincide.
        """
        level, seed = self._whole("level", level), self._whole("seed", seed)
        if level not in self.levels:
            raise CurrlabError(
                f"Task '{self.name}' has levels 1 to {self.max_level}; level {level} is not one."
            )
        rng = self.generator(level, seed)
        for _ in range(MAX_DRAWS):
            prompt, answer = self.draw(level, rng)
            if is_test_prompt(prompt) == (seed < 0):
                return Problem(self.name, level, seed, prompt, answer)
        raise CurrlabError(
            f"Task '{self.name}' has too few different problems at level {level} to split into "
            "training and test problems."
        )

    def generator(self, level: int, seed: int) -> random.Random:
        """The random numbers that the problem of this key is drawn from."""
        return random.Random(f"{self.name}/{level}/{seed}")

    def _whole(self, what: str, value: int) -> int:
        """`value` as a plain int: 2.0 would name another random generator than 2."""
        try:
            return operator.index(value)
        except TypeError:
            raise CurrlabError(
                f"A problem's {what} is a whole number; got {value!r} for task '{self.name}'."
            ) from None

    def verify(self, problem: Problem, completion: str) -> bool:
        """Does the completion hold exactly one answer block, and is that answer right?"""
        answer = extract_answer(completion)
        return answer is not None and self.check(problem, answer)

    def verify_all(self, problem: Problem, completions: Sequence[str]) -> list[bool]:
        """`verify` of each; a task overrides it where many at once are quicker than one by one."""
        return [self.verify(problem, completion) for completion in completions]

    def completion(self, problem: Problem, thought: bool = False) -> str:
        """A worked solution as the model should write it, with the thought or without."""
        steps = self.steps(problem) if thought else []
        written = f"{THINK}{chr(10).join(steps)}{END_THINK}" if steps else ""
        return f"{written}{OPEN}{problem.answer}{CLOSE}"


@lru_cache(maxsize=1024)
def some_answers(task: Task, level: int) -> tuple[str, ...]:
    """Answers of the level's first training problems: what an answer looks like there."""
    return tuple(task.make(level, seed).answer for seed in range(16))


def is_test_prompt(prompt: str) -> bool:
    """One prompt in five belongs to the test split, decided by its hash and nothing else."""
    return int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4], "big") % 5 == 0


def extract_answer(completion: str) -> str | None:
    """The text of the only answer block, or None: two answers are a guess, not an answer."""
    if completion.count(OPEN) != 1 or completion.count(CLOSE) != 1:
        return None
    _, _, rest = completion.partition(OPEN)
    answer, closed, _ = rest.partition(CLOSE)
    return answer if closed else None
