"""Any reasoning-gym dataset as a task: ``gym:chain_sum``, with its own levels and scorer.

The levels are those of the dataset's curriculum: at level n every attribute stands at its n-th
value, or at its last one if it has fewer. A dataset without a curriculum has one level.

Reasoning Gym: Stojanovski et al., 2025, arXiv:2505.24760.
"""

from __future__ import annotations

import ast
import copy
import difflib
import inspect
import random
import re
import sys
from functools import lru_cache
from types import ModuleType
from typing import Any

from currlab.errors import CurrlabError
from currlab.tasks.base import MAX_DRAWS, Problem, Task

PREFIX = "gym:"
# The context of the tiny models, in tokens; one character is one token there, and never less than
# one token elsewhere. ``gym:NAME@2048`` makes a task for a model that holds 2048.
CONTEXT = 512
TEMPLATE_TOKENS = 8  # chat template, answer tags, end of text
SIZE = 10_000  # different problems of a level; some datasets prepare all of them at once
DATASET_SEED = 0
PROBES = 8
# Text of a model is data. These calls would execute it.
EXECUTING = frozenset({"eval", "exec", "parse_expr", "sympify", "__import__"})
# Modules that hold such a call but do not pass a model's text to it, found by reading them
# (reasoning-gym 0.1.25).
READ_AND_SAFE = {
    "basic_arithmetic": "evaluates the questions that it makes",
    "bitwise_arithmetic": "evaluates the questions that it makes",
    "number_sorting": "evaluates its own reference answer",
    "propositional_logic": "its parse_expr is a parser of its own",
}
# Datasets that draw from Python's sets of text, whose order changes from process to process, or
# that carry something over from one draw to the next (list_functions).
UNREPEATABLE = {"isomorphic_strings", "list_functions", "ransom_note", "word_ladder"}
NOT_PLAIN = re.compile(r"[^\n -~]")
# Levels whose generator searches for minutes or without end for some problems (0.1.25).
ENDLESS = {
    ("jugs", 3),
    ("jugs", 4),
    ("number_sequence", 2),
    ("number_sequence", 3),
    ("number_sequence", 4),
    ("sokoban", 1),
}
# Never right unless they are the reference answer itself: Fraction("1e999999999") fills the memory,
# nan is at no distance from anything, and int("\u0663") is 3.
TRAPS = re.compile(r"(?<![\w.])[\d._]+e[+-]?[\d_]{4,}|\bnan[ij]?\b|[^\D0-9]", re.IGNORECASE)
# A scorer that gives full marks to one of these would be a reward for nothing.
JUNK = ("", "?", "junk", "()", "[]", "{}")


class GymTask(Task):
    """The reasoning-gym dataset NAME, under the task name ``gym:NAME`` or ``gym:NAME@CONTEXT``.

    A level is refused if one of its first 8 problems does not fit: a prompt that is longer, with
    its answer, than the context, or (without ``@``) an answer with characters that the tiny models
    cannot write, which are all but printable ASCII and newline. Rare misfits after these 8 are
    drawn again. In prompts such characters stay; the tiny models read each as ``<unk>``. A level
    is refused, too, if the dataset's scorer does not accept its own reference answers, or accepts
    junk.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.dataset_name, _, context = name.removeprefix(PREFIX).partition("@")
        if context and not re.fullmatch(r"[1-9][0-9]{0,6}", context):
            raise CurrlabError(
                f"'{name}': after '@' stands the model's context in tokens, such as "
                f"{PREFIX}{self.dataset_name}@2048."
            )
        self.context = int(context or CONTEXT)
        self.for_tiny_models = not context
        self.title = f"reasoning-gym: {self.dataset_name.replace('_', ' ')}"
        self._factory = _library().factory
        self._dataset_class, self._settings_class = self._look_up()
        self.max_level = self._count_levels()
        self._dataset = lru_cache(maxsize=None)(self._make_dataset)
        self._entry = lru_cache(maxsize=1024)(lambda level, i: self._dataset(level)[i])

    def _look_up(self) -> tuple[type, type]:
        """The dataset's classes, if it exists and runs nothing that a model wrote."""
        known = self._factory.DATASETS
        if self.dataset_name not in known:
            close = difflib.get_close_matches(self.dataset_name, known, n=3)
            hint = f"close names are {', '.join(close)}" if close else f"there are {len(known)}"
            raise CurrlabError(f"reasoning-gym has no dataset '{self.dataset_name}'; {hint}.")
        if self.dataset_name in UNREPEATABLE:
            raise CurrlabError(
                f"'{self.name}' is refused: its problems depend on more than their seed, so that "
                "no run on it could be repeated."
            )
        dataset_class, settings_class = known[self.dataset_name]
        called = executing_calls(dataset_class)
        if called and self.dataset_name not in READ_AND_SAFE:
            raise CurrlabError(
                f"'{self.name}' is refused: its code calls {', '.join(called)}(), and nothing that "
                "a model wrote may be executed."
            )
        return dataset_class, settings_class

    def _count_levels(self) -> int:
        if not self._factory.has_curriculum(self.dataset_name):
            return 1
        attributes = self._factory.create_curriculum(self.dataset_name).attributes.values()
        return max((len(attribute.levels) for attribute in attributes), default=1)

    def _make_dataset(self, level: int) -> Any:
        """The dataset at this level, tried out; or one sentence that says why there is none."""
        if (self.dataset_name, level) in ENDLESS:
            raise CurrlabError(
                f"'{self.name}' is refused at level {level}: its generator may never end there."
            )
        try:
            dataset = self._dataset_class(self._level_settings(level))
            entries = [dataset[i] for i in range(PROBES)]
        # What reasoning-gym raises for settings of its own differs from dataset to dataset.
        except Exception as error:
            raise CurrlabError(
                f"'{self.name}' makes no problems at level {level}: {type(error).__name__}: {error}"
            ) from error
        flaws = (self._flaw(dataset, e) or self._misfit(e) for e in entries)
        if flaw := next(filter(None, flaws), None):
            raise CurrlabError(f"'{self.name}' is refused at level {level}: {flaw}.")
        return dataset

    def _flaw(self, dataset: Any, entry: dict[str, Any]) -> str | None:
        """Why the dataset's scorer cannot be used; None if it can."""
        reference = entry["answer"]
        if not isinstance(reference, str) or not self._score(dataset, entry, reference.strip()):
            return "its scorer does not accept its own reference answers"
        for junk in JUNK:
            if self._score(dataset, entry, junk):
                return f"its scorer gives full marks to {junk!r} where {reference!r} is right"
        return None

    def _misfit(self, entry: dict[str, Any]) -> str | None:
        """Why the model cannot read the prompt or write the answer; None if it can."""
        # The most tokens that prompt and answer can take: a token is at least one character.
        tokens = len(entry["question"]) + len(entry["answer"]) + TEMPLATE_TOKENS
        if tokens > self.context:
            return (
                f"a prompt with its answer needs {tokens} tokens, and the model's context holds "
                f"{self.context}; {PREFIX}{self.dataset_name}@{tokens} is for a model with more"
            )
        strange = "".join(sorted(set(NOT_PLAIN.findall(entry["answer"]))))
        if strange and self.for_tiny_models:
            return (
                f"the tiny models cannot write {strange!r}, which its answers hold; "
                f"{PREFIX}{self.dataset_name}@2048 is for a model that can"
            )
        return None

    def _level_settings(self, level: int) -> Any:
        fixed = {"seed": DATASET_SEED, "size": SIZE}
        if not self._factory.has_curriculum(self.dataset_name):
            return self._settings_class(**fixed)
        curriculum = self._factory.create_curriculum(self.dataset_name)
        curriculum.set_global_level(level - 1)
        return curriculum.generate_configuration(fixed)

    def draw(self, level: int, rng: random.Random) -> tuple[str, str]:
        entry = self._draw_entry(level, rng)
        return entry["question"], entry["answer"]

    def _draw_entry(self, level: int, rng: random.Random) -> dict[str, Any]:
        for _ in range(MAX_DRAWS):
            entry = self._entry(level, rng.randrange(SIZE))
            if not self._misfit(entry):
                return entry
        raise CurrlabError(f"'{self.name}' has no prompt at level {level} that fits.")

    def _entry_of(self, problem: Problem) -> dict[str, Any]:
        """The entry that the problem was made of: the first of its draws with its prompt."""
        rng = self.generator(problem.level, problem.seed)
        for _ in range(MAX_DRAWS):
            entry = self._draw_entry(problem.level, rng)
            if entry["question"] == problem.prompt:
                return entry
        raise CurrlabError(f"Task '{self.name}' did not make the problem {problem.key}.")

    def check(self, problem: Problem, answer: str) -> bool:
        """Does the dataset's own scorer give full marks? A scorer that raises gives none."""
        answer = answer.strip()
        if answer != problem.answer.strip() and (
            len(answer) > 1000 + 4 * len(problem.answer) or TRAPS.search(answer)
        ):
            return False
        return self._score(self._dataset(problem.level), self._entry_of(problem), answer)

    @staticmethod
    def _score(dataset: Any, entry: dict[str, Any], answer: str) -> bool:
        """Full marks by the dataset's scorer, which may raise on odd text and change its entry."""
        entry = copy.deepcopy(entry)
        try:
            score = dataset.score_answer(answer, entry)
        # The reference answers passed this scorer: what fails now is the model's odd text.
        except Exception:
            return False
        return _full(score)


def _library() -> ModuleType:
    try:
        import reasoning_gym
    except ModuleNotFoundError as error:
        raise CurrlabError(
            f"Tasks called {PREFIX}NAME need reasoning-gym ({error}): pip install 'currlab[gym]'."
        ) from None
    return reasoning_gym


def _full(score: Any) -> bool:
    return isinstance(score, (int, float)) and score >= 1 - 1e-9


def executing_calls(dataset_class: type) -> list[str]:
    """Which of the executing functions the dataset's own module calls."""
    tree = ast.parse(inspect.getsource(sys.modules[dataset_class.__module__]))
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    names = {getattr(func, "id", getattr(func, "attr", None)) for func in calls}
    return sorted(names & EXECUTING)
