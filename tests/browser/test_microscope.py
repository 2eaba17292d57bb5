"""The microscope and the playground in a real browser: clicks, hostile completions, no foreign request."""

import re
import statistics
import time
from urllib.parse import urlparse

import nbformat
import pytest

from currlab.runs import Run

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
NARROW = {"width": 760, "height": 1000}
HOSTILE = "<img src=x onerror=window.hacked=1></script><script>window.hacked=1</script>"


def write_run(folder):
    """A run on disk whose model has written what a hostile model would write."""
    with Run.open(folder, {}) as run:
        for step in range(1, 41):
            for level in range(1, 6):
                right = [(step * level + i) % 7 < 7 - level for i in range(8)]
                rewards = [float(r) for r in right]
                mean = sum(rewards) / 8
                record = {"step": step, "arm": f"sorting/{level}", "prompt": f"sort {HOSTILE}"}
                record |= {"completions": [HOSTILE] * 8, "rewards": rewards, "correct": right}
                run.log("groups", record | {"advantages": [r - mean for r in rewards]})


def open_cells(open_notebook, run_all, path, *cells):
    """A page on which a notebook of these cells has run, and the requests it made."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    # Without a kernel's name the page would ask for one.
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)
    page, asked = open_notebook(path), []
    page.on("request", lambda request: asked.append(request.url))
    run_all(page)
    return page, asked


def test_clicking_down_to_a_hostile_completion(tmp_path, open_notebook, run_all):
    write_run(tmp_path / "run")
    page, asked = open_cells(
        open_notebook,
        run_all,
        tmp_path / "microscope.ipynb",
        f"from currlab import lab\nlab.microscope({str(tmp_path / 'run')!r});",
    )
    view = page.locator(".currlab-microscope")
    view.wait_for()
    cell = view.get_by_title("sorting/3, steps 37 to 40: 4 groups")
    cell.click()
    groups = view.get_by_label("groups")
    groups.locator("option").nth(3).wait_for(state="attached")
    groups.select_option(index=2)
    view.get_by_text("step 39 · sorting/3").wait_for()
    assert view.locator("td.text", has_text=HOSTILE).count() == 8
    before = cell.inner_text()
    view.get_by_role("button", name="prompts").click()
    page.wait_for_function(
        "([cell, before]) => cell.innerText !== before", arg=[cell.element_handle(), before]
    )
    assert cell.inner_text() == "20"
    view.screenshot(path=tmp_path / "microscope.png")
    page.set_viewport_size(NARROW)
    view.screenshot(path=tmp_path / "microscope-narrow.png")
    assert page.evaluate("() => window.hacked") is None
    assert view.locator("img, script").count() == 0
    assert {urlparse(url).hostname for url in asked if url.startswith(("http", "ws"))} <= {
        "127.0.0.1"
    }


def test_a_slider_of_the_playground_redraws_it(tmp_path, open_notebook, run_all):
    page, asked = open_cells(
        open_notebook,
        run_all,
        tmp_path / "playground.ipynb",
        'from currlab import lab\nlab.playground("uniform", "sec", "bots");',
    )
    view = page.locator(".currlab-playground")
    picture = view.get_by_alt_text(re.compile("^Mean pass rate of all levels"))
    picture.wait_for()
    slider = view.locator(".widget-slider", has_text="edge").get_by_role("slider")
    slider.focus()
    seconds = []
    for _ in range(9):  # every strategy is played anew: the student has changed
        shown = picture.get_attribute("src")
        began = time.perf_counter()
        page.keyboard.press("ArrowLeft")
        page.wait_for_function(
            "([view, shown]) => view.querySelector('img[alt^=\"Mean pass rate\"]').src !== shown",
            arg=[view.element_handle(), shown],
        )
        seconds.append(time.perf_counter() - began)
    print(
        f"\nfrom a key to the new picture, three strategies: {1000 * statistics.median(seconds):.0f} ms "
        f"({1000 * min(seconds):.0f} to {1000 * max(seconds):.0f})"
    )
    view.locator("select").first.select_option(label="success rate nearest one half")
    view.get_by_alt_text(re.compile("^Prompts of target")).wait_for()
    view.screenshot(path=tmp_path / "playground.png")
    page.set_viewport_size(NARROW)
    view.screenshot(path=tmp_path / "playground-narrow.png")
    assert {urlparse(url).hostname for url in asked if url.startswith(("http", "ws"))} <= {
        "127.0.0.1"
    }
