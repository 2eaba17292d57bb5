"""A steered training: changes between steps, a log that repeats it, and a thread that always ends."""

import json
import multiprocessing
import os
import shutil
import signal
import threading
import time

import pytest
import torch
from click.testing import CliRunner

from currlab.cli import app
from currlab.curricula import make_recipe, strategy_names
from currlab.curricula.core import DIALS, Select
from currlab.errors import CurrlabError
from currlab.lab.replay import open_run, replay
from currlab.lab.session import Session, StillTrainingError
from currlab.models import load_model
from currlab.runs import Run
from currlab.training.config import TrainingConfig
from currlab.training.scratch import ScratchTrainer

SECONDS = 120


def trainer_for(folder=None, select="sec", steps=8, **changes):
    settings = {
        "levels": {"sorting": (3, 5, 6)},
        "steps": steps,
        "prompts_per_step": 4,
        "eval_every": 4,
        "checkpoint_every": 3,
        "eval_problems": 2,
        "learning_rate": 3e-4,
        "max_new_tokens": 24,
    }
    config = TrainingConfig(**{**settings, **changes})
    torch.set_num_threads(1)
    model, tokenizer = load_model("tiny-warm", "cpu")
    recipe = make_recipe(select, settings={"fixed_group": {"size": 4}})
    run = open_run(folder, recipe, config) if folder else None
    return ScratchTrainer(model, tokenizer, recipe, config, run)


def asked_at(session, changes):
    """Let the training itself ask for `changes[step]` at the boundary after `step` steps."""
    real, trainer = session._before_step, session.trainer

    def before_step():
        for change in changes.get(trainer.clock.step, []):
            change(session)
        real()

    session._before_step = before_step
    return session


CHANGES = {
    1: [lambda s: s.swap("select", "target", width=0.3)],
    2: [
        lambda s: s.set("sample", temperature=1.3),
        lambda s: s.offer(("sorting/3", "sorting/5", "sorting/9")),
    ],
    4: [lambda s: s.set("select", floor=0.4), lambda s: s.set("sample", size=6)],
    5: [lambda s: s.swap("select", "sec", seed=7, temperature=0.5)],
}


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.fixture(scope="module")
def steered(tmp_path_factory):
    """A finished run that was steered five times, and its session."""
    folder = tmp_path_factory.mktemp("steered") / "run"
    session = asked_at(Session(trainer_for(folder)), CHANGES)
    session.start()
    session.wait(SECONDS)
    session.result()
    session.trainer.run.close()
    norms = [line["grad_norm"] for line in session.trainer.history["metrics"]]
    assert all(norm > 0 for norm in norms[2:]), "every change must show in the weights"
    return folder, session


# ---------------------------------------------------------------- steering


def test_every_change_is_logged_with_all_that_repeats_it(steered):
    folder, session = steered
    lines = Run(folder).records("steering")
    assert [(line["step"], line["dial"], line["change"]) for line in lines] == [
        (1, "select", "strategy"),
        (2, "sample", "parameters"),
        (2, "select", "arms"),
        (4, "select", "parameters"),
        (4, "sample", "parameters"),
        (5, "select", "strategy"),
    ]
    assert lines[1]["parameters"] == {"size": 4, "temperature": 1.3}
    assert lines[2]["strategy"] == "target"
    assert lines[2]["parameters"]["width"] == 0.3
    assert lines[2]["arms"] == ["sorting/3", "sorting/5", "sorting/9"]
    assert lines[5]["seed"] == 7
    assert json.loads(json.dumps(session.snapshot().steering)) == lines


def test_the_next_step_is_taken_under_the_change(steered):
    groups = Run(steered[0]).records("groups")
    sizes = {line["step"]: len(line["rewards"]) for line in groups}
    assert [sizes[step] for step in range(1, 9)] == [4] * 4 + [6] * 4
    arms = {line["arm"] for line in groups if line["step"] > 2}
    assert arms <= {"sorting/3", "sorting/5", "sorting/9"}
    assert {row["arm"] for row in Run(steered[0]).records("eval")} == {
        "sorting/3",
        "sorting/5",
        "sorting/6",
    }


def test_a_replay_is_the_same_run_in_every_metric_and_weight(steered):
    folder, session = steered
    again = replay(folder)
    assert again.differences == ()
    assert again.changes == 6
    assert torch.equal(weights(again.trainer.model), weights(session.trainer.model))


def test_a_replay_tells_what_differs(steered, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(steered[0], folder)
    lines = (folder / "steering.jsonl").read_text().splitlines()
    changed = lines[1].replace('"temperature": 1.3', '"temperature": 0.7')
    assert changed != lines[1]
    (folder / "steering.jsonl").write_text("\n".join([lines[0], changed, *lines[2:]]) + "\n")
    told = replay(folder).differences
    assert "metrics.jsonl differs from line 3 on" in told
    assert "the weights differ" in told


def _die_after(folder, step):
    session = asked_at(Session(trainer_for(folder)), CHANGES)
    real = session._after_step

    def after(metrics):
        real(metrics)
        if metrics["step"] == step:
            os.kill(os.getpid(), signal.SIGKILL)

    session._after_step = after
    session.run()


@pytest.mark.parametrize("step", [2, 5, 7])
def test_a_killed_steered_run_goes_on_to_the_same_end(steered, tmp_path, step):
    process = multiprocessing.get_context("spawn").Process(
        target=_die_after, args=(tmp_path / "run", step)
    )
    process.start()
    process.join(SECONDS)
    assert process.exitcode == -signal.SIGKILL
    trainer = trainer_for(tmp_path / "run")
    assert trainer.clock.step < step
    # Nobody asks again: the log knows what was changed up to the kill; the rest is asked for.
    later = {at: asked for at, asked in CHANGES.items() if at >= step}
    session = asked_at(Session(trainer), later)
    session.run()
    trainer.run.close()
    assert torch.equal(weights(trainer.model), weights(steered[1].trainer.model))
    for stream in ("groups", "eval", "steering"):
        assert Run(tmp_path / "run").records(stream) == Run(steered[0]).records(stream)


EVERY_SWAP = [(dial, name) for dial in DIALS for name in strategy_names(dial)]


def _swap_them_all(folder, dies_after=None):
    """A run in which every strategy has its turn on every dial that it turns, one more a step."""
    trainer = trainer_for(
        folder, steps=len(EVERY_SWAP) + 1, eval_every=0, checkpoint_every=len(EVERY_SWAP) // 3
    )
    logged = len(trainer.history["steering"]) + len(trainer.planned)
    changes = {
        step: [lambda s, dial=dial, name=name: s.swap(dial, name)]
        for step, (dial, name) in enumerate(EVERY_SWAP, start=1)
        if step > logged
    }
    session = asked_at(Session(trainer), changes)
    refused, real = [], session._after_step

    def after(metrics):
        real(metrics)
        refused.append(session._refused)
        if metrics["step"] == dies_after:
            os.kill(os.getpid(), signal.SIGKILL)

    session._after_step = after
    session.run()
    return session, refused


@pytest.mark.slow
def test_every_strategy_on_every_dial_is_swapped_in_killed_gone_on_with_and_repeated(tmp_path):
    middle = len(EVERY_SWAP) // 2
    process = multiprocessing.get_context("spawn").Process(
        target=_swap_them_all, args=(tmp_path / "run", middle)
    )
    process.start()
    process.join(2 * SECONDS)
    assert process.exitcode == -signal.SIGKILL
    assert len(Run(tmp_path / "run").records("steering")) == middle - 1
    session, refused = _swap_them_all(tmp_path / "run")
    session.trainer.run.close()
    assert not any(refused)
    lines = Run(tmp_path / "run").records("steering")
    assert [(line["dial"], line["strategy"]) for line in lines] == EVERY_SWAP
    again = replay(tmp_path / "run")
    assert again.differences == ()
    assert torch.equal(weights(again.trainer.model), weights(session.trainer.model))


def test_a_kept_session_is_repeated_from_weights_that_have_no_name(tmp_path):
    trainer = trainer_for(steps=4, eval_every=0, checkpoint_every=0)
    with torch.no_grad():
        for weight in trainer.model.parameters():
            weight.mul_(1.01)
    trainer.evaluate()  # what came before is not the session's
    session = asked_at(
        Session(trainer, tmp_path / "kept"), {2: [lambda s: s.swap("select", "dump")]}
    )
    session.run()
    trainer.evaluate()  # nor is what comes after
    again = replay(tmp_path / "kept" / "1")
    assert again.differences == ()
    assert again.changes == 1
    assert torch.equal(weights(again.trainer.model), weights(trainer.model))


def test_every_session_is_kept_in_a_folder_of_its_own(tmp_path):
    for number in ("1", "2"):
        session = Session(trainer_for(steps=1, eval_every=0, checkpoint_every=0), tmp_path)
        session.run()
        assert Run(tmp_path / number).finished
        with pytest.raises(CurrlabError, match="has taken steps"):
            Session(session.trainer, tmp_path)


def test_memory_survives_new_parameters_and_not_a_swap():
    session = Session(trainer_for())
    trainer = session.trainer
    seen = []
    asked = {
        2: [
            lambda s: seen.append(dict(trainer.recipe.select.memory["Q"])),
            lambda s: s.set("select", temperature=0.9),
        ],
        4: [lambda s: s.swap("select", "sec")],
    }
    asked_at(session, asked)
    taken = trainer.steer

    def steer(change):
        taken(change)
        seen.append(dict(trainer.recipe.select.memory["Q"]))

    trainer.steer = steer
    session.run()
    assert seen[0] == seen[1] != {"sorting/3": 0.0, "sorting/5": 0.0, "sorting/6": 0.0}
    assert seen[2] == {"sorting/3": 0.0, "sorting/5": 0.0, "sorting/6": 0.0}


def test_of_many_wishes_the_last_one_counts_and_no_change_is_no_line():
    session = Session(trainer_for(steps=2))
    for temperature in (0.5, 0.6, 1.7, 0.8):
        session.set("sample", temperature=temperature)
    session.swap("select", "target", width=0.5)
    session.set("select", floor=0.2)
    session.offer(("sorting/3", "sorting/5", "sorting/6"))
    session.run()
    lines = session.snapshot().steering
    assert [line["change"] for line in lines] == ["parameters", "strategy"]
    assert lines[0]["parameters"]["temperature"] == 0.8
    assert lines[1]["parameters"]["floor"] == 0.2
    assert lines[1]["parameters"]["width"] == 0.5


def test_bad_wishes_are_refused_at_once_with_one_sentence():
    session = Session(trainer_for())
    for wrong in (
        lambda: session.set("sample", temperature=99.0),
        lambda: session.set("sample", temprature=1.0),
        lambda: session.swap("select", "nonsense"),
        lambda: session.swap("select", "fixed_group"),
        lambda: session.swap("nonsense", "sec"),
        lambda: session.offer(()),
        lambda: session.offer(("sorting/999",)),
    ):
        with pytest.raises(CurrlabError):
            wrong()
    assert session._controls.take() == []


# ---------------------------------------------------------------- the thread


def started(**changes):
    session = Session(trainer_for(steps=200, eval_every=0, **changes))
    session.pause()
    session.start()
    return session


def until(condition):
    end = time.monotonic() + SECONDS
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_pause_single_step_resume_and_stop():
    session = started()
    until(lambda: session.snapshot().version > 0)
    assert session.state == "paused"
    with pytest.raises(StillTrainingError, match="paused at step 0"):
        session.result()
    session.single_step()
    until(lambda: len(session.snapshot().steps) == 1)
    assert session.state == "paused"
    session.resume()
    until(lambda: len(session.snapshot().steps) >= 3)
    session.stop()
    session.wait(SECONDS)
    assert session.state == "stopped"
    assert session.result()["steps"] == len(session.snapshot().steps) < 200
    assert session.snapshot().steering[-1]["change"] == "stop"


def test_a_paused_session_can_be_stopped_and_replaced():
    session = started()
    session.stop()
    session.wait(SECONDS)
    assert session.state == "stopped"
    other = started()
    other.abandon()
    assert other.state == "stopped"
    with pytest.raises(CurrlabError, match="replaced"):
        other.result()


def test_a_stopped_run_replays_to_its_stop(tmp_path):
    session = asked_at(Session(trainer_for(tmp_path / "run")), {5: [lambda s: s.stop()]})
    session.run()
    session.trainer.run.close()
    again = replay(tmp_path / "run")
    assert again.differences == ()
    assert again.trainer.clock.step == 5


class Breaks(Select):
    name, title = "breaks", "raises at the first choice"

    def choose(self, n, clock):
        raise RuntimeError("<b>out of problems</b>")


def test_what_the_thread_raises_reaches_the_cell_and_the_view():
    trainer = trainer_for()
    trainer.recipe = trainer.collector.recipe = trainer.recipe.with_dial("select", Breaks())
    session = Session(trainer)
    session.start()
    session.wait(SECONDS)
    with pytest.raises(RuntimeError, match="out of problems"):
        session.result()
    assert session.snapshot().state == "failed"
    assert "out of problems" in session.snapshot().error


class Unwilling(Select):
    name, title = "unwilling", "refuses every catalog"

    def bind(self, catalog):
        raise CurrlabError("This strategy needs a fixed pool.")


def test_a_strategy_that_refuses_the_catalog_leaves_the_run_as_it_was(monkeypatch):
    from currlab.curricula.registry import STRATEGIES

    monkeypatch.setitem(STRATEGIES, "unwilling", Unwilling)
    session = asked_at(Session(trainer_for()), {1: [lambda s: s.swap("select", "unwilling")]})
    told = []
    real = session._after_step
    session._after_step = lambda metrics: (told.append(session._refused), real(metrics))
    session.run()
    assert told[1] == "This strategy needs a fixed pool."
    assert session.trainer.recipe.select.name == "sec"
    assert session.snapshot().steering == ()


def test_shaken_from_many_threads_it_neither_crashes_nor_forgets():
    session = Session(trainer_for(steps=10))
    session.start()

    def shake(seed):
        for i in range(100):
            session.set("sample", temperature=0.5 + 0.01 * ((i + seed) % 50))
            session.set("select", temperature=0.1 + 0.01 * (i % 9))
            session.pause() if i % 3 else session.resume()
            session.snapshot()

    threads = [threading.Thread(target=shake, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    session.resume()
    session.wait(SECONDS)
    assert session.result()["steps"] == 10
    assert [record.step for record in session.snapshot().steps] == list(range(1, 11))


def test_a_session_says_what_it_can_drive():
    with pytest.raises(CurrlabError, match=r"drives a ScratchTrainer or a .*; got int"):
        Session(3)


def test_a_session_that_goes_on_shows_the_steps_before_it(tmp_path):
    first = asked_at(Session(trainer_for(tmp_path / "run")), {5: [lambda s: s.abandon()]})
    with pytest.raises(CurrlabError, match="replaced"):
        first.run()
    first.trainer.run.close()
    second = Session(trainer_for(tmp_path / "run"))
    assert [record.step for record in second.snapshot().steps] == [1, 2, 3]
    told = first.snapshot().steps[:3]
    assert [r.arms for r in second.snapshot().steps] == [r.arms for r in told]
    second.run()
    second.trainer.run.close()
    assert [record.step for record in second.snapshot().steps] == list(range(1, 9))


def test_a_replay_needs_a_finished_run_that_says_how_it_was_made(tmp_path):
    with Run.open(tmp_path / "a", {"engine": "scratch"}) as run:
        with pytest.raises(CurrlabError, match="not finished"):
            replay(run.folder)
        run.finish({})
    with pytest.raises(CurrlabError, match="does not say how"):
        replay(tmp_path / "a")


def test_the_command_repeats_a_run_and_fails_where_it_differs(steered, tmp_path):
    same = CliRunner().invoke(app, ["replay", str(steered[0])])
    assert same.exit_code == 0
    assert "The same in every number and weight." in same.output
    shutil.copytree(steered[0], tmp_path / "copy")
    (tmp_path / "copy/steering.jsonl").write_text("")
    other = CliRunner().invoke(app, ["replay", str(tmp_path / "copy")])
    assert other.exit_code == 1
    assert "the weights differ" in other.output
