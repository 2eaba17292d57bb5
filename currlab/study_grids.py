"""The grids of runs that the package's own studies consist of.

A study is a grid of runs that share everything but the recipe and the seed, so that runs of equal
seeds are pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from currlab.curricula import Recipe, make_recipe
from currlab.curricula.registry import dials_of, strategy_class
from currlab.errors import CurrlabError
from currlab.training.config import TrainingConfig


@dataclass(frozen=True)
class Contestant:
    """A recipe in a study: its label, strategies, their parameters, engine and seeds.

    `dials` names strategies of the other dials, such as ``{"present": "cog_drift"}``.
    """

    label: str
    select: str
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    engine: str = "scratch"
    seeds: tuple[int, ...] | None = None
    dials: Mapping[str, str] = field(default_factory=dict)

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


# Every strategy that chooses problems or plans rollouts for a GRPO run. The orders of worked answers
# (climb, itool, uds) belong to the warm-up and are compared in notebooks 10 and 14.
_SELECT = (
    "uniform",
    "easy_to_hard",
    "hard_to_easy",
    "e2h",
    "human_inspired",
    "rag_rl",
    "stages",
    "retrospective",
    "target",
    "sec",
    "dump",
    "bots",
    "label_propagation",
    "pcl",
    "difficulty_probe",
    "edco",
    "pudf",
    "adcl",
    "difficulty_split",
    "promotion",
    "reward_pool",
)
_SAMPLE = (
    "variance_filter",
    "dynamic_sampling",
    "reinforce_ada",
    "uncertainty_budget",
    "entropy_temperature",
    "rare_successes",
)


def _on_its_dials(name: str) -> Contestant:
    """A strategy in every slot that it turns, problems chosen uniformly."""
    return Contestant(name, "uniform", dials=dict.fromkeys(dials_of(strategy_class(name)), name))


def _short_runs(levels: range) -> TrainingConfig:
    """Some twenty steps: enough to tell recipes apart, and affordable for many of them."""
    return TrainingConfig(
        levels={"sorting": tuple(levels)},
        steps=100_000,
        token_budget=60_000,
        eval_every=8,
        eval_problems=16,
        checkpoint_every=20,
    )


def _mixture(name: str, levels: range) -> Study:
    """Adaptive choices against none, on another mixture of mastered and hopeless levels."""
    choosers = ("uniform", "target", "sec", "pcl")
    contestants = tuple(Contestant(chooser, chooser) for chooser in choosers)
    return Study(name, _short_runs(levels), contestants, tuple(range(8)))


STUDIES = {
    "foundations": Study(
        name="foundations",
        config=TrainingConfig(
            steps=100_000,
            token_budget=900_000,
            eval_every=20,
            eval_problems=64,
            checkpoint_every=100,
        ),
        contestants=(
            Contestant("uniform", "uniform"),
            Contestant("staged", "easy_to_hard"),
            Contestant("target", "target"),
            Contestant("sec", "sec"),
            Contestant("sec-trl", "sec", engine="trl", seeds=(0, 1)),
        ),
        seeds=(0, 1, 2, 3, 4),
    ),
    # Ten of the sixteen levels are out of reach at the start: where choosing can matter most.
    "select": Study(
        name="select",
        config=TrainingConfig(
            levels={"sorting": tuple(range(1, 17))},
            steps=100_000,
            token_budget=600_000,
            eval_every=20,
            eval_problems=64,
            checkpoint_every=100,
        ),
        contestants=(
            *(
                Contestant(name, name)
                for name in ("uniform", "easy_to_hard", "sec", "dump", "bots", "pcl")
            ),
            # BOTS takes the best level only; this one also asks for its neighbours.
            Contestant("bots-soft", "bots", {"bots": {"temperature": 0.1}}),
        ),
        seeds=tuple(range(8)),
    ),
    # As many seeds as 27 comparisons with uniform need before one of them can be significant.
    "tournament": Study(
        name="tournament",
        config=_short_runs(range(1, 17)),
        contestants=(
            *(Contestant(name, name) for name in _SELECT),
            *(_on_its_dials(name) for name in _SAMPLE),
            Contestant("random-reward", "uniform", dials={"reward": "random"}),
        ),
        seeds=tuple(range(11)),
    ),
    # The tournament's mixture is mostly hopeless at the start; these are not.
    "mastered": _mixture("mastered", range(1, 7)),
    "reachable": _mixture("reachable", range(4, 8)),
    # One level that the warm-up model never solves: plain GRPO has nothing to begin with. Eight seeds
    # allow six comparisons.
    "present": Study(
        name="present",
        config=TrainingConfig(
            levels={"sorting": (8,)},
            steps=100_000,
            token_budget=100_000,
            prompts_per_step=16,
            max_new_tokens=24,
            eval_every=20,
            eval_problems=64,
            checkpoint_every=50,
        ),
        contestants=(
            Contestant("uniform", "uniform"),
            *map(_on_its_dials, ("prefix_rft", "adhint", "mirage", "egsr", "cog_drift")),
            Contestant(
                "uft-imitating",
                "uniform",
                {"uft": {"imitation": 0.1, "until": 0.8}},
                dials={"present": "uft"},
            ),
        ),
        seeds=tuple(range(8)),
    ),
}


def find_study(name: str) -> Study:
    if name not in STUDIES:
        raise CurrlabError(f"Unknown study '{name}'; known studies are {', '.join(STUDIES)}.")
    return STUDIES[name]
