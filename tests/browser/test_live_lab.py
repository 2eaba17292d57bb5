"""The live lab in a real browser: what is moved there reaches the training, and it shows."""

import os
import re
import time
from pathlib import Path
from urllib.parse import urlparse

import nbformat
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
# Pictures are the better for some steps more than a test needs.
PICTURE_AT = int(os.environ.get("CURRLAB_PICTURE_AT", "0"))
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def long_run(name, changes):
    """The notebook, quick to start and with a main run too long to end by itself."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    for old, new in {'"cpu"': '"smoke"', **changes}.items():
        holding = [cell for cell in notebook.cells if old in cell.source]
        assert holding, f"notebook {name} has no {old!r} any more"
        holding[0].source = holding[0].source.replace(old, new)
    return notebook


# Writes down at which step the kernel was asked for a change.
NOTE_WHEN_ASKED = """[
    globals().update(asked_at=[], put=session._controls.put),
    setattr(session._controls, "put",
            lambda wish: (asked_at.append(session.trainer.clock.step), put(wish))),
][:0]"""
CASES = {
    "00_start_here.ipynb": {'["uniform", "sec"]': '["sec"]', "(30, 10)": "(2000, 1000)"},
    "11_bandits.ipynb": {"steps: int = 0": "steps: int = 2000"},
}


@pytest.mark.parametrize("name", CASES)
def test_steering_reaches_the_training_and_shows_in_the_page(
    name, tmp_path, open_notebook, ask, until
):
    path = tmp_path / name
    nbformat.write(long_run(name, CASES[name]), path)
    page = open_notebook(path)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("() => { void window.jupyterapp.commands.execute('notebook:run-all-cells') }")
    cockpit = page.locator(".currlab-cockpit")
    cockpit.wait_for(timeout=400_000)  # all cells before it run first
    cockpit.scroll_into_view_if_needed()
    status = cockpit.get_by_role("status")
    picture = cockpit.get_by_alt_text(re.compile("^Pass rate of each level"))
    picture.wait_for()

    def steering():
        return ask(name, "[dict(line) for line in session.snapshot().steering]")

    def step():
        return ask(name, "session.trainer.clock.step")

    # A slider, by keyboard: it takes effect within two steps.
    box = cockpit.locator(".widget-slider", has_text="temperature").last
    slider = box.get_by_role("slider")
    slider.focus(timeout=20_000)
    assert slider.evaluate("handle => getComputedStyle(handle).outlineStyle") == "solid"
    ask(name, NOTE_WHEN_ASKED)
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    until(lambda: steering(), "the slider reached the training")
    (first, *_), asked_at = steering(), ask(name, "asked_at")
    assert first["dial"] == "sample"
    assert first["parameters"]["temperature"] != 1.0
    # The step that is being taken ends as it began; the next one is the second at the latest.
    assert asked_at[0] <= first["step"] <= asked_at[0] + 1
    until(lambda: step() > first["step"], "a step was taken under the new temperature")

    # Another strategy.
    cockpit.get_by_label("select", exact=True).select_option(label="success rate nearest one half")
    until(lambda: steering()[-1]["strategy"] == "target", "the strategy was swapped")
    cockpit.get_by_alt_text(re.compile("^What the curriculum believes")).wait_for()
    shown = picture.get_attribute("src")
    until(lambda: picture.get_attribute("src") != shown, "the picture changed")

    if PICTURE_AT:
        until(lambda: step() >= PICTURE_AT, f"step {PICTURE_AT} for the picture", 300)

    # Pause: nothing moves any more, and one step is one step, with what was asked meanwhile.
    cockpit.get_by_role("button", name="Pause").click()
    status.get_by_text("paused").wait_for()
    time.sleep(2)
    paused_at = step()
    slider.focus()
    page.keyboard.press("ArrowLeft")
    until(lambda: len(ask(name, "asked_at")) > len(asked_at), "the slider reached the session")
    cockpit.get_by_role("button", name="One step").click()
    until(lambda: step() == paused_at + 1, "a single step was taken")
    assert steering()[-1]["step"] == paused_at
    status.get_by_text(f"step {paused_at + 1} of 2000").wait_for()

    # What is shown is of this step, in words and numbers, too.
    up_to = re.compile(f"Up to step {paused_at + 1}: ")
    until(lambda: cockpit.get_by_alt_text(up_to).count() == 6, "all pictures are of this step")
    cockpit.get_by_role("button", name="Table").first.click()
    cockpit.get_by_role("columnheader", name=str(paused_at + 1), exact=True).wait_for()
    cockpit.get_by_role("button", name="Table").first.click()
    page.set_viewport_size({"width": 1280, "height": 1500})
    cockpit.screenshot(path=tmp_path / f"cockpit-{name[:2]}.png")
    page.set_viewport_size({"width": 760, "height": 1000})
    picture.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / f"{name[:2]}-narrow.png")

    # A paused run can be stopped; the log on the page tells all of it.
    cockpit.get_by_role("button", name="Stop").click()
    status.get_by_text("stopped").wait_for()
    assert ask(name, "session.result()['steps']") == paused_at + 1
    assert steering()[-1]["change"] == "stop"
    cockpit.get_by_text(re.compile(rf"Your changes: {len(steering())}")).wait_for()
    assert cockpit.locator(".trouble").count() == 0
    hosts = {urlparse(url).hostname for url in asked if url.startswith(("http", "ws"))}
    assert hosts <= {"127.0.0.1"}
