"""Changing the recipe of a TRL run between two steps, in the same way on every process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from accelerate.utils import broadcast_object_list

from currlab.curricula.core import Recipe
from currlab.curricula.data import Catalog
from currlab.errors import CurrlabError
from currlab.training.steering import Change, steered

if TYPE_CHECKING:
    from currlab.training.grpo_trainer import CurriculumGRPOTrainer


class TrlSteering:
    """The boundary between two steps: process 0 decides, every process makes the same changes.

    `before_step` is called on process 0 only and may `steer`; `planned` are changes of an
    interrupted run that are made again when their step comes. The other processes wait meanwhile,
    no longer than torch.distributed's timeout (half an hour on CPUs, ten minutes on GPUs): a pause
    beyond it ends the run.
    """

    def __init__(self, trainer: CurriculumGRPOTrainer) -> None:
        self.trainer, self.stopped = trainer, False
        self.before_step: Callable[[], None] | None = None
        self.planned: list[Change] = []

    def steer(self, change: Change) -> None:
        """Make a change on this process, and log it. Nothing is changed if it is refused."""
        if change.change == "stop":
            self.stopped = True
        else:
            trainer = self.trainer
            self.adopt(*steered(trainer.recipe, trainer.collector.catalog, change))
        self.trainer.journal.log("steering", asdict(change))

    def adopt(self, recipe: Recipe, catalog: Catalog) -> None:
        """Go on under this recipe and catalog, whose select strategy is bound already."""
        trainer = self.trainer
        trainer.recipe = trainer.collector.recipe = recipe
        trainer.collector.catalog = catalog
        trainer.policy.references.keep(recipe.references())

    def boundary(self) -> None:
        """Called by every process before the next prompts are chosen.

        What process 0 raises ends the run there, and with a CurrlabError on the others: they must
        not wait for it in vain.
        """
        if self.trainer.accelerator.process_index:
            changes = broadcast_object_list([None])[0]
            if changes is None:
                raise CurrlabError("The first process ended the run between two steps.")
            for change in changes:
                self.steer(change)
            return
        steering = self.trainer.journal.history["steering"]
        made = len(steering)
        try:
            self._decide()
        except BaseException:
            broadcast_object_list([None])
            raise
        broadcast_object_list([[Change.read(line) for line in steering[made:]]])

    def _decide(self) -> None:
        step = self.trainer.clock.step
        while self.planned and self.planned[0].step <= step:
            self.steer(self.planned.pop(0))
        if self.before_step is not None and not self.stopped:
            self.before_step()
