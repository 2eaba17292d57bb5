"""What the cockpit shows and asks for, without a browser."""

import asyncio
import re
import threading
from dataclasses import replace

import ipywidgets as widgets
import pytest
from test_session import asked_at, trainer_for, until

import currlab.lab.live_cell as live_module
from currlab.curricula import describe, strategy_names
from currlab.curricula.core import DIALS
from currlab.curricula.registry import STRATEGIES
from currlab.errors import CurrlabError
from currlab.lab.cockpit import Cockpit
from currlab.lab.dials import parameter_widget
from currlab.lab.live_cell import live
from currlab.lab.panels import PANELS, POINTS, overview
from currlab.lab.session import Session
from currlab.lab.views import time_words


@pytest.fixture
def finished():
    session = Session(trainer_for(steps=6))
    session.run()
    return session


def everything(cockpit):
    """All text that the cockpit shows, as HTML."""
    return " ".join(w.value for w in walk(cockpit.widget) if isinstance(w, widgets.HTML))


def walk(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


def follow_to_the_end(cockpit):
    async def wait():
        cockpit.follow()
        await cockpit._task

    asyncio.run(wait())


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_parameter_has_a_widget_that_starts_at_its_default_and_knows_its_bounds(name):
    for parameter in describe(name)["parameters"]:
        widget = parameter_widget(parameter, parameter["default"])
        value = parameter["default"]
        assert widget.value == (pytest.approx(value) if isinstance(value, float) else value)
        if isinstance(widget, widgets.FloatSlider | widgets.IntSlider):
            assert (widget.min, widget.max) == (parameter["low"], parameter["high"])


def test_a_finished_session_shows_every_picture_with_words_and_a_table_behind(finished):
    cockpit = Cockpit(finished)
    follow_to_the_end(cockpit)
    shown = everything(cockpit)
    assert shown.count("<img") == shown.count("alt=") == len(PANELS)
    assert "<table" not in shown
    for view in cockpit.views:
        view.open.value = True
    assert everything(cockpit).count("<table") == len(PANELS)
    assert "finished" in shown
    assert "step 6 of 6" in shown
    assert all(button.disabled for button in cockpit.buttons.values())


def test_one_of_a_strategy_s_numbers_is_chosen_and_stays_chosen():
    session = Session(trainer_for(steps=6, select="bots"))
    session.run()
    view = Cockpit(session).views[3]
    view.show(session.snapshot())
    assert view.choice.options[:2] == ("bots: pass rate", "bots: evidence")
    before = view.image.value
    view.choice.value = "bots: evidence"
    assert view.image.value != before
    view.show(session.snapshot())
    assert view.choice.value == "bots: evidence"
    view.choice.value = "bots: single numbers"
    assert "capability goes from" in view.image.value


def test_changes_are_told_by_what_changed_newest_first():
    session = asked_at(
        Session(trainer_for(steps=4)),
        {
            1: [lambda s: s.set("sample", temperature=1.3)],
            2: [lambda s: s.swap("select", "target", width=0.3)],
            3: [lambda s: s.set("select", width=0.25), lambda s: s.stop()],
        },
    )
    cockpit = Cockpit(session)
    session.run()
    follow_to_the_end(cockpit)
    told = re.findall("<dd>(.*?)</dd>", cockpit.log.value)
    assert told[0] == "stopped"
    assert told[1] == "target: width 0.3 → 0.25"
    assert told[2].startswith("select: target (")
    assert told[3] == "fixed_group: temperature 1.0 → 1.3"


def test_before_the_first_step_it_says_so():
    cockpit = Cockpit(Session(trainer_for()))
    assert "after the first step" in everything(cockpit)
    assert "ready" in cockpit.status.value


def test_every_dial_has_its_strategies(finished):
    cockpit = Cockpit(finished)
    for dial in DIALS:
        offered = {name for _, name in cockpit.dials[dial].choice.options}
        assert offered >= set(strategy_names(dial))


def test_a_swap_a_slider_and_a_reset_reach_the_training():
    session = Session(trainer_for(select="uniform"))
    cockpit = Cockpit(session)
    box = cockpit.dials["select"]
    box.choice.value = "sec"
    default = box.fields["temperature"].value
    box.fields["temperature"].value = 2 * default
    session.run()
    (changed,) = session.snapshot().steering  # both were asked for before the same step
    assert changed["strategy"] == "sec"
    assert changed["parameters"]["temperature"] == pytest.approx(2 * default)
    box.reset.click()
    assert box.fields["temperature"].value == default


def test_a_refused_change_is_said_in_the_view_and_changes_nothing(monkeypatch):
    session = Session(trainer_for())

    def refuse(dial, **parameters):
        raise CurrlabError("<b>Not</b> today.")

    monkeypatch.setattr(session, "set", refuse)
    cockpit = Cockpit(session)
    cockpit.dials["select"].fields["temperature"].value = 0.7
    assert "&lt;b&gt;Not&lt;/b&gt; today." in cockpit.status.value
    session.run()
    assert session.snapshot().steering == ()


def test_an_error_of_the_training_is_shown_as_text():
    session = Session(trainer_for())

    def explode():
        raise RuntimeError("<img src=x onerror=alert(1)>")

    session.trainer.collector.collect = lambda *_: explode()
    with pytest.raises(RuntimeError):
        session.run()
    cockpit = Cockpit(session)
    follow_to_the_end(cockpit)
    assert "failed" in cockpit.status.value
    assert "&lt;img src=x" in cockpit.status.value
    assert "<img src=x" not in everything(cockpit)


def test_a_view_that_fails_says_so(finished, monkeypatch):
    cockpit = Cockpit(finished)

    def explode(snapshot):
        raise ValueError("no <ink> left")

    monkeypatch.setattr(cockpit, "refresh", explode)
    with pytest.raises(ValueError, match="ink"):
        follow_to_the_end(cockpit)
    assert "no &lt;ink&gt; left" in cockpit.status.value
    cockpit._complain("")  # a slider that is moved afterwards does not hide it
    assert "no &lt;ink&gt; left" in cockpit.status.value


def test_the_buttons_pause_step_and_stop_a_running_session():
    session = Session(trainer_for(steps=1000, eval_every=0, checkpoint_every=0))
    cockpit = Cockpit(session)
    session.start()
    cockpit.buttons["pause"].click()
    assert session.state == "paused"
    cockpit.buttons["step"].click()
    cockpit.buttons["stop"].click()
    session.wait(60)
    assert session.state == "stopped"
    assert session.result()["steps"] < 1000


def test_the_mixture_slider_appears_once_levels_are_measured_and_offers_arms(monkeypatch):
    session = Session(trainer_for(steps=2, eval_every=1))
    session.run()
    cockpit = Cockpit(session)
    offered = []
    monkeypatch.setattr(session, "offer", offered.append)
    cockpit.mixture.show(session.snapshot())
    slider = cockpit.mixture.widget.children[0]
    slider.value = max(cockpit.mixture.split.choices)
    assert offered == [cockpit.mixture.split.arms(slider.value)]


def test_without_evaluations_the_mixture_says_why_there_is_no_slider():
    cockpit = Cockpit(Session(trainer_for(eval_every=0)))
    assert "no pass@8 was measured" in cockpit.mixture.words.value


def test_panels_and_the_overview_are_made_from_the_same_numbers(finished):
    snapshot = finished.snapshot()
    page = overview(snapshot)
    for panel in PANELS:
        table = panel.table(snapshot, "")
        words = panel.words(table)
        assert words.startswith(f"{panel.title}. Up to step 6: ")
        assert words in page
    assert page.count("<table") == len(PANELS)


@pytest.mark.parametrize("steps", [POINTS, POINTS + 1, 2 * POINTS + 1])
def test_a_long_run_is_drawn_in_stretches_that_end_at_its_last_step(finished, steps):
    first = finished.snapshot()
    records = tuple(replace(first.steps[i % 6], step=i + 1) for i in range(steps))
    snapshot = replace(first, steps=records, evaluations=())
    assert overview(snapshot).count("<table") == len(PANELS)
    for panel in PANELS:
        table = panel.table(snapshot, "")
        across = table.columns if table.columns.name == "step" else table.index
        assert across[-1] == steps, panel.title
        assert across.is_monotonic_increasing
        assert across.is_unique
        assert len(across) <= POINTS


def test_panels_of_nothing_are_empty():
    snapshot = Session(trainer_for()).snapshot()
    assert all(panel.table(snapshot, "").empty for panel in PANELS)
    assert "<img" not in overview(snapshot)


def test_where_nobody_can_steer_live_trains_in_the_foreground(capsys):
    threads = threading.active_count()
    session = live(trainer_for(steps=2))
    assert session.state == "finished"
    assert threading.active_count() == threads


def test_a_live_cell_that_is_run_again_goes_on_with_its_trainer(monkeypatch, tmp_path):
    monkeypatch.setattr(live_module, "somebody_can_steer", lambda: True)
    monkeypatch.setattr(Cockpit, "follow", lambda self: None)
    trainer = trainer_for(steps=8, eval_every=0, checkpoint_every=0)
    first = live(trainer, tmp_path)
    until(lambda: trainer.clock.step >= 1)
    second = live(trainer, tmp_path)
    second.wait(60)
    assert first.done
    assert second.result()["steps"] == 8
    assert [record.step for record in second.snapshot().steps] == list(range(1, 9))
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert f"Kept in {tmp_path}/1" in Cockpit(first).log.value
    assert "not kept" in Cockpit(second).log.value


def test_time_is_told_in_units_that_suit_it():
    assert [time_words(s) for s in (42.3, 600, 9000)] == ["42 s", "10 min", "2.5 h"]


def test_live_again_ends_the_session_that_still_runs(monkeypatch):
    monkeypatch.setattr(live_module, "somebody_can_steer", lambda: True)
    monkeypatch.setattr(Cockpit, "follow", lambda self: None)
    first = live(trainer_for(steps=1000, eval_every=0))
    second = live(trainer_for(steps=1))
    second.wait(60)
    assert first.done
    with pytest.raises(CurrlabError, match="replaced"):
        first.result()
    assert second.result()["steps"] == 1
