"""Run by torchrun on two processes: a straight run, and one that is interrupted and goes on."""

import json
import os
import sys
from pathlib import Path

from transformers import TrainerCallback
from trl_case import RESUMED, open_run, small_recipe, small_trainer

from currlab.training import trl_data


class StopIt(TrainerCallback):
    """Fails on every process in step 5."""

    def on_step_end(self, args, state, control, **_):
        if state.global_step == 5:
            raise KeyboardInterrupt


def train(folder: Path, rank: int, **options) -> None:
    run = open_run(folder) if rank == 0 else None
    trainer = small_trainer(RESUMED, small_recipe(), run)
    for callback in options.get("callbacks", []):
        trainer.add_callback(callback)
    try:
        trainer.train()
    except KeyboardInterrupt:
        pass
    finally:
        if run:
            run.close()
    report = {
        "recipe": trainer.recipe.state_dict(),
        "groups": [(g["arm"], g["seed"], g["rewards"]) for g in trainer.journal.history["groups"]],
        "costs": trainer.journal.costs,
        "checksum": sum(float(p.double().sum()) for p in trainer.model.parameters()),
    }
    folder.with_name(f"{folder.name}-{rank}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    trl_data.CPU_ROWS_AT_A_TIME = 3  # several forwards before each backward
    here, rank = Path(sys.argv[1]), int(os.environ["RANK"])
    train(here / "straight", rank)
    train(here / "interrupted", rank, callbacks=[StopIt()])
    train(here / "interrupted", rank)
