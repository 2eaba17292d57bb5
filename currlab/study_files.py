"""Studies of your own: a grid of recipes, tasks, models and seeds from a YAML file or options.

    name: heat
    models: [tiny-warm]
    levels: {sorting: 1-12}
    seeds: 0-7
    token_budget: 600000
    contestants:
      - uniform
      - {label: hot, select: sec, settings: {sec: {temperature: 0.5}}}

Every other key is a field of TrainingConfig. With several models there is a study for each.
Everything is checked before anything is written, down to levels and strategies' parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from inspect import signature
from pathlib import Path
from typing import Any

import yaml

from currlab.errors import CurrlabError
from currlab.models.load import MADE, SHAPES, SHIPPED
from currlab.parameters import whole_numbers
from currlab.study_plan import Contestant, Study
from currlab.study_results import BASE
from currlab.training.config import TrainingConfig
from currlab.training.launch import ENGINES

CONFIG = {f.name: f for f in fields(TrainingConfig)}
KEYS = {"name", "models", "contestants", "seeds", *CONFIG} - {"seed", "model"}
CONTESTANT_KEYS = {f.name for f in fields(Contestant)}
# A token budget ends the runs; this many steps are never reached.
DEFAULTS = {"seeds": "0-7", "models": ["tiny-warm"], "token_budget": 600_000, "steps": 100_000}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def read_studies(path: str | Path) -> tuple[Study, ...]:
    """The studies of a YAML file, one a model; CurrlabError says what is wrong with it."""
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise CurrlabError(f"The study file '{path}' cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CurrlabError(f"'{path}' is not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise CurrlabError(f"'{path}' must hold keys and values, such as 'seeds: 0-7'.")
    return make_studies({"name": Path(path).stem, **data})


def make_studies(data: Mapping[str, Any]) -> tuple[Study, ...]:
    """The checked studies of a mapping with a file's keys; `contestants` and `name` must be there.

    >>> [study] = make_studies({"name": "mine", "contestants": ["uniform", "sec"], "seeds": "0-9"})
    >>> len(study.runs())
    20
    """
    data = {**DEFAULTS, **data}
    _known(data, KEYS, "A study")
    contestants = _list(data.pop("contestants", []), "contestants")
    name = _name(data.pop("name"), "A study's name")
    models = [_model(model) for model in _list(data.pop("models"), "models")]
    seeds = whole_numbers(data.pop("seeds"), "seeds")
    if "levels" in data:
        data["levels"] = _levels(data["levels"])
    config = TrainingConfig(**{key: _typed(key, value) for key, value in data.items()})
    for arm in config.catalog().arms:
        config.catalog().level(arm)
    study = Study(name, config, tuple(_contestant(c) for c in contestants), seeds)
    labels = [c.label for c in study.contestants]
    if len(set(labels)) < len(labels):
        raise CurrlabError(f"Every contestant needs a label of its own; got {', '.join(labels)}.")
    return tuple(
        replace(
            study,
            name=name if len(models) == 1 else f"{name}-{model}",
            config=replace(config, model=model),
        )
        for model in models
    )


def from_options(
    select: Sequence[str],
    levels: Sequence[str],
    models: Sequence[str],
    seeds: str,
    token_budget: int,
) -> tuple[Study, ...]:
    """The studies of the command line's options; the name says what they compare."""
    data = {
        "name": "-".join(select),
        "contestants": list(select),
        "seeds": seeds,
        "token_budget": token_budget,
    }
    if models:
        data["models"] = list(models)
    if levels:
        data["levels"] = dict(parse_levels(text) for text in levels)
        if len(data["levels"]) < len(levels):
            raise CurrlabError("Give every task's --levels once, as in sorting=1-3,7.")
    return make_studies(data)


def _contestant(given: Any) -> Contestant:
    """A contestant from a strategy's name or a mapping; its recipe is built once, as a check."""
    entry = {"select": given} if isinstance(given, str) else given
    if not isinstance(entry, dict) or not isinstance(entry.get("select"), str):
        raise CurrlabError(f"A contestant is a strategy or has the key 'select'; got {given!r}.")
    _known(entry, CONTESTANT_KEYS, "A contestant")
    entry = {"label": entry["select"], **entry}
    if _name(entry["label"], "A label") == BASE:
        raise CurrlabError(f"'{BASE}' is the label of the model before training; choose another.")
    if entry.get("engine", "scratch") not in ENGINES:
        raise CurrlabError(
            f"Unknown engine '{entry['engine']}'; the engines are {', '.join(ENGINES)}."
        )
    if entry.get("seeds") is not None:
        entry["seeds"] = whole_numbers(entry["seeds"], "seeds")
    settings = entry.get("settings", {})
    if not isinstance(settings, dict) or not all(isinstance(s, dict) for s in settings.values()):
        raise CurrlabError(
            "'settings' are parameters by strategy, such as {sec: {temperature: 0.5}}; "
            f"got {settings!r}."
        )
    dials = entry.get("dials", {})
    if not isinstance(dials, dict):
        raise CurrlabError(
            f"'dials' are strategies by dial, such as {{present: plain}}; got {dials!r}."
        )
    if entry.get("warm_up") is not None:
        _check_warm_up(entry["warm_up"])
    contestant = Contestant(**entry)
    contestant.recipe()
    return contestant


def _check_warm_up(given: Any) -> None:
    """Arguments by name of `warm_up`; their values are checked by itself, at the run's start."""
    # It needs TRL, which most studies do without.
    from currlab.training.warm_up import warm_up

    if not isinstance(given, dict):
        raise CurrlabError(
            f"'warm_up' holds arguments of a warm-up, such as {{steps: 80}}; got {given!r}."
        )
    # The seed is the run's.
    allowed = set(signature(warm_up).parameters) - {"model", "tokenizer", "select", "seed"}
    _known(given, allowed, "A warm-up")


def parse_levels(text: str) -> tuple[str, str]:
    """``sorting=1-12`` of the command line as task and levels."""
    task, equals, levels = text.partition("=")
    if not equals:
        raise CurrlabError(f"Levels are written as in sorting=1-12; got '{text}'.")
    return task, levels


def _levels(given: Any) -> dict[str, tuple[int, ...]]:
    if not isinstance(given, dict) or not given:
        raise CurrlabError(f"'levels' are tasks and levels, such as sorting: 1-12; got {given!r}.")
    return {str(task): whole_numbers(levels, f"levels of {task}") for task, levels in given.items()}


def _typed(key: str, value: Any) -> Any:
    """The value of a field of TrainingConfig, if it has the type of the field."""
    kind = str(CONFIG[key].type)
    if key == "adam_betas":
        fits = isinstance(value, list) and len(value) == 2
        value = tuple(value) if fits else value
    elif kind.startswith(("int", "float")):
        allowed = (int, float) if kind.startswith("float") else int
        fits = isinstance(value, allowed) and not isinstance(value, bool)
        fits = fits or (value is None and kind.endswith("None"))
    else:
        fits = kind != "bool" or isinstance(value, bool)
    if not fits:
        raise CurrlabError(f"'{key}' must be of type {kind}; got {value!r}.")
    return value


def _model(given: Any) -> str:
    """The name of one of the package's models, or a folder that exists."""
    name = str(given)
    if name in (*SHIPPED, *MADE, *SHAPES) or Path(name).is_dir():
        return name
    known = ", ".join([*SHIPPED, *MADE, *SHAPES])
    raise CurrlabError(f"Unknown model '{given}'; use {known} or the folder of a model.")


def _list(given: Any, what: str) -> list[Any]:
    if not isinstance(given, list) or not given:
        raise CurrlabError(f"'{what}' must be a list with at least one entry; got {given!r}.")
    return given


def _known(given: Mapping[Any, Any], allowed: set[str], what: str) -> None:
    for key in given:
        if key not in allowed:
            raise CurrlabError(f"{what} has no key '{key}'; known: {', '.join(sorted(allowed))}.")


def _name(given: Any, what: str) -> str:
    """A name that is also safe as the name of a folder."""
    if not isinstance(given, str) or not NAME.fullmatch(given):
        raise CurrlabError(
            f"{what} has letters, digits, '-', '_' and '.' and starts with one of the first two; "
            f"got {given!r}."
        )
    return given
