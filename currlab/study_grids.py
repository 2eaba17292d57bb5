"""The package's own studies: those of the select dial, and all of them by name."""

from __future__ import annotations

from currlab.errors import CurrlabError
from currlab.study_dials import DIAL_STUDIES
from currlab.study_plan import Contestant, Study, on_its_dials
from currlab.training.config import TrainingConfig

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
            *(on_its_dials(name) for name in _SAMPLE),
            Contestant("random-reward", "uniform", dials={"reward": "random"}),
        ),
        seeds=tuple(range(11)),
    ),
    # The tournament's mixture is mostly hopeless at the start; these are not.
    "mastered": _mixture("mastered", range(1, 7)),
    "reachable": _mixture("reachable", range(4, 8)),
    **DIAL_STUDIES,
}


def find_study(name: str) -> Study:
    if name not in STUDIES:
        raise CurrlabError(f"Unknown study '{name}'; known studies are {', '.join(STUDIES)}.")
    return STUDIES[name]
