"""Predictions: drawn, kept with the run, found again, taken back."""

import json

import pytest

import currlab.lab.guess as module
from currlab import lab
from currlab.errors import CurrlabError
from currlab.lab.guess import Prediction


def test_there_is_no_prediction_until_a_slider_is_moved(tmp_path):
    prediction = Prediction([1, 2, 3], tmp_path / "p.json")
    assert prediction.values is None
    assert not (tmp_path / "p.json").exists()
    prediction.sliders[1].value = 0.8
    assert prediction.values == [0.5, 0.8, 0.5]
    assert json.loads((tmp_path / "p.json").read_text()) == {
        "labels": ["1", "2", "3"],
        "values": [0.5, 0.8, 0.5],
    }


def test_it_is_found_again_for_the_same_labels_only(tmp_path):
    Prediction([1, 2], tmp_path / "p.json").sliders[0].value = 0.25
    again = Prediction([1, 2], tmp_path / "p.json")
    assert again.values == [0.25, 0.5]
    assert [slider.value for slider in again.sliders] == [0.25, 0.5]
    assert Prediction([1, 2, 3], tmp_path / "p.json").values is None


def test_it_can_be_taken_back(tmp_path):
    prediction = Prediction([1], tmp_path / "p.json")
    assert prediction.forget.disabled
    prediction.sliders[0].value = 1.0
    prediction.forget.click()
    assert prediction.values is None
    assert prediction.forget.disabled
    assert not (tmp_path / "p.json").exists()
    assert module.NOTHING_YET in prediction.told.value


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"labels": ["1"], "values": [2]}',
        '{"labels": [], "values": [0.5]}',
        '{"values": "x"}',
    ],
)
def test_a_file_that_holds_no_prediction_is_named(text, tmp_path):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(CurrlabError, match=r"p.json' holds no prediction"):
        Prediction([1], tmp_path / "p.json")


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "p.json").write_text("{")
    with pytest.raises(CurrlabError, match=r"p\.json"):
        Prediction([1], tmp_path / "p.json")


def test_something_must_be_predicted(tmp_path):
    with pytest.raises(CurrlabError, match="at least one label"):
        Prediction([], tmp_path / "p.json")


@pytest.mark.parametrize("somebody", [True, False])
def test_it_is_shown_where_somebody_sits(somebody, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(module, "somebody_can_steer", lambda: somebody)
    monkeypatch.setattr(module, "display", shown.append)
    assert lab.predict([1], tmp_path / "p.json").values is None
    assert len(shown) == somebody
