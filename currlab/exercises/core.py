"""Checks that name the property that failed, on a counter-example small enough to do by hand."""

from __future__ import annotations

import copy
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from currlab.errors import CurrlabError


@dataclass(frozen=True)
class Case:
    """One tiny example: if the function misses `expected`, the property does not hold.

    `says` is a full sentence in plain words: "Equal rewards give zero advantages."
    """

    says: str
    arguments: tuple[Any, ...]
    expected: Any


@dataclass(frozen=True)
class Exercise:
    """A function for the learner to write, and the cases it must pass, simplest first."""

    name: str
    cases: tuple[Case, ...]
    tolerance: float = 1e-3


@cache
def _exercises() -> dict[str, Exercise]:
    """All exercises by name, from the variable EXERCISES of every `notebook_*` module."""
    found: dict[str, Exercise] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("notebook_"):
            for exercise in importlib.import_module(f"{__package__}.{module.name}").EXERCISES:
                if exercise.name in found:
                    raise CurrlabError(f"Two exercises are called '{exercise.name}'.")
                found[exercise.name] = exercise
    return found


def exercise_names() -> list[str]:
    return sorted(_exercises())


def get_exercise(name: str) -> Exercise:
    if name not in _exercises():
        known = ", ".join(exercise_names())
        raise CurrlabError(f"Unknown exercise '{name}'; the exercises are {known}.")
    return _exercises()[name]


def check(name: str, function: Callable[..., Any]) -> bool:
    """Print "OK", or the first property that fails and its counter-example; True if all hold.

    A wrong answer, an exception included, is reported and never raised: the notebook goes on.
    """
    exercise = get_exercise(name)
    message = _first_failure(exercise, function)
    print(message or f"OK: {name} passes all {len(exercise.cases)} checks.")
    return message is None


def _first_failure(exercise: Exercise, function: Callable[..., Any]) -> str | None:
    for number, case in enumerate(exercise.cases):
        call = f"{exercise.name}({', '.join(map(repr, case.arguments))})"
        wanted = f"{call} should give {case.expected!r}"
        try:
            # A copy, so that a function that changes its arguments does not change the case.
            got = function(*copy.deepcopy(case.arguments))
        except Exception as error:  # the learner's code may raise anything
            return f"Not yet: {case.says}\n  {wanted}, but raised {type(error).__name__}: {error}"
        if number == 0 and (got is None or got is ...):
            return f"{exercise.name} is not written yet: it returns nothing."
        if not same(got, case.expected, exercise.tolerance):
            return f"Not yet: {case.says}\n  {wanted}, but gave {got!r}"
    return None


def same(got: Any, expected: Any, tolerance: float = 1e-3) -> bool:
    """Equal in value: tensors, arrays, tuples and lists compare alike, floats up to `tolerance`.

    >>> same((0.5, 1.0), [0.5, 1.0001])
    True
    """
    got, expected = _plain(got), _plain(expected)
    if isinstance(expected, Mapping):
        return (
            isinstance(got, Mapping)
            and got.keys() == expected.keys()
            and all(same(got[key], expected[key], tolerance) for key in expected)
        )
    if isinstance(expected, Sequence) and not isinstance(expected, str):
        return (
            isinstance(got, Sequence)
            and not isinstance(got, str)
            and len(got) == len(expected)
            and all(same(g, e, tolerance) for g, e in zip(got, expected, strict=True))
        )
    if isinstance(expected, bool) or isinstance(got, bool) or isinstance(expected, str):
        return type(got) is type(expected) and got == expected
    if isinstance(expected, int | float) and isinstance(got, int | float):
        return bool(np.isclose(got, expected, rtol=tolerance, atol=tolerance))
    return bool(got == expected)


def _plain(value: Any) -> Any:
    """Arrays, tensors and their scalars as lists and Python numbers; anything else unchanged."""
    if hasattr(value, "detach"):
        value = value.detach()
    return value.tolist() if hasattr(value, "tolist") else value
