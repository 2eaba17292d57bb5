"""What covers a paper of the atlas without being a strategy of a dial: warm-ups before GRPO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from currlab.training.warm_up_chains import Chains
from currlab.training.warm_up_losses import LOSSES, PEAR, WarmUpLoss

DATA = "currlab.training.warm_up_data"


@dataclass(frozen=True)
class Cover:
    """What runs here of some papers: a registered strategy, or a recipe made otherwise.

    `warm_up` are the arguments with which `training.warm_up.warm_up` shows a recipe on the tiny
    model; None where a strategy is the recipe, or where a model must write the answers first.
    """

    name: str
    title: str
    dials: tuple[str, ...]
    state: str
    papers: tuple[str, ...]
    code: str
    warm_up: Mapping[str, Any] | None = None


def warm_up_cover(
    name: str,
    title: str,
    papers: tuple[str, ...],
    arguments: Mapping[str, Any] | None,
    *,
    state: str = "inspired",
    dial: str = "update",
    before: str = "",
    written: str = "",
) -> Cover:
    """A warm-up, then plain GRPO. `before` is a line of code above it, and `written` are its
    arguments as code where they are not just `arguments`."""
    words = written or ", ".join(f"{key}={value!r}" for key, value in (arguments or {}).items())
    lines = [
        before,
        f"warm_up(model, tokenizer, {words})  # currlab.training.warm_up",
        "recipe = make_recipe()  # then plain GRPO on the warmed-up model",
    ]
    return Cover(name, title, (dial,), state, papers, "\n".join(filter(None, lines)), arguments)


def loss_cover(loss: type[WarmUpLoss]) -> Cover:
    """A warm-up with another loss."""
    arguments = {"loss": loss.name}
    return warm_up_cover(
        f"warm_up_{loss.name}",
        f"SFT warm-up: {loss.title}",
        loss.papers,
        # The worked solutions of a program are not what this loss is about.
        None if loss is PEAR else arguments,
        state=loss.state,
        before=f"own = self_answers(policy, mixture, 1000, only_own=True)  # {DATA}"
        if loss is PEAR
        else "",
        written='rows=own.rows, loss="pear"' if loss is PEAR else "",
    )


RECIPES = (
    warm_up_cover(
        "warm_up_then_grpo", "SFT warm-up, then GRPO", ("ReFT",), {}, written='{"sorting/1": 1.0}'
    ),
    *(loss_cover(loss) for loss in LOSSES.values() if loss.papers),
    warm_up_cover(
        "warm_up_masked_thought",
        "SFT warm-up with part of the worked solution hidden",
        ("Masked Thought",),
        {"thought": True, "hidden": 0.3},
        dial="present",
    ),
    warm_up_cover(
        "warm_up_chains",
        f"SFT warm-up: {Chains.title}",
        Chains.papers,
        {"chains": {"backtracks": 2}},
        state=Chains.state,
    ),
    warm_up_cover(
        "warm_up_self_answers",
        "SFT warm-up on the model's own right answers, else the given ones",
        ("S3FT",),
        None,
        before=f"own = self_answers(policy, mixture, 1000)  # {DATA}",
        written="rows=own.rows",
    ),
    Cover(
        "warm_up_preferences",
        "cold start by preferences: DPO on the form of the model's own answers, then GRPO",
        ("update",),
        "inspired",
        ("Metis-SPECS",),
        "pairs = own_pairs(policy, mixture, 1000)  # currlab.training.preferences\n"
        "prefer(model, tokenizer, pairs)\n"
        "recipe = make_recipe()  # then plain GRPO on the model that knows the form",
    ),
    warm_up_cover(
        "warm_up_toy_domain",
        "SFT warm-up on chains of a logic puzzle, GRPO on another task",
        ("Warm Up Before You Train",),
        {"mixture": {"knights_knaves/1": 1.0, "knights_knaves/2": 1.0}, "thought": True},
    ),
    warm_up_cover(
        "warm_up_split",
        "SFT warm-up on easy levels, GRPO on hard ones",
        ("DeReason",),
        {"mixture": {"sorting/3": 1.0, "sorting/4": 1.0}},
        before=f'split = split_by_difficulty({{"sorting": range(3, 8)}}, 0.4)  # {DATA}',
        written="split.imitated",
    ),
    warm_up_cover(
        "warm_up_budget",
        "one budget of tokens, divided between SFT and GRPO",
        ("Balancing the Budget",),
        {},
        before=f"steps, left = split_budget(900_000, 0.1, step_tokens)  # {DATA}",
        written="steps=steps",
    ),
    warm_up_cover(
        "warm_up_length",
        "SFT warm-ups of several lengths before the same GRPO",
        ("SFT→RL for vulnerabilities",),
        {},
        written="steps=steps",
    ),
)
