"""The package's studies of the dials present, sample, reward and update."""

from __future__ import annotations

from typing import Any

from currlab.study_plan import Contestant, Study, on_its_dials
from currlab.training.config import TrainingConfig

# Levels up to seven in choices and blanks, up to five in open questions: after this no open question of
# level seven is answered.
_FORMS = {
    "mixture": {
        **{f"sorting/{level}": 1.0 for level in range(1, 6)},
        **{f"sorting@choice4/{level}": 1.0 for level in range(3, 8)},
        **{f"sorting@choice10/{level}": 1.0 for level in range(5, 8)},
        **{f"sorting@cloze/{level}": 1.0 for level in range(4, 8)},
    },
    "steps": 300,
    "learning_rate": 1e-3,
}
# The learner of notebook 40 that has seen worked answers of harder levels.
_STRONG = {
    "mixture": {f"sorting/{level}": 1.0 for level in range(3, 9)},
    "steps": 80,
    "batch": 32,
    "learning_rate": 1e-3,
}


def _in_order(order: str) -> Contestant:
    """A cell of the stage grid; a step of imitation samples as little as it can."""
    dials = dict.fromkeys(("sample", "update"), "stage_order")
    return Contestant(order, "uniform", {"stage_order": {"order": order}}, dials=dials)


def _tiers(learner: str, order: str) -> Contestant:
    """A cell of TAROT's grid: a learner, and the order in which tiers of one answer count."""
    schedule = {"easy": "var_asce_normal", "hard": "var_asce_rev"}[order]
    return Contestant(
        f"{learner}-{order}",
        "uniform",
        {"tarot": {"schedule": schedule}},
        dials={"reward": "tarot"},
        warm_up=_STRONG if learner == "strong" else None,
    )


def _warmed(label: str, **recipe: Any) -> Contestant:
    """Plain GRPO after a warm-up of the base model on the four easiest levels."""
    easy = {f"sorting/{level}": 1.0 for level in range(1, 5)}
    return Contestant(label, "uniform", warm_up={"mixture": easy, "batch": 64, **recipe})


def _never_solved(level: int, pool: int | None = None) -> TrainingConfig:
    """One level that the learner never solves: plain GRPO has nothing to begin with."""
    return TrainingConfig(
        levels={"sorting": (level,)},
        steps=100_000,
        token_budget=100_000,
        prompts_per_step=16,
        max_new_tokens=24,
        eval_every=20,
        eval_problems=64,
        checkpoint_every=50,
        pool=pool,
    )


def _in_forms(label: str, **dials: str) -> Contestant:
    """A learner that has seen choices and blanks."""
    settings = {"cog_drift": {"ladder": "problem"}} if label == "cog_drift" else {}
    return Contestant(label, "uniform", settings, dials=dials, warm_up=_FORMS)


DIAL_STUDIES = {
    # Eight seeds allow six comparisons.
    "present": Study(
        name="present",
        config=_never_solved(8),
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
    # What the study above leaves out: other help, some of which the learner has never seen.
    "guides": Study(
        name="guides",
        config=_never_solved(8),
        contestants=(
            Contestant("uniform", "uniform"),
            *map(
                on_its_dials,
                ("uft", "expo", "intervention", "evocot", "subgoal_notes", "clpo_rewrites"),
            ),
        ),
        seeds=tuple(range(8)),
    ),
    # Ladders of forms. A fixed pool, so that each problem can climb a ladder of its own.
    "forms": Study(
        name="forms",
        config=_never_solved(7, pool=64),
        contestants=(
            _in_forms("uniform"),
            *(_in_forms(name, present=name) for name in ("medcco", "curr_reft", "cog_drift")),
        ),
        seeds=tuple(range(8)),
    ),
    # Ten of sixteen levels give groups that all fail: what refilling is for, and what it costs.
    "sampling": Study(
        name="sampling",
        config=TrainingConfig(
            levels={"sorting": tuple(range(1, 17))},
            steps=100_000,
            token_budget=200_000,
            eval_every=5,
            eval_problems=16,
            checkpoint_every=50,
        ),
        contestants=(
            Contestant("uniform", "uniform"),
            *map(on_its_dials, ("dynamic_sampling", "reinforce_ada", "uncertainty_budget")),
        ),
        seeds=tuple(range(8)),
    ),
    # Imitation and reinforcement in every order and mixture, on tokens generated plus trained on: what
    # is worth imitating, and when? Twelve comparisons need nine seeds.
    "update": Study(
        name="update",
        config=TrainingConfig(
            steps=100_000,
            token_budget=100_000,
            count_trained=True,
            eval_every=10,
            eval_problems=32,
            checkpoint_every=50,
        ),
        contestants=(
            _in_order("rl"),
            *map(_in_order, ("sft", "sft_then_rl", "rl_then_sft", "interleaved", "mixed")),
            *(
                Contestant(name, "uniform", dials={"update": name})
                for name in ("chord", "hpt", "relift", "sasr", "amft", "visurf", "nft")
            ),
        ),
        seeds=tuple(range(9)),
    ),
    # Which order of tiers suits which learner: an interaction, so differences are paired by seed.
    "tarot": Study(
        name="tarot",
        config=TrainingConfig(
            levels={"sorting": tuple(range(4, 10))},
            steps=100_000,
            token_budget=150_000,
            eval_every=20,
            eval_problems=32,
            checkpoint_every=50,
        ),
        contestants=tuple(
            _tiers(learner, order) for learner in ("weak", "strong") for order in ("easy", "hard")
        ),
        seeds=tuple(range(8)),
    ),
    # Is the strongest imitator the best start? Lengths of one warm-up, then the same GRPO run.
    "warm_up_length": Study(
        name="warm_up_length",
        config=TrainingConfig(
            model="tiny-base",
            levels={"sorting": tuple(range(1, 11))},
            steps=100_000,
            token_budget=150_000,
            prompts_per_step=16,
            max_new_tokens=24,
            eval_every=20,
            eval_problems=64,
            checkpoint_every=50,
        ),
        contestants=tuple(
            _warmed(f"{steps} steps", steps=steps, learning_rate=1e-3)
            for steps in (100, 25, 50, 200, 400)
        ),
        seeds=tuple(range(8)),
    ),
    # Form or content? Worked answers with written steps; a mistake is passed on to the answer.
    "warm_up_chains": Study(
        name="warm_up_chains",
        config=TrainingConfig(
            model="tiny-base",
            levels={"sorting": tuple(range(1, 6))},
            steps=100_000,
            token_budget=300_000,
            prompts_per_step=16,
            max_new_tokens=72,
            eval_every=20,
            eval_problems=64,
            checkpoint_every=50,
        ),
        contestants=tuple(
            _warmed(label, steps=100, learning_rate=3e-3, chains=planted)
            for label, planted in {
                "right": {},
                "half wrong": {"mistakes": 0.4},
                "wrong": {"mistakes": 0.8},
                "shuffled": {"shuffled": True},
                "one taken back": {"backtracks": 1},
            }.items()
        ),
        seeds=tuple(range(8)),
    ),
}
