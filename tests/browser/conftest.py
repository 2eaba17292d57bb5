"""JupyterLab on temporary folders, and Chromium to look at it."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
from jupyter_client import BlockingKernelClient

from currlab.workspace import install_lab_settings, lab_command

SECONDS = 120
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory):
    """A JupyterLab of its own: (address, token, folder that it serves)."""
    home, served = tmp_path_factory.mktemp("jupyter"), tmp_path_factory.mktemp("served")
    settings = install_lab_settings(home).parent
    token = secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = lab_command(served, port, browser=False)
    command += [f"--IdentityProvider.token={token}", f"--LabApp.app_settings_dir={settings}"]
    command += ["--LabApp.expose_app_in_browser=True"]
    folders = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    places = {f"JUPYTER_{name}": str(home / name) for name in folders}
    places |= {f"JUPYTERLAB_{n}": str(home / n) for n in ("SETTINGS_DIR", "WORKSPACES_DIR")}
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            command, env={**os.environ, **places}, stdout=log, stderr=subprocess.STDOUT, cwd=served
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api?token={token}", server, home / "log")
        yield address, token, served
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(url, server, log, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def chromium():
    """Chromium of this machine, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_notebook(lab_server, chromium):
    """A function that opens a notebook file in JupyterLab, its kernel ready; gives the page."""
    address, token, served = lab_server
    pages = []

    def open_it(path, wait_ms=120_000):
        shutil.copyfile(path, served / path.name)
        page = chromium.new_page(viewport={"width": 1400, "height": 1000})
        pages.append(page)
        page.set_default_timeout(wait_ms)
        page.goto(f"{address}/lab/tree/{path.name}?token={token}&reset")
        page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.context?.sessionContext?.isReady"
        )
        page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget.context.sessionContext"
            ".session?.kernel?.status === 'idle'"
        )
        return page

    yield open_it
    for page in pages:
        page.close()


@pytest.fixture
def run_all():
    """A function that runs all cells of the open notebook and waits for the last one."""

    def run(page):
        return page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")

    return run


@pytest.fixture
def ask(lab_server):
    """A function that runs code in the kernel of the only open notebook, beside the page."""
    address, token, served = lab_server
    clients = {}

    def kernel_of(path):
        request = urllib.request.Request(
            f"{address}/api/sessions", headers={"Authorization": f"token {token}"}
        )
        sessions = json.load(urllib.request.urlopen(request, timeout=10))
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


@pytest.fixture
def until():
    """A function that waits until something is so, or says what it waited for in vain."""

    def wait(condition, what, seconds=SECONDS):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.1)
        raise AssertionError(f"waited in vain until {what}")

    return wait
