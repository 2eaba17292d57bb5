"""The settings of one GRPO run, whichever engine executes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from currlab.curricula.data import Catalog
from currlab.errors import CurrlabError


def _sorting() -> Mapping[str, tuple[int, ...]]:
    return {"sorting": tuple(range(1, 13))}


@dataclass(frozen=True)
class TrainingConfig:
    """Everything of a run but the recipe. The defaults are the lead example on two CPU cores.

    The run ends after `steps` optimiser steps or once `token_budget` generated tokens are spent,
    whichever comes first; `Clock.share` is the larger of the two shares. With `count_trained` tokens
    that are trained on spend the budget, too: a comparison with imitation, which generates nothing,
    needs that. `iterations` are updates on each batch of rollouts: from the second on, the policy has
    moved away from the one that sampled.
    """

    levels: Mapping[str, tuple[int, ...]] = field(default_factory=_sorting)
    model: str = "tiny-warm"
    seed: int = 0
    steps: int = 300
    token_budget: int | None = None
    count_trained: bool = False
    prompts_per_step: int = 32
    max_new_tokens: int = 40
    learning_rate: float = 3e-4
    adam_betas: tuple[float, float] = (0.9, 0.95)
    max_grad_norm: float = 0.5
    iterations: int = 1
    eval_every: int = 25
    eval_problems: int = 32
    checkpoint_every: int = 50
    pool: int | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "prompts_per_step", "max_new_tokens", "eval_problems", "iterations"):
            if getattr(self, name) < 1:
                raise CurrlabError(f"'{name}' must be at least 1; got {getattr(self, name)}.")
        for name in ("eval_every", "checkpoint_every"):
            if getattr(self, name) < 0:
                raise CurrlabError(
                    f"'{name}' must be 0 (never) or more; got {getattr(self, name)}."
                )
        if not 0 < self.learning_rate < 1:
            raise CurrlabError(f"'learning_rate' must lie in (0, 1); got {self.learning_rate}.")
        if self.token_budget is not None and self.token_budget < 1:
            raise CurrlabError(f"'token_budget' must be at least 1; got {self.token_budget}.")

    def catalog(self) -> Catalog:
        return Catalog.of(self.levels, self.pool)

    def spent(self, generated: int, trained: int) -> int:
        """The tokens that count in the budget."""
        return generated + trained if self.count_trained else generated

    def share(self, step: int, tokens: int) -> float:
        """Share of the budget spent after `step` steps and `tokens` `spent`, in [0, 1]."""
        by_tokens = tokens / self.token_budget if self.token_budget else 0.0
        return min(1.0, max(step / self.steps, by_tokens))
