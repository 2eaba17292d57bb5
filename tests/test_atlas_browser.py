"""The atlas's widgets and example runs: every covered paper runs, and nothing hangs or is lost."""

import asyncio
import dataclasses

import pytest

from currlab.atlas import all_papers, find_paper, search_papers
from currlab.atlas_browser import AtlasBrowser, paper_html
from currlab.atlas_runs import LEVELS, example_config, example_figure, example_trainer, study_rows
from currlab.errors import CurrlabError
from currlab.lab.session import Session
from currlab.study_grids import STUDIES

COVERED = [paper for paper in all_papers() if paper.recipe]


def names(browser):
    return [paper.name for paper in browser.papers()]


@pytest.mark.parametrize("paper", COVERED, ids=lambda paper: paper.name)
def test_every_covered_paper_takes_a_step(paper):
    trainer = example_trainer(paper, steps=1)
    metrics = trainer.step()
    assert metrics["step"] == 1
    for dial, name in paper.recipe.items():
        assert getattr(trainer.recipe, dial).name == name


def test_a_paper_about_the_warm_up_starts_from_the_base_and_warms_it_up(monkeypatch):
    asked = []
    monkeypatch.setattr("currlab.atlas_runs.warm_up", lambda *_, **words: asked.append(words))
    trainer = example_trainer(find_paper("ASFT"), seed=3, steps=1)
    assert asked[0]["seed"] == 3
    assert asked[0]["loss"] == "asft", "by the paper's own recipe"
    assert trainer.recipe.select.name == "uniform"


@pytest.mark.parametrize(
    ("name", "told"),
    [("ThinkFL", "not here yet"), ("83", "survey"), ("PEAR", "a model writes first")],
)
def test_what_nothing_covers_or_needs_more_cannot_run(name, told):
    with pytest.raises(CurrlabError, match=told):
        example_trainer(find_paper(name))


def test_equal_seeds_give_equal_runs_and_the_figure_waits_for_what_is_to_come():
    sessions = [Session(example_trainer(find_paper("SEC"), seed=1, steps=4)) for _ in range(2)]
    first, again = (session.run() and session.snapshot().evaluations for session in sessions)
    assert first == again
    assert {row["step"] for row in first} == set(range(5))
    at_start = [row for row in first if row["step"] == 0]
    figure = example_figure(find_paper("SEC"), at_start, example_config(1, 4))
    (cells,) = [mesh for mesh in figure.axes[0].collections if mesh.get_gid() == "cells"]
    assert cells.get_array().count() == len(LEVELS)
    assert cells.get_array().size == 5 * len(LEVELS)


def test_study_rows_are_the_studies_that_had_the_paper_s_strategy():
    rows = study_rows(find_paper("SEC"))
    with_sec = [s.name for s in STUDIES.values() if any(c.select == "sec" for c in s.contestants)]
    assert rows["study"].tolist() == with_sec
    assert ((rows["final"] > 0) & (rows["final"] < 1)).all()
    assert study_rows(find_paper("ThinkFL")).empty


def test_pages_escape_what_they_show():
    hostile = "<script>alert(1)</script>"
    page = paper_html(dataclasses.replace(find_paper("SEC"), idea=hostile, claim=hostile))
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 2


def test_every_paper_has_a_page_with_its_code():
    for paper in all_papers():
        page = paper_html(paper)
        assert page.count("<pre>") == bool(paper.code)
        assert "studies" in page or "no shipped study" in page


def test_filters_and_words_narrow_the_list():
    browser = AtlasBrowser()
    assert len(browser.papers()) == 246
    browser.filters["dial"].value = "sample"
    assert names(browser) == [p.name for p in search_papers(dial="sample")]
    browser.search.value = "until"
    assert names(browser) == [p.name for p in search_papers("until", dial="sample")]
    browser.search.value = "nothing at all like it"
    assert browser.paper is None
    assert browser.button.disabled
    browser.start()  # nothing is picked: nothing happens
    assert browser.session is None


def test_the_picked_paper_stays_picked_and_only_covered_papers_can_run():
    browser = AtlasBrowser()
    browser.list.value = find_paper("SEC")
    assert not browser.button.disabled
    assert "make_recipe" in browser.page.value
    browser.filters["state"].value = "implemented"
    assert browser.paper is find_paper("SEC")
    browser.filters["state"].value = "not yet"
    assert browser.paper.state == "not yet"
    assert browser.button.disabled
    assert browser.button.tooltip


def in_a_loop(use):
    """Run `use(browser)` where callbacks find an event loop, as in a kernel."""

    async def with_browser():
        await use(AtlasBrowser(steps=200))

    asyncio.run(asyncio.wait_for(with_browser(), 120))


async def until(holds):
    while not holds():
        await asyncio.sleep(0.05)


def test_a_run_draws_itself_while_it_goes_on_and_a_new_one_stops_the_old():
    async def use(browser):
        browser.list.value = find_paper("SEC")
        browser.start()
        await until(lambda: browser.figure.value)
        first = browser.session
        assert not first.done
        browser.list.value = find_paper("DUMP")
        browser.steps = 2
        browser.start()
        await until(browser._drawing.done)
        assert browser.status.value == "DUMP: finished, 2 of 2 steps."
        assert "DUMP" in browser.figure.value
        assert 'alt="' in browser.figure.value
        assert browser.stop_button.disabled
        first.wait()
        assert first.state == "stopped"

    in_a_loop(use)


def test_stop_ends_the_run_and_says_so():
    async def use(browser):
        browser.list.value = find_paper("PCL")
        browser.start()
        await until(lambda: browser.session)
        browser.stop_button.click()
        await until(browser._drawing.done)
        assert browser.status.value.startswith("PCL: stopped, ")

    in_a_loop(use)


def test_stop_while_a_run_gets_ready_leaves_nothing_running():
    async def use(browser):
        browser.list.value = find_paper("PCL")
        browser.start()
        browser.stop_button.click()
        await until(browser._drawing.done)
        assert browser.session is None
        assert "Stopped" in browser.status.value

    in_a_loop(use)


@pytest.mark.parametrize("broken", ["example_trainer", "Session"])
def test_what_goes_wrong_is_told(broken, monkeypatch):
    def fails(*_):
        raise RuntimeError("<b>out of order</b>")

    async def use(browser):
        browser.list.value = find_paper("SEC")
        browser.start()
        await until(browser._drawing.done)
        assert "&lt;b&gt;out of order" in browser.status.value

    if broken == "Session":
        monkeypatch.setattr("currlab.training.scratch.ScratchTrainer.step", fails)
    else:
        monkeypatch.setattr("currlab.atlas_browser.example_trainer", fails)
    in_a_loop(use)
