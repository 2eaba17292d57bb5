"""Killed TRL runs go on to the very numbers of an uninterrupted run."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from trl_case import RESUMED, open_run, small_recipe, small_trainer, state_of

from currlab.errors import CurrlabError


def train(folder, recipe=None, **options):
    with open_run(folder) as run:
        trainer = small_trainer(RESUMED, recipe, run, micro_batches=2, **options)
        trainer.train()
        return trainer, state_of(run)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight") / "run"
    return folder, train(folder)[1]


@pytest.mark.parametrize(
    ("moment", "whole"), [("logging", "checkpoint-4"), ("saving", "checkpoint-2")]
)
def test_a_killed_run_goes_on_bit_for_bit(tmp_path, uninterrupted, moment, whole):
    script = Path(__file__).with_name("trl_killed.py")
    killed = subprocess.run(
        [sys.executable, script, tmp_path / "run", moment], capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    with open_run(tmp_path / "run") as run:
        # What was written after the checkpoint is still there: resuming has something to cut.
        assert len(run.records("metrics")) == (5 if moment == "logging" else 4)
        assert (run.checkpoints / "checkpoint-4" / "model.safetensors").exists()
        assert run.newest_checkpoint().name == whole
    _, state = train(tmp_path / "run")
    logs, tensors = state
    assert [line["step"] for line in logs["metrics"]] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in logs["groups"]] == [s for s in range(1, 7) for _ in range(4)]
    assert [line["step"] for line in logs["eval"]] == [s for s in (0, 3, 6) for _ in range(3)]
    assert logs == uninterrupted[1][0]
    assert tensors == uninterrupted[1][1]


def copied(run_folder: Path, folder: Path) -> Path:
    """A copy of a run, as if it had been killed after its step-4 checkpoint."""
    shutil.copytree(run_folder, folder, ignore=shutil.ignore_patterns("checkpoint-6"))
    return folder


def test_the_recipe_and_the_costs_are_restored(tmp_path, uninterrupted):
    recipe, fresh = small_recipe(), small_recipe()
    trainer, _ = train(copied(uninterrupted[0], tmp_path / "run"), recipe)
    whole = json.loads(
        (uninterrupted[0] / "checkpoints" / "checkpoint-6" / "currlab.json").read_text()
    )
    assert json.loads(json.dumps(recipe.state_dict())) == whole["recipe"]
    assert trainer.journal.costs == whole["costs"]
    assert recipe.state_dict() != fresh.state_dict()


def test_a_complete_run_is_not_trained_any_further(tmp_path, uninterrupted):
    folder, (logs, tensors) = uninterrupted
    trainer, again = train(folder)
    assert again == (logs, tensors)
    assert trainer.journal.results()["steps"] == 6
    assert len(trainer.journal.results()["evaluation"]) == 3
    weights = {name: value.tolist() for name, value in trainer.model.named_parameters()}
    assert weights == {name: tensors[name] for name in weights}


@pytest.mark.parametrize(
    "file", ["model.safetensors", "optimizer.pt", "rng_state.pth", "trainer_state.json"]
)
def test_a_damaged_checkpoint_is_named_and_nothing_is_overwritten(tmp_path, uninterrupted, file):
    folder = copied(uninterrupted[0], tmp_path / "run")
    damaged = folder / "checkpoints" / "checkpoint-4" / file
    damaged.write_bytes(damaged.read_bytes()[:40])
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    with pytest.raises(CurrlabError, match="checkpoint-4' is damaged"):
        train(folder)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


class Boobytrap:
    """Unpickling this creates a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("file", ["optimizer.pt", "rng_state.pth", "scheduler.pt"])
def test_a_checkpoint_cannot_run_code(tmp_path, uninterrupted, file):
    folder, witness = copied(uninterrupted[0], tmp_path / "run"), tmp_path / "witness"
    torch.save(Boobytrap(witness), folder / "checkpoints" / "checkpoint-4" / file)
    with pytest.raises(CurrlabError, match="checkpoint-4' is damaged"):
        train(folder)
    assert not witness.exists()
    torch.load(folder / "checkpoints" / "checkpoint-4" / file, weights_only=False)
    assert witness.exists()  # the trap works; it was just never sprung


@pytest.mark.parametrize("change", [{"engine": "scratch"}, {"processes": 2}])
def test_a_checkpoint_of_another_engine_or_world_is_refused(tmp_path, uninterrupted, change):
    folder = copied(uninterrupted[0], tmp_path / "run")
    record = folder / "checkpoints" / "checkpoint-4" / "currlab.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), **change}))
    with pytest.raises(CurrlabError, match="engine 'trl' with 1"):
        train(folder)
