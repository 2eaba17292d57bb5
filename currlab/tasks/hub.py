"""Question/answer data sets as tasks: ``hub:data.jsonl``, ``hub:FOLDER``, ``hub:OWNER/NAME``.

Options stand behind a question mark: ``hub:questions.csv?question=q&answer=a``. They are `preset`
(gsm8k, math, countdown), `question`, `answer` and `level` (names of columns), `levels` (how many,
without a level column) and `config` (a Hub data set's configuration). Only json lines, csv and
parquet are read: nothing is unpickled and no code of a repository runs.

Levels are the sorted values of the `level` column. Without one they are a proxy: quantiles of the
reference solution's length in characters (of the number of numbers in countdown), which is easy to
measure and not the same as difficulty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from currlab.errors import CurrlabError
from currlab.tasks.answers import equal_answers, last_boxed, solve_countdown
from currlab.tasks.base import Problem, Task, is_test_prompt
from currlab.tasks.numbers import Countdown

PREFIX = "hub:"
FORMATS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}
INSTRUCTION = "Write the final answer between <answer> and </answer>."
SIDES = ("train", "test")


@dataclass(frozen=True)
class Preset:
    """The columns of a known form of data set, and where its final answer stands."""

    question: str = "question"
    answer: str | None = "answer"
    level: str | None = None
    final: str = "whole"


PRESETS: Mapping[str, Preset] = {
    "plain": Preset(),
    "gsm8k": Preset(final="####"),
    "math": Preset("problem", "solution", final="boxed"),
    "countdown": Preset("nums", "target", final="countdown"),
}
OPTIONS = ("preset", "question", "answer", "level", "levels", "config")


class HubTask(Task):
    """The data set of one name as a task; training and test rows never share a prompt.

    The data set's own split "test" is kept for testing, without what training holds too; a data
    set without one is split by a hash of the prompt, as every task is.
    """

    def __init__(self, name: str) -> None:
        source, _, query = name.removeprefix(PREFIX).partition("?")
        options = dict(parse_qsl(query, keep_blank_values=True))
        self.name, self.source = name, source
        self.title = f"data set {Path(source).name}"
        for option in options.keys() - set(OPTIONS):
            raise CurrlabError(f"'{name}': unknown '{option}'; options are {', '.join(OPTIONS)}.")
        preset = options.get("preset", "plain")
        if preset not in PRESETS:
            raise CurrlabError(f"Unknown preset '{preset}'; presets are {', '.join(PRESETS)}.")
        form = PRESETS[preset]
        self.final = form.final
        self.columns = {
            "question": options.get("question", form.question),
            "answer": options.get("answer", form.answer),
            "level": options.get("level", form.level),
        }
        splits = read_splits(source, options.get("config"))
        self._check_columns(splits)
        self.max_level, self._rows = self._levelled(splits, options.get("levels", "5"))
        self._solution = lru_cache(maxsize=4096)(solve_countdown)

    def _check_columns(self, splits: Mapping[str, list[dict[str, Any]]]) -> None:
        if not any(splits.values()):
            raise CurrlabError(f"The data set '{self.source}' is empty.")
        there = list(next(filter(None, splits.values()))[0])
        for role, column in self.columns.items():
            if column is None:
                continue
            if column not in there:
                raise CurrlabError(
                    f"The data set '{self.source}' has no column '{column}' for the {role}; its "
                    f"columns are {', '.join(there)}, and ?{role}=NAME names another one."
                )
            for side, rows in splits.items():
                empty = [i for i, row in enumerate(rows, 1) if row.get(column) is None]
                if empty:
                    raise CurrlabError(
                        f"The data set '{self.source}' has {len(empty)} {side} rows with nothing in "
                        f"the column '{column}' (the first is row {empty[0]}); fill or remove them."
                    )

    def _levelled(
        self, splits: Mapping[str, list[dict[str, Any]]], levels: str
    ) -> tuple[int, dict[tuple[bool, int], list[dict[str, Any]]]]:
        """The number of levels, and rows by (is it for testing?, level)."""
        import numpy as np  # a process that only judges programs has the standard library alone

        sides = [(s == "test", row) for s in SIDES for row in splits.get(s, [])]
        trained = {self._prompt(row) for row in splits.get("train", [])}
        if not splits.get("test"):
            sides = [(is_test_prompt(self._prompt(row)), row) for _, row in sides]
        else:
            sides = [(t, r) for t, r in sides if not (t and self._prompt(r) in trained)]
        if column := self.columns["level"]:
            values = sorted({row[column] for _, row in sides}, key=_natural)
            rank = {value: i + 1 for i, value in enumerate(values)}
            level_of, count = [rank[row[column]] for _, row in sides], len(values)
        else:
            if not re.fullmatch(r"[1-9]\d?", levels):
                raise CurrlabError(f"'levels' must be a number from 1 to 99; got '{levels}'.")
            sizes = [self._size(row) for _, row in sides]
            cuts = sorted(set(np.quantile(sizes, np.arange(1, int(levels)) / int(levels))))
            found = np.searchsorted(cuts, sizes)
            values = sorted(set(found.tolist()))  # ties may leave a quantile without rows
            level_of, count = [values.index(i) + 1 for i in found.tolist()], len(values)
        rows: dict[tuple[bool, int], list[dict[str, Any]]] = {}
        for level, (is_test, row) in zip(level_of, sides, strict=True):
            rows.setdefault((is_test, level), []).append(row)
        return count, rows

    def _size(self, row: Mapping[str, Any]) -> int:
        column = "question" if self.final == "countdown" else "answer"
        value = row[self.columns[column]]
        return len(value) if self.final == "countdown" else len(str(value))

    def _prompt(self, row: Mapping[str, Any]) -> str:
        question = row[self.columns["question"]]
        if self.final == "countdown":
            target = row[self.columns["answer"]]
            question = f"make {target} from {' '.join(map(str, question))}"
        return f"{question}\n{INSTRUCTION}"

    def _answer(self, row: Mapping[str, Any]) -> str:
        """The final answer of the reference solution; a row without one is told."""
        text = str(row[self.columns["answer"]])
        if self.final == "whole":
            return text.strip()
        if self.final == "countdown":
            found = self._solution(tuple(row[self.columns["question"]]), int(text))
        elif self.final == "boxed":
            found = last_boxed(text)
        else:
            found = text.rpartition("####")[2].strip() if "####" in text else None
        if found is None:
            raise CurrlabError(
                f"'{self.name}': a row has no final answer of the form '{self.final}': {text[:60]!r}."
            )
        return found

    def make(self, level: int, seed: int) -> Problem:
        """The problem of this key: a row of the seed's side, drawn by the key alone."""
        level, seed = self._whole("level", level), self._whole("seed", seed)
        rows = self._rows.get((seed < 0, level))
        if not rows:
            raise CurrlabError(
                f"'{self.name}' has levels 1 to {self.max_level}, and no "
                f"{SIDES[seed < 0]} rows at level {level}."
            )
        row = self.generator(level, seed).choice(rows)
        return Problem(self.name, level, seed, self._prompt(row), self._answer(row))

    def draw(self, level: int, rng: Any) -> tuple[str, str]:
        """A training row; `make` keeps the sides apart."""
        problem = self.make(level, rng.randrange(2**31))
        return problem.prompt, problem.answer

    def check(self, problem: Problem, answer: str) -> bool:
        """Exact for countdown; else equal numbers or text, or what math_verify says is equal."""
        if self.final == "countdown":
            asked = problem.prompt.removesuffix(f"\n{INSTRUCTION}")
            open_problem = Problem("countdown", problem.level, problem.seed, asked, problem.answer)
            return Countdown().check(open_problem, answer)
        return equal_answers(problem.answer, answer)


def _natural(value: Any) -> tuple[Any, ...]:
    """A key that sorts 2 before 10, in numbers and in "Level 2"."""
    digits = re.findall(r"\d+(?:\.\d+)?", str(value))
    return (float(digits[0]) if digits else float("inf"), str(value))


def read_splits(source: str, config: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """The rows of the splits "train" and "test" of a file, a folder or a Hub data set."""
    from datasets import load_dataset, load_dataset_builder

    path = Path(source)
    try:
        if not path.exists():
            if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", source) or path.suffix in FORMATS:
                raise CurrlabError(f"There is no file or folder '{source}'.")
            builder = load_dataset_builder(source, config)
            if builder.builder_name not in FORMATS.values():
                raise CurrlabError(
                    f"The data set '{source}' is of the kind '{builder.builder_name}'; only json, "
                    "csv and parquet are read."
                )
            builder.download_and_prepare()
            data = builder.as_dataset()
        else:
            kind, files = _local_files(path)
            data = load_dataset(kind, data_files=files)
        return {side: data[side].to_list() for side in SIDES if side in data}
    except CurrlabError:
        raise
    # Readers, the network and the Hub each raise exceptions of their own.
    except Exception as error:
        cause = error.__cause__ or error
        reason = " ".join(str(cause).split())[:160]
        raise CurrlabError(
            f"Cannot read the data set '{source}' ({type(cause).__name__}: {reason}); give a whole "
            "jsonl, csv or parquet file, a folder of them, or check the name and the network."
        ) from error


def _local_files(path: Path) -> tuple[str, dict[str, list[str]]]:
    """The reader's name, and the files of each split: a file with "test" in its name is for testing."""
    found = sorted(path.iterdir()) if path.is_dir() else [path]
    files = [file for file in found if file.suffix in FORMATS]
    kinds = {FORMATS[file.suffix] for file in files}
    if len(kinds) != 1:
        raise CurrlabError(
            f"'{path}' must hold files of one kind, jsonl, csv or parquet; found "
            f"{', '.join(sorted(f.name for f in found)) or 'nothing'}."
        )
    splits: dict[str, list[str]] = {}
    for file in files:
        is_test = path.is_dir() and "test" in file.stem
        splits.setdefault(SIDES[is_test], []).append(str(file))
    return kinds.pop(), splits
