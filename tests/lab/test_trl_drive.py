"""A training in TRL, steered: what can be changed is, the rest says why not."""

import ipywidgets as widgets
import pytest
import torch
from test_session import asked_at

from currlab.curricula import make_recipe
from currlab.errors import CurrlabError
from currlab.lab.cockpit import Cockpit
from currlab.lab.session import Session
from currlab.lab.trl_drive import FIXED
from currlab.lab.zoom import microscope
from currlab.models import load_model
from currlab.runs import Run
from currlab.training.config import TrainingConfig
from currlab.training.grpo_trainer import CurriculumGRPOTrainer, train_with_trl


def recipe():
    return make_recipe("sec", settings={"fixed_group": {"size": 4}})


def config(**changes):
    told = {"levels": {"sorting": (3, 5)}, "steps": 5, "prompts_per_step": 4, "eval_every": 2}
    return TrainingConfig(**{**told, "eval_problems": 2, "max_new_tokens": 24, **changes})


def trl_trainer(run=None, **changes):
    torch.set_num_threads(1)
    return CurriculumGRPOTrainer(*load_model("tiny-warm"), recipe(), config(**changes), run)


CHANGES = {
    1: [
        lambda s: s.swap("select", "target", width=0.4),
        lambda s: s.set("sample", temperature=1.5),
    ],
    2: [lambda s: s.swap("reward", "random"), lambda s: s.offer(("sorting/3",))],
    4: [lambda s: s.stop()],
}


@pytest.fixture(scope="module")
def steered():
    session = asked_at(Session(trl_trainer()), CHANGES)
    session.run()
    return session


def test_changes_take_effect_in_the_next_step(steered):
    trainer = steered.trainer.trainer
    assert [
        (line["step"], line["dial"], line["change"]) for line in steered.trainer.history["steering"]
    ] == [
        (1, "select", "strategy"),
        (1, "sample", "parameters"),
        (2, "reward", "strategy"),
        (2, "select", "arms"),
        (4, "select", "stop"),
    ]
    assert trainer.recipe.select.name == "target"
    assert trainer.recipe.reward.name == "random"
    assert trainer.temperature == 1.5
    groups = steered.trainer.history["groups"]
    assert {g["arm"] for g in groups if g["step"] > 2} == {"sorting/3"}
    assert steered.state == "stopped"
    assert steered.result()["steps"] == len(steered.snapshot().steps) == 4


def test_without_a_change_it_is_the_run_that_trl_makes():
    session = Session(trl_trainer(steps=3))
    session.run()
    plain = train_with_trl(*load_model("tiny-warm"), recipe(), config(steps=3), progress=False)
    for told in (plain, session.result()):
        for name in list(told):
            if name.startswith("seconds"):
                del told[name]
    assert session.result() == plain
    assert session.state == "finished"


def test_what_trl_has_laid_out_is_refused_and_its_controls_say_why(steered):
    for wrong in (
        lambda: steered.swap("update", "grpo"),
        lambda: steered.swap("sample", "variance_filter"),
        lambda: steered.set("sample", size=8),
    ):
        with pytest.raises(CurrlabError, match="TRL lays out the rows"):
            wrong()
    cockpit = Cockpit(steered)
    dials = cockpit.dials
    assert [d for d in dials if dials[d].choice.disabled] == ["present", "sample", "update"]
    assert dials["sample"].fields["size"].disabled
    assert not dials["sample"].fields["temperature"].disabled
    assert not any(field.disabled for field in dials["select"].fields.values())
    shown = {d: dials[d].why.value for d in dials}
    assert [d for d in shown if FIXED in shown[d]] == ["present", "sample", "update"]
    assert isinstance(cockpit.widget, widgets.VBox)


def test_a_run_on_disk_is_steered_and_a_kept_one_is_refused(tmp_path):
    with Run.open(tmp_path / "run", {}) as run:
        session = asked_at(Session(trl_trainer(run)), {1: CHANGES[1], 2: [lambda s: s.stop()]})
        session.run()
        assert [line["change"] for line in run.records("steering")] == [
            "strategy",
            "parameters",
            "stop",
        ]
        assert run.results == session.result()
    with pytest.raises(CurrlabError, match="Only runs of the from-scratch engine are kept"):
        Session(trl_trainer(), tmp_path / "kept")


def test_a_training_stopped_before_its_first_step_takes_none():
    session = asked_at(Session(trl_trainer()), {0: [lambda s: s.stop()]})
    session.run()
    assert session.state == "stopped"
    assert session.result()["steps"] == 0


def test_the_microscope_takes_the_trainer(steered, monkeypatch):
    shown = []
    monkeypatch.setattr("currlab.lab.zoom.display", lambda page: shown.append(page.data))
    microscope(steered.trainer.trainer)
    microscope(steered)
    assert shown[0] == shown[1]
    assert "sorting/3" in shown[0]
