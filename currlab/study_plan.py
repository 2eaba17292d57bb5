"""What a study is: a grid of runs that share everything but the recipe and the seed.

Runs of equal seeds are pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from currlab.curricula import Recipe, make_recipe
from currlab.curricula.registry import dials_of, strategy_class
from currlab.training.config import TrainingConfig


@dataclass(frozen=True)
class Contestant:
    """A recipe in a study: its label, strategies, their parameters, engine and seeds.

    `dials` names strategies of the other dials, such as ``{"present": "cog_drift"}``. `warm_up` are
    arguments of `training.warm_up.warm_up`, such as ``{"steps": 80}``: what the model imitates before
    the run, at no cost of the budget.
    """

    label: str
    select: str
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    engine: str = "scratch"
    seeds: tuple[int, ...] | None = None
    dials: Mapping[str, str] = field(default_factory=dict)
    warm_up: Mapping[str, Any] | None = None

    def recipe(self, seed: int = 0) -> Recipe:
        return make_recipe(self.select, seed, self.settings, **self.dials)


@dataclass(frozen=True)
class Study:
    """A grid of runs: contestants x seeds, everything else equal."""

    name: str
    config: TrainingConfig
    contestants: tuple[Contestant, ...]
    seeds: tuple[int, ...]

    def runs(self) -> list[tuple[Contestant, int]]:
        """All (contestant, seed), seed by seed, so that a stopped study has whole pairs."""
        every = sorted({s for c in self.contestants for s in c.seeds or self.seeds})
        return [
            (c, seed) for seed in every for c in self.contestants if seed in (c.seeds or self.seeds)
        ]

    def folder(self, root: Path, contestant: Contestant, seed: int) -> Path:
        return root / self.name / f"{contestant.label}-{seed}"


def on_its_dials(name: str) -> Contestant:
    """A strategy in every slot that it turns, problems chosen uniformly."""
    return Contestant(name, "uniform", dials=dict.fromkeys(dials_of(strategy_class(name)), name))
