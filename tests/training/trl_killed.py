"""Run as a script: a small TRL run that kills itself (SIGKILL) at the named moment."""

import os
import signal
import sys

import torch
from transformers import TrainerCallback
from trl_case import RESUMED, open_run, small_recipe, small_trainer


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DieAfterLogging(TrainerCallback):
    """Dies in step 5, after its lines are logged and before anything saves them."""

    def on_log(self, args, state, control, **_):
        if state.global_step == 5:
            die()


def die_while_saving(data, file, *rest, save=torch.save, **options):
    """Half of checkpoint-4: the weights are written, the optimiser is not."""
    if "checkpoint-4" in str(file):
        die()
    save(data, file, *rest, **options)


if __name__ == "__main__":
    folder, moment = sys.argv[1:]
    with open_run(folder) as run:
        trainer = small_trainer(RESUMED, small_recipe(), run, micro_batches=2)
        if moment == "logging":
            trainer.add_callback(DieAfterLogging())
        else:
            torch.save = die_while_saving
        trainer.train()
