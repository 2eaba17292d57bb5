"""Strategies by name, and their parameters with meaning and bounds: widgets, CLI and docs use both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, field, fields
from typing import Any

from currlab.curricula.core import DIALS, Present, Recipe, Reward, Sample, Select, Strategy, Update
from currlab.errors import CurrlabError

KINDS = {
    "select": Select,
    "present": Present,
    "sample": Sample,
    "reward": Reward,
    "update": Update,
}
STRATEGIES: dict[str, type[Strategy]] = {}


def knob(
    default: Any,
    help: str,
    low: float | None = None,
    high: float | None = None,
    choices: list[Any] | None = None,
    paper: Any = None,
) -> Any:
    """A field of a strategy's `Parameters`: default, meaning, bounds or choices, paper's default."""
    return field(
        default=default,
        metadata={"help": help, "low": low, "high": high, "choices": choices, "paper": paper},
    )


def register(cls: type[Strategy]) -> type[Strategy]:
    """Class decorator: make the strategy known by its name."""
    if cls.name in STRATEGIES:
        raise CurrlabError(f"Two strategies are called '{cls.name}'; names must differ.")
    STRATEGIES[cls.name] = cls
    return cls


def dials_of(cls: type[Strategy]) -> tuple[str, ...]:
    """The dials that a strategy class can turn."""
    return tuple(dial for dial in DIALS if issubclass(cls, KINDS[dial]))


def strategy_class(name: str) -> type[Strategy]:
    if name not in STRATEGIES:
        known = ", ".join(sorted(STRATEGIES))
        raise CurrlabError(f"Unknown strategy '{name}'; known strategies are {known}.")
    return STRATEGIES[name]


def make_strategy(name: str, seed: int = 0, **parameters: Any) -> Strategy:
    """Build a strategy; parameters are checked against their bounds.

    >>> make_strategy("sec", temperature=0.15).parameters.temperature
    0.15
    """
    cls = strategy_class(name)
    return cls(check_parameters(cls, parameters), seed)


def check_parameters(cls: type[Strategy], given: Mapping[str, Any]) -> Any:
    """`given` as the strategy's frozen parameters, or one sentence that says what is allowed."""
    known = {f.name: f for f in fields(cls.Parameters)}
    for name in given:
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise CurrlabError(
                f"Strategy '{cls.name}' has no parameter '{name}'; its parameters are: {allowed}."
            )
    return cls.Parameters(**{name: _checked(cls.name, known[name], v) for name, v in given.items()})


def _checked(strategy: str, parameter: Field, value: Any) -> Any:
    """`value` in the type of the parameter's default and within its bounds."""
    meta, kind = parameter.metadata, type(parameter.default)
    where = f"Parameter '{parameter.name}' of strategy '{strategy}'"
    if meta["choices"] is not None:
        if value not in meta["choices"]:
            allowed = ", ".join(map(repr, meta["choices"]))
            raise CurrlabError(f"{where} must be one of {allowed}; got {value!r}.")
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise CurrlabError(f"{where} must be of type {kind.__name__}; got {value!r}.")
    low, high = meta["low"], meta["high"]
    # Written so that a NaN fails too.
    if low is not None and not low <= value <= high:
        raise CurrlabError(f"{where} must lie between {low} and {high}; got {value!r}.")
    return value


def describe(name: str) -> dict[str, Any]:
    """Everything known of a strategy, for tables, JSON and widgets."""
    cls = strategy_class(name)
    return {
        "name": cls.name,
        "title": cls.title,
        "dials": list(dials_of(cls)),
        "family": cls.family,
        "papers": list(cls.papers),
        "state": cls.state,
        "parameters": parameter_rows(cls.Parameters),
    }


def parameter_rows(parameters: type) -> list[dict[str, Any]]:
    """Name, default and what `knob` says of each field of a parameter class."""
    return [
        {"name": f.name, "default": None if f.default is MISSING else f.default, **f.metadata}
        for f in fields(parameters)
    ]


DEFAULTS = {
    "select": "uniform",
    "present": "plain",
    "sample": "fixed_group",
    "reward": "exact",
    "update": "grpo",
}


def make_recipe(
    select: str = "uniform", seed: int = 0, settings: Mapping[str, Any] | None = None, **dials: str
) -> Recipe:
    """A recipe by strategy names; `settings` are parameters by strategy name.

    >>> make_recipe("sec", settings={"sec": {"temperature": 0.15}}).select.name
    'sec'
    """
    names = {**DEFAULTS, "select": select, **dials}
    for dial in names:
        if dial not in DIALS:
            raise CurrlabError(f"Unknown dial '{dial}'; the dials are {', '.join(DIALS)}.")
        known = sorted(n for n, cls in STRATEGIES.items() if dial in dials_of(cls))
        if names[dial] not in known:
            raise CurrlabError(
                f"Unknown {dial} strategy '{names[dial]}'; the dial's strategies are "
                f"{', '.join(known)}."
            )
    settings = settings or {}
    for name in settings:
        if name not in names.values():
            used = ", ".join(names.values())
            raise CurrlabError(f"Settings for '{name}', which this recipe does not use: {used}.")
    objects = {
        name: make_strategy(name, seed, **settings.get(name, {})) for name in {*names.values()}
    }
    return Recipe(**{dial: objects[names[dial]] for dial in names}, name=select)
