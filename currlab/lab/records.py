"""What the views need of one step: small, plain, and never changed once it is made."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, takewhile
from typing import Any

from currlab.curricula.data import EQUAL_REWARDS
from currlab.lab.tally import ArmRecord, Tally, tally
from currlab.training.scratch import ScratchTrainer


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

    @cached_property
    def tally(self) -> Tally:
        """The steps so far by arm and stretch of steps."""
        return tally(
            (one.step, arm, record) for one in self.steps for arm, record in one.arms.items()
        )

    @property
    def changed_at(self) -> list[int]:
        """The steps after which somebody changed something."""
        return sorted({line["step"] for line in self.steering if line["change"] != "stop"})

    @property
    def seconds_left(self) -> float | None:
        """Training time that is left at the speed so far; None before the first step."""
        return self.seconds * (1 - self.share) / self.share if self.share and self.seconds else None


def step_record(trainer: ScratchTrainer, metrics: Mapping[str, float]) -> StepRecord:
    """The record of the step that was just taken."""
    step = int(metrics["step"])
    last = takewhile(lambda group: group["step"] == step, reversed(trainer.history["groups"]))
    return StepRecord(step, dict(metrics), _by_arm(last), copy.deepcopy(trainer.recipe.snapshot()))


def past_records(history: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[StepRecord]:
    """The records of steps taken before a session began; what strategies knew then is not kept."""
    groups = {
        step: list(found) for step, found in groupby(history["groups"], lambda group: group["step"])
    }
    return [
        StepRecord(line["step"], dict(line), _by_arm(groups.get(line["step"], ())), {})
        for line in history["metrics"]
    ]


def _by_arm(groups: Iterable[Mapping[str, Any]]) -> dict[str, ArmRecord]:
    by_arm: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for group in groups:
        by_arm[group["arm"]].append(group)
    return {arm: _arm_record(found) for arm, found in by_arm.items()}


def _arm_record(groups: Sequence[Mapping[str, Any]]) -> ArmRecord:
    rates = [sum(group["correct"]) / len(group["correct"]) for group in groups]
    equal = [max(g["rewards"]) - min(g["rewards"]) <= EQUAL_REWARDS for g in groups]
    return ArmRecord(len(groups), sum(rates) / len(rates), sum(equal) / len(equal))
