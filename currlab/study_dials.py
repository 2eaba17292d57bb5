"""The package's studies of the dials present, sample, reward and update."""

from __future__ import annotations

from currlab.study_plan import Contestant, Study, on_its_dials
from currlab.training.config import TrainingConfig

DIAL_STUDIES = {
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
            *map(on_its_dials, ("prefix_rft", "adhint", "mirage", "egsr", "cog_drift")),
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
