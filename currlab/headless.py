"""One training run from the words of a command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from currlab.curricula import make_recipe
from currlab.errors import CurrlabError
from currlab.parameters import read_literal
from currlab.profiles import profile as get_profile
from currlab.training.config import TrainingConfig
from currlab.training.launch import launch
from currlab.training.vllm_checks import SERVER, check_vllm

LEVELS = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?")


def train_once(
    select: str,
    engine: str,
    levels: Sequence[str],
    settings: Sequence[str],
    model: str | None,
    steps: int,
    seed: int,
    profile: str,
    out: str,
    vllm: str = "off",
    vllm_server: str = SERVER,
    **dials: str,
) -> dict[str, Any]:
    """Train in folder `out`, or resume it; returns the results, which are also in results.json.

    Without a `model` it is the profile's warmed-up one.
    """
    chosen = get_profile(profile)
    recipe = make_recipe(select, seed=seed, settings=parse_settings(settings), **dials)
    given = {"levels": parse_levels(levels)} if levels else {}
    config = TrainingConfig(
        model=model or chosen.warm,
        steps=steps,
        seed=seed,
        learning_rate=chosen.learning_rate,
        **given,
    )
    config.catalog()
    check_vllm(vllm, chosen.device, vllm_server)  # before models are made, which takes minutes
    chosen.apply(models=model is None)
    options = {"vllm": vllm, "vllm_server": vllm_server}
    return launch(recipe, config, out, engine, chosen.device, **options)


def parse_levels(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Levels by task.

    >>> parse_levels(["sorting=1-3", "brackets=2,5"])
    {'sorting': (1, 2, 3), 'brackets': (2, 5)}
    """
    levels: dict[str, tuple[int, ...]] = {}
    for text in texts:
        task, _, ranges = text.rpartition("=")
        parts = [LEVELS.fullmatch(part) for part in ranges.split(",")]
        chosen = [level for m in parts if m for level in range(int(m[1]), int(m[2] or m[1]) + 1)]
        if not task or None in parts or not chosen:
            raise CurrlabError(
                f"Levels are written like sorting=1-12 or sorting=1,3,5; got '{text}'."
            )
        levels[task] = tuple(chosen)
    return levels


def parse_settings(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Parameters by strategy.

    >>> parse_settings(["sec.temperature=0.15"])
    {'sec': {'temperature': 0.15}}
    """
    settings: dict[str, dict[str, Any]] = {}
    for text in texts:
        where, equals, value = text.partition("=")
        strategy, _, name = where.partition(".")
        if not (strategy and name and equals):
            raise CurrlabError(f"A setting is written like sec.temperature=0.15; got '{text}'.")
        settings.setdefault(strategy, {})[name] = read_literal(value)
    return settings
