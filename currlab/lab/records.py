"""What the views need of one step: small, plain, and never changed once it is made."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from currlab.curricula.data import EQUAL_REWARDS
from currlab.training.scratch import ScratchTrainer


@dataclass(frozen=True)
class ArmRecord:
    """One arm in one step: its groups, and the means over them."""

    groups: int
    pass_rate: float
    zero_variance: float


@dataclass(frozen=True)
class StepRecord:
    """One step: its metrics, its arms, and the numbers of every strategy after it."""

    step: int
    metrics: Mapping[str, float]
    arms: Mapping[str, ArmRecord]
    strategies: Mapping[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """What a view may know: a copy, whole and of one moment.

    `state` is "ready", "running", "paused", "finished", "stopped" or "failed"; `version` grows with
    everything new. `recipe` is what `Recipe.describe` says; `error` is what ended a failed run.
    """

    state: str
    version: int
    share: float
    tokens: int
    seconds: float
    recipe: Mapping[str, Any]
    arms: tuple[str, ...]
    steps: tuple[StepRecord, ...]
    evaluations: tuple[Mapping[str, Any], ...]
    steering: tuple[Mapping[str, Any], ...]
    refused: str
    error: str

    @property
    def seconds_left(self) -> float | None:
        """Training time that is left at the speed so far; None before the first step."""
        return self.seconds * (1 - self.share) / self.share if self.share and self.seconds else None


def step_record(trainer: ScratchTrainer, metrics: Mapping[str, float]) -> StepRecord:
    """The record of the step that was just taken."""
    step = int(metrics["step"])
    last = takewhile(lambda group: group["step"] == step, reversed(trainer.history["groups"]))
    by_arm: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for group in last:
        by_arm[group["arm"]].append(group)
    arms = {arm: _arm_record(groups) for arm, groups in by_arm.items()}
    return StepRecord(step, dict(metrics), arms, copy.deepcopy(trainer.recipe.snapshot()))


def _arm_record(groups: list[Mapping[str, Any]]) -> ArmRecord:
    rates = [sum(group["correct"]) / len(group["correct"]) for group in groups]
    equal = [max(g["rewards"]) - min(g["rewards"]) <= EQUAL_REWARDS for g in groups]
    return ArmRecord(len(groups), sum(rates) / len(rates), sum(equal) / len(equal))
