"""The playground's widgets and pictures, without a browser."""

import re

import ipywidgets as widgets
import numpy as np
import pytest

import currlab.lab.side_by_side as module
from currlab import lab
from currlab.errors import CurrlabError
from currlab.lab.side_by_side import Play, Playground, played


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Plays of a few steps, none remembered from another test."""
    monkeypatch.setattr(module, "STEPS", 40)
    played.cache_clear()
    yield
    played.cache_clear()


def walk(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


def test_equal_plays_are_equal_and_another_seed_is_another_play():
    first = played(Play("sec", seed=3))
    played.cache_clear()
    assert np.array_equal(first.pass_rate, played(Play("sec", seed=3)).pass_rate)
    assert not np.array_equal(first.pass_rate, played(Play("sec", seed=4)).pass_rate)


def test_a_slider_of_a_strategy_redraws_and_replays_that_strategy_only():
    shown = Playground(("uniform", "sec", "bots"))
    before, misses = shown.picture.value, played.cache_info().misses
    assert misses == 3
    shown.slots[1].fields["temperature"].value = 0.05
    assert played.cache_info().misses == misses + 1
    assert shown.picture.value != before


def test_a_slider_of_the_student_changes_every_curve():
    shown = Playground(("uniform", "sec"))
    before = {name: h.pass_rate for name, h in shown.histories().items()}
    shown.student["edge"].value = 9.0
    after = {name: h.pass_rate for name, h in shown.histories().items()}
    assert all(after[name][0].mean() > before[name][0].mean() + 0.1 for name in before)


def test_more_levels_mean_more_arms_and_a_lower_mean():
    shown = Playground(("uniform",))
    shown.levels.value = 16
    history = shown.histories()["uniform"]
    assert history.pass_rate.shape == (41, 16)
    assert "level 1 to 16: uniform" in shown.picture.value


def test_choosing_another_strategy_brings_its_own_sliders():
    shown = Playground(("uniform", "sec"))
    assert not shown.slots[0].fields
    shown.slots[0].choice.value = "dump"
    assert set(shown.slots[0].fields) == {p["name"] for p in module.describe("dump")["parameters"]}
    assert list(shown.histories()) == ["dump", "sec"]


def test_one_strategy_twice_has_two_labels_and_one_play_if_nothing_differs():
    shown = Playground(("sec", "sec"))
    assert list(shown.histories()) == ["sec", "sec (2)"]
    assert played.cache_info().misses == 1


def test_what_the_student_cannot_play_is_said_and_the_picture_stays():
    shown = Playground(("pcl", "uniform"))
    before = shown.picture.value
    shown.slots[0].fields["reads"].value = "hidden"
    assert 'role="alert"' in shown.trouble.value
    assert shown.picture.value == before
    shown.slots[0].fields["reads"].value = "prompt"
    assert shown.trouble.value == ""


@pytest.mark.parametrize("names", [(), ("sec",) * 4])
def test_only_one_to_three_strategies_fit(names):
    with pytest.raises(CurrlabError, match="one to three strategies; got"):
        Playground(names)


def test_an_unknown_strategy_and_another_dials_are_refused():
    with pytest.raises(CurrlabError, match="Unknown strategy 'secc'"):
        Playground(("secc",))
    with pytest.raises(CurrlabError, match="'grpo' does not turn the select dial"):
        Playground(("grpo",))


def test_the_picture_has_words_and_a_table_and_sliders_have_descriptions():
    shown = Playground(("uniform", "sec"))
    words = re.findall(r'<img [^>]*alt="([^"]*)"', shown.picture.value)
    rates = [history.pass_rate.mean(1) for history in shown.histories().values()]
    told = [f"{rate[0]:.0%} to {rate[-1]:.0%}" for rate in rates]
    assert words[0] == (
        f"Mean pass rate of all levels, step 0 to 39: uniform {told[0]}; sec {told[1]}."
    )
    assert [word.partition(":")[0] for word in words[2:]] == [
        "Prompts of uniform",
        "Prompts of sec",
    ]
    assert "levels solved half of the time" in shown.numbers.value
    sliders = [w for w in walk(shown.widget) if isinstance(w, widgets.FloatSlider)]
    assert sliders
    assert all(w.description and w.tooltip for w in sliders)


def test_where_nobody_can_steer_a_figure_is_shown(monkeypatch):
    pages = []
    monkeypatch.setattr(module, "display", lambda page: pages.append(page.data))
    lab.playground("uniform", "sec")
    (page,) = pages
    assert page.count("<img ") == 1
    assert "<table" in page
