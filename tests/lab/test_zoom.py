"""The microscope's numbers, its clicks, and what it makes of hostile completions."""

import json

import ipywidgets as widgets
import numpy as np
import pytest

import currlab.lab.zoom as module
from currlab import lab
from currlab.errors import CurrlabError
from currlab.lab.groups import STRETCHES, cells, group_html, group_table
from currlab.lab.zoom import Microscope
from currlab.models import build_tokenizer
from currlab.runs import Run

HOSTILE = "<img src=x onerror=alert(1)></script><b>bold</b>&amp;"


def record(step=1, arm="sorting/1", right=(1, 0, 0, 0), text="<answer>1</answer>", **more):
    rewards = [float(r) for r in right]
    spread = (np.std(rewards) if rewards else 0.0) or 1.0
    return {
        "step": step,
        "arm": arm,
        "prompt": "sort 1",
        "completions": [text] * len(right),
        "rewards": rewards,
        "correct": [bool(r) for r in right],
        "advantages": [(r - sum(rewards) / len(rewards)) / spread for r in rewards],
        **more,
    }


def several():
    """Two arms over 24 steps: the first always solved, the second in the second half, by half."""
    rows = []
    for step in range(1, 25):
        rows.append(record(step, "sorting/2", (1, 1, 1, 1)))
        if step > 12:
            rows += [record(step, "sorting/10", (1, 0, 1, 0))] * 3
    return rows


def opened(rows):
    return Microscope(lambda: rows, lambda text: list(text))


def test_every_cell_is_the_mean_over_its_groups():
    table = group_table(several())
    rates = cells(table, "pass rate")
    assert list(rates.index) == ["sorting/2", "sorting/10"]  # by level, not by letter
    assert rates.shape == (2, STRETCHES)
    assert (rates.loc["sorting/2"] == 1.0).all()
    assert rates.loc["sorting/10"].isna().sum() == STRETCHES / 2
    assert (rates.loc["sorting/10"].dropna() == 0.5).all()
    shares = cells(table, "prompts")
    assert shares.loc["sorting/10", 24] == 0.75
    np.testing.assert_allclose(shares.sum(), 1.0)
    taught = cells(table, "informative groups")
    assert (taught.loc["sorting/2"] == 0.0).all()
    assert (taught.loc["sorting/10"].dropna() == 1.0).all()


@pytest.mark.parametrize("steps", [1, 5, 12, 13, 1000])
def test_stretches_cover_every_step_once(steps):
    table = group_table([record(step) for step in range(1, steps + 1)])
    assert table["until"].max() == steps
    assert (table["until"] >= table["step"]).all()
    assert table["until"].nunique() <= STRETCHES


def test_a_click_lists_the_cell_s_groups_and_a_choice_shows_one():
    view = opened(several())
    view.buttons["sorting/10", 24].click()
    assert len(view.groups.options) == 6
    assert view.groups.options[0][0] == "step 23 · sort 1 · 2 of 4 right"
    assert "step 23" in view.detail.value
    view.groups.value = view.groups.options[-1][1]
    assert "step 24" in view.detail.value
    view.buttons["sorting/2", 2].click()
    assert "All rewards are equal: this group teaches nothing." in view.detail.value
    assert view.buttons["sorting/10", 2].disabled


def test_the_map_s_numbers_follow_the_chosen_value_and_say_more_in_a_tooltip():
    view = opened(several())
    button = view.buttons["sorting/10", 24]
    assert button.description == "50"
    view.value.value = "prompts"
    assert button.description == "75"
    view.value.value = "informative groups"
    assert button.description == "100"
    assert button.tooltip == (
        "sorting/10, steps 23 to 24: 6 groups, pass rate 50%, 6 of them informative"
    )


def test_looking_again_shows_what_has_come_since():
    rows = [record(1)]
    view = opened(rows)
    rows.append(record(2, "sorting/3"))
    view.again.click()
    assert {arm for arm, _ in view.buttons} == {"sorting/1", "sorting/3"}


def test_a_run_without_groups_says_so_and_can_be_looked_at_later():
    rows = []
    view = opened(rows)
    assert "has no groups yet" in view.trouble.value
    view.value.value = "prompts"
    rows.append(record())
    view.again.click()
    assert view.trouble.value == ""
    assert view.buttons["sorting/1", 1].description == "100"


def test_a_crowded_cell_lists_the_first_groups_and_says_how_many_more():
    view = opened([record()] * (module.GROUPS_LISTED + 7))
    view.buttons["sorting/1", 1].click()
    assert len(view.groups.options) == module.GROUPS_LISTED
    assert "7 more" in view.trouble.value


def test_what_the_model_wrote_is_text():
    shown = group_html(record(text=HOSTILE, prompt=HOSTILE, view={"hint": HOSTILE}), lambda t: [t])
    for tag in ("<img", "</script>", "<b>bold"):
        assert tag not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;&lt;/script&gt;" in shown
    assert "&amp;amp;" in shown


def test_the_best_comes_first_and_colours_say_which_way():
    shown = group_html(record(right=(0, 1, 0, 0)), lambda t: [t])
    assert shown.index("+1.73") < shown.index("-0.58")
    assert shown.index("0,114,178") < shown.index("213,94,0")


@pytest.mark.parametrize("rows", [{"advantages": []}, {"right": (1, 1)}])
def test_groups_without_advantages_or_spread_are_shown(rows):
    assert "+0.00" in group_html(record(**rows), lambda t: [t])


def test_a_completion_without_end_is_cut():
    shown = group_html(record(text="9" * 10_000), lambda t: [t])
    assert "8000 characters more" in shown
    assert len(shown) < 20_000


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [([{"step": 1}], "Group 1 of this run has no 'arm'"), ([record(right=())], "has no rollouts")],
)
def test_records_that_are_no_groups_are_named(rows, sentence):
    with pytest.raises(CurrlabError, match=sentence):
        group_table(rows)


def test_only_runs_have_groups():
    with pytest.raises(CurrlabError, match="a trainer, a session or the folder of a run; got int"):
        lab.microscope(3)


class Trainer:
    """A trainer that has ended, with its tokenizer."""

    tokenizer = build_tokenizer()
    history = {"groups": several()}  # noqa: RUF012


@pytest.mark.parametrize("kind", ["trainer", "folder"])
def test_where_nobody_can_click_the_maps_and_one_group_are_shown(kind, tmp_path, monkeypatch):
    pages = []
    monkeypatch.setattr(module, "display", lambda page: pages.append(page.data))
    source = Trainer()
    if kind == "folder":
        with Run.open(tmp_path / "run", {}) as run:
            for row in json.loads(json.dumps(several())):
                run.log("groups", row)
        source = tmp_path / "run"
    assert lab.microscope(source) is None
    (page,) = pages
    assert page.count("<img ") == 1
    assert 'alt="pass rate; level 2: 100% at first, 100% at last; level 10: 50% at' in page
    assert "step 13 · sorting/10" in page  # a group nearest one half


@pytest.mark.parametrize("where", ["checkpoint", "settings", "nowhere"])
def test_a_run_s_tokenizer_is_found_beside_its_weights_or_by_its_model(where, tmp_path):
    model = "tiny-warm" if where == "settings" else "somebody/else"
    with Run.open(tmp_path / "run", {"training": {"model": model}}) as run:
        run.log("groups", record())
        if where == "checkpoint":
            folder = run.checkpoints / "checkpoint-1"
            build_tokenizer().save_pretrained(folder)
            (folder / "currlab.json").write_text("{}")
    _, tokenize = module._reader(tmp_path / "run")
    pieces = ["<answer>", "1", "</answer>"]
    assert tokenize("".join(pieces)) == (["".join(pieces)] if where == "nowhere" else pieces)


def test_a_trainer_s_tokenizer_cuts_the_boxes(monkeypatch):
    shown = []
    monkeypatch.setattr(module, "somebody_can_steer", lambda: True)
    monkeypatch.setattr(module, "display", shown.append)
    view = lab.microscope(Trainer())
    view.buttons["sorting/2", 2].click()
    assert isinstance(shown[0], widgets.VBox)
    assert "&lt;answer&gt;</span>" in view.detail.value  # a tag is one token
