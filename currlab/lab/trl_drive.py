"""A trainer of TRL in the shape that a session drives: what can be steered there, and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from currlab.curricula.core import Recipe
from currlab.curricula.data import Clock
from currlab.errors import CurrlabError
from currlab.training.collect import Collector
from currlab.training.config import TrainingConfig
from currlab.training.grpo_trainer import CurriculumGRPOTrainer
from currlab.training.steering import Change, steered

FIXED = (
    "TRL lays out the rows of a step and its loss when its trainer is made; the from-scratch "
    "engine can change this while it trains."
)


class TrlDrive:
    """`CurriculumGRPOTrainer`, steered between two steps like a `ScratchTrainer`.

    The strategies of select and reward can be changed, and the temperature. It runs in one process,
    and without a run on disk: TRL's checkpoints know of one recipe only.
    """

    def __init__(self, trainer: CurriculumGRPOTrainer) -> None:
        if trainer.journal.run is not None or trainer.accelerator.num_processes > 1:
            raise CurrlabError(
                "In TRL a run is steered in one process and without a run folder; make the trainer "
                "without `run`, or use the from-scratch engine."
            )
        self.trainer, self.stopped = trainer, False
        self.steering: list[dict[str, Any]] = []

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
        return {**self.trainer.journal.history, "steering": self.steering}

    def fixed(self, dial: str, parameter: str = "") -> str:
        """Why a dial's strategy, or one of its parameters, cannot be changed; "" if it can."""
        return "" if dial in ("select", "reward") or parameter == "temperature" else FIXED

    def steer(self, change: Change) -> None:
        """Make a change between two steps, and log it."""
        if change.change == "stop":
            self.stopped = True
        else:
            trainer, collector = self.trainer, self.collector
            recipe, collector.catalog = steered(trainer.recipe, collector.catalog, change)
            trainer.recipe = collector.recipe = recipe
            trainer.policy.references.keep(recipe.references())
        self.steering.append(asdict(change))

    def train(
        self,
        progress: bool = False,
        on_step: Callable[[Mapping[str, float]], None] | None = None,
        before_step: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """As `ScratchTrainer.train`. The journal calls back before the next prompts are chosen."""

        def between(metrics: Mapping[str, float]) -> None:
            if on_step is not None:
                on_step(metrics)
            if before_step is not None and self.clock.share < 1:
                before_step()
            self.trainer.control.should_training_stop |= self.stopped

        if before_step is not None:
            before_step()
        if not self.stopped:
            self.trainer.journal.on_step = between
            self.trainer.train()
        judged = {row["step"] for row in self.history["eval"]}
        if self.stopped and self.config.eval_every and self.clock.step not in judged:
            self.trainer.evaluate()
        return self.trainer.journal.results()
