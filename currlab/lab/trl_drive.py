"""A trainer of TRL in the shape that a session drives: what can be steered there, and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from currlab.curricula.core import Recipe
from currlab.curricula.data import Clock
from currlab.training.collect import Collector
from currlab.training.config import TrainingConfig
from currlab.training.grpo_trainer import CurriculumGRPOTrainer
from currlab.training.steering import Change

FIXED = (
    "TRL lays out the rows of a step and its loss when its trainer is made; the from-scratch "
    "engine can change this while it trains."
)
NOT_FIRST = "of several processes only the first one is asked, and tells the others."


class TrlDrive:
    """`CurriculumGRPOTrainer`, steered between two steps like a `ScratchTrainer`.

    The strategies of select and reward can be changed, and the temperature. Under torchrun every
    process makes a session and runs it; only that of process 0 is asked for changes.
    """

    def __init__(self, trainer: CurriculumGRPOTrainer) -> None:
        self.trainer = trainer

    @property
    def recipe(self) -> Recipe:
        return self.trainer.recipe

    @property
    def config(self) -> TrainingConfig:
        return self.trainer.config

    @property
    def collector(self) -> Collector:
        return self.trainer.collector

    @property
    def clock(self) -> Clock:
        return self.trainer.clock

    @property
    def tokenizer(self) -> Any:
        return self.trainer.processing_class

    @property
    def history(self) -> dict[str, list[dict[str, Any]]]:
        return self.trainer.journal.history

    @property
    def stopped(self) -> bool:
        return self.trainer.steering.stopped

    def fixed(self, dial: str, parameter: str = "") -> str:
        """Why a dial's strategy, or one of its parameters, cannot be changed; "" if it can."""
        if not self.trainer.accelerator.is_main_process:
            return NOT_FIRST
        return "" if dial in ("select", "reward") or parameter == "temperature" else FIXED

    def steer(self, change: Change) -> None:
        """Make a change between two steps, and log it."""
        self.trainer.steering.steer(change)

    def train(
        self,
        progress: bool = False,
        on_step: Callable[[Mapping[str, float]], None] | None = None,
        before_step: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """As `ScratchTrainer.train`. The journal calls back before the next prompts are chosen."""
        trainer, journal = self.trainer, self.trainer.journal
        journal.on_step, trainer.steering.before_step = on_step, before_step
        trainer.train()
        judged = {row["step"] for row in self.history["eval"]}
        if self.stopped and self.config.eval_every and self.clock.step not in judged:
            trainer.evaluate()
        results = journal.results()
        if journal.run:
            journal.run.finish(results)
        return results
