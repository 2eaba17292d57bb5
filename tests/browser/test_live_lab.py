"""The live lab in a real browser: what is moved there reaches the training, and it shows."""

import json
import re
import time
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import Request, urlopen

import nbformat
import pytest
from jupyter_client import BlockingKernelClient

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SECONDS = 90


def long_run(name, changes, out):
    """The notebook, quick to start and with a main run too long to end by itself."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    for old, new in {'"cpu"': '"smoke"', f'"runs/{name[:2]}"': repr(str(out)), **changes}.items():
        holding = [cell for cell in notebook.cells if old in cell.source]
        assert holding, f"notebook {name} has no {old!r} any more"
        holding[0].source = holding[0].source.replace(old, new)
    return notebook


CASES = {
    "00_start_here.ipynb": {'["uniform", "sec"]': '["sec"]', "(30, 10)": "(2000, 1000)"},
    "11_bandits.ipynb": {"steps: int = 0": "steps: int = 2000"},
}


@pytest.fixture
def ask(lab_server):
    """A function that runs code in the kernel of the only open notebook, beside the page."""
    address, token, served = lab_server
    clients = {}

    def kernel_of(path):
        request = Request(f"{address}/api/sessions", headers={"Authorization": f"token {token}"})
        sessions = json.load(urlopen(request, timeout=10))
        (kernel,) = [s["kernel"]["id"] for s in sessions if s["path"] == path]
        # pytest also makes a link to the newest of its folders, so the file is found twice.
        file = next(served.parent.glob(f"*/RUNTIME_DIR/kernel-{kernel}.json"))
        client = BlockingKernelClient(connection_file=str(file))
        client.load_connection_file()
        client.start_channels()
        client.wait_for_ready(timeout=SECONDS)
        return client

    def run(path, expression):
        client = clients.setdefault(path, None) or kernel_of(path)
        clients[path] = client
        reply = client.execute(
            "",
            user_expressions={"told": f"__import__('json').dumps({expression})"},
            reply=True,
            timeout=SECONDS,
        )
        told = reply["content"]["user_expressions"]["told"]
        assert told["status"] == "ok", told
        return json.loads(told["data"]["text/plain"][1:-1].encode().decode("unicode_escape"))

    yield run
    for client in clients.values():
        client.stop_channels()


def until(condition, what):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"waited in vain until {what}")


@pytest.mark.parametrize("name", CASES)
def test_steering_reaches_the_training_and_shows_in_the_page(
    name, tmp_path, open_notebook, run_all, ask
):
    path = tmp_path / name
    nbformat.write(long_run(name, CASES[name], tmp_path / "out"), path)
    page = open_notebook(path)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("() => { void window.jupyterapp.commands.execute('notebook:run-all-cells') }")
    cockpit = page.locator(".currlab-cockpit")
    cockpit.wait_for()
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
    before = step()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    until(lambda: steering(), "the slider reached the training")
    (first, *_), now = steering(), step()
    assert first["dial"] == "sample"
    assert first["parameters"]["temperature"] != 1.0
    assert first["step"] >= before
    until(lambda: step() >= now + 1, "a step was taken under the new temperature")

    # Another strategy.
    cockpit.get_by_label("select", exact=True).select_option(label="success rate nearest one half")
    until(lambda: steering()[-1]["strategy"] == "target", "the strategy was swapped")
    cockpit.get_by_alt_text(re.compile("^What the curriculum believes")).wait_for()
    shown = picture.get_attribute("src")
    until(lambda: picture.get_attribute("src") != shown, "the picture changed")

    # Pause: nothing moves any more, and one step is one step.
    cockpit.get_by_role("button", name="Pause").click()
    status.get_by_text("paused").wait_for()
    until(lambda: ask(name, "session._snapshot.version") >= 0, "the kernel answers")
    time.sleep(2)
    paused_at = step()
    cockpit.get_by_role("button", name="One step").click()
    until(lambda: step() == paused_at + 1, "a single step was taken")
    status.get_by_text(f"step {paused_at + 1} of 2000").wait_for()
    page.set_viewport_size({"width": 1500, "height": 1500})
    cockpit.screenshot(path=tmp_path / f"cockpit-{name[:2]}.png")
    page.set_viewport_size({"width": 760, "height": 1000})
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
