"""Run by torchrun on two processes: straight runs, an interrupted one, and steered ones."""

import json
import os
import sys
from pathlib import Path

from transformers import TrainerCallback
from trl_case import (
    KINDS,
    RESUMED,
    SHORT,
    change_it,
    kind_of_recipe,
    open_run,
    small_recipe,
    small_trainer,
)

from currlab.errors import CurrlabError
from currlab.lab.session import Session
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
    report(folder, rank, trainer)


def steer(folder: Path, rank: int, callbacks=()) -> None:
    """A session on each process; the wishes are those of process 0 alone."""
    run = open_run(folder) if rank == 0 else None
    trainer = small_trainer(RESUMED, small_recipe(), run)
    for callback in callbacks:
        trainer.add_callback(callback)
    session = Session(trainer)
    if rank == 0:
        change_it(session)
    else:
        try:
            session.set("select", temperature=0.9)
        except CurrlabError as error:
            folder.with_name("refused.txt").write_text(str(error))
    try:
        session.run()
    except KeyboardInterrupt:
        pass
    finally:
        if run:
            run.close()
    report(folder, rank, trainer)


def abandon(folder: Path, rank: int) -> None:
    """Process 0 fails between two steps; the other one ends, too, and says so."""
    trainer = small_trainer(RESUMED, small_recipe())
    if rank == 0:
        trainer.steering.before_step = lambda: 1 / (trainer.clock.step < 2)
    try:
        trainer.train()
    except (ZeroDivisionError, CurrlabError) as error:
        told = {"error": str(error), "step": trainer.clock.step}
        folder.with_name(f"{folder.name}-{rank}.json").write_text(json.dumps(told))


def report(folder: Path, rank: int, trainer) -> None:
    told = {
        "recipe": trainer.recipe.state_dict(),
        "groups": [(g["arm"], g["seed"], g["rewards"]) for g in trainer.journal.history["groups"]],
        "steering": trainer.journal.history["steering"],
        "costs": trainer.journal.costs,
        "checksum": sum(float(p.double().sum()) for p in trainer.model.parameters()),
    }
    folder.with_name(f"{folder.name}-{rank}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    trl_data.CPU_ROWS_AT_A_TIME = 3  # several forwards before each backward
    here, rank = Path(sys.argv[1]), int(os.environ["RANK"])
    train(here / "straight", rank)
    train(here / "interrupted", rank, callbacks=[StopIt()])
    train(here / "interrupted", rank)
    for kind in KINDS:
        run = open_run(here / kind) if rank == 0 else None
        trainer = small_trainer(SHORT, kind_of_recipe(kind), run)
        trainer.train()
        report(here / kind, rank, trainer)
    steer(here / "steered", rank)
    steer(here / "steered-again", rank, [StopIt()])
    train(here / "steered-again", rank)
    abandon(here / "abandoned", rank)
