"""A learner's copies: made once, refreshed while untouched, never overwritten."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from currlab.errors import CurrlabError
from currlab.workspace import install_lab_settings, lab_command, reset, update_workspace


@pytest.fixture
def places(tmp_path):
    source, workspace = tmp_path / "notebooks", tmp_path / "workspace"
    source.mkdir()
    for name in ("00_start.ipynb", "01_tasks.ipynb", "GLOSSARY.md"):
        (source / name).write_text(f"{name} one")
    (source / "notes.tmp").write_text("not copied")
    return source, workspace


def read(folder):
    return {p.name: p.read_text() for p in folder.iterdir() if not p.name.startswith(".")}


def test_first_time_everything_is_copied(places):
    source, workspace = places
    assert update_workspace(source, workspace) == []
    assert set(read(workspace)) == {"00_start.ipynb", "01_tasks.ipynb", "GLOSSARY.md"}


def test_an_update_refreshes_untouched_copies_only(places):
    source, workspace = places
    update_workspace(source, workspace)
    (workspace / "00_start.ipynb").write_text("mine")
    for name in ("00_start.ipynb", "01_tasks.ipynb"):
        (source / name).write_text("two")
    (source / "02_new.ipynb").write_text("new")
    (note,) = update_workspace(source, workspace)
    assert "00_start.ipynb" in note
    assert "--reset 00_start" in note
    found = read(workspace)
    assert found["00_start.ipynb"] == "mine"
    assert found["01_tasks.ipynb"] == "two"
    assert found["02_new.ipynb"] == "new"
    (source / "01_tasks.ipynb").write_text("three")
    update_workspace(source, workspace)
    assert read(workspace)["01_tasks.ipynb"] == "three"
    assert read(workspace)["00_start.ipynb"] == "mine"


def test_an_edited_copy_is_no_news_while_the_original_stays(places):
    source, workspace = places
    update_workspace(source, workspace)
    (workspace / "00_start.ipynb").write_text("mine")
    assert update_workspace(source, workspace) == []
    assert read(workspace)["00_start.ipynb"] == "mine"


def test_files_that_were_never_copied_are_kept(places):
    source, workspace = places
    workspace.mkdir()
    (workspace / "00_start.ipynb").write_text("a learner's own file of that name")
    (workspace / "thoughts.ipynb").write_text("own")
    assert len(update_workspace(source, workspace)) == 1
    assert read(workspace)["00_start.ipynb"].startswith("a learner's own")
    assert read(workspace)["thoughts.ipynb"] == "own"


def test_a_lost_record_loses_no_work(places):
    source, workspace = places
    update_workspace(source, workspace)
    (workspace / "00_start.ipynb").write_text("mine")
    (workspace / ".copied.json").unlink()
    (source / "00_start.ipynb").write_text("two")
    update_workspace(source, workspace)
    assert read(workspace)["00_start.ipynb"] == "mine"


def test_a_damaged_record_is_named(places):
    source, workspace = places
    update_workspace(source, workspace)
    (workspace / ".copied.json").write_text("{")
    with pytest.raises(CurrlabError, match=r"\.copied\.json"):
        update_workspace(source, workspace)


def test_reset_keeps_every_backup(places):
    source, workspace = places
    update_workspace(source, workspace)
    for text in ("mine", "mine again"):
        (workspace / "00_start.ipynb").write_text(text)
        assert reset("00", source, workspace).read_text() == text
    found = read(workspace)
    assert found["00_start.ipynb"] == "00_start.ipynb one"
    assert found["00_start.backup-1.ipynb"] == "mine"
    assert found["00_start.backup-2.ipynb"] == "mine again"
    (source / "00_start.ipynb").write_text("two")
    update_workspace(source, workspace)  # a reset copy counts as untouched
    assert read(workspace)["00_start.ipynb"] == "two"


@pytest.mark.parametrize("name", ["", "0", "99"])
def test_reset_of_no_or_several_notebooks_names_the_known_ones(places, name):
    source, workspace = places
    update_workspace(source, workspace)
    with pytest.raises(CurrlabError, match="00_start, 01_tasks"):
        reset(name, source, workspace)


def test_reset_before_the_first_copy_is_refused(places):
    with pytest.raises(CurrlabError, match="no copy"):
        reset("00", *places)


def test_lab_settings_join_those_that_are_there(tmp_path):
    path = tmp_path / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    path.parent.mkdir(parents=True)
    kernels = "@jupyterlab/apputils-extension:kernels-settings"
    path.write_text(json.dumps({"mine": {"a": 1}, kernels: {"other": True}}))
    assert install_lab_settings(tmp_path) == path
    settings = json.loads(path.read_text())
    assert settings["mine"] == {"a": 1}
    assert settings[kernels] == {"other": True, "commsOverSubshells": "disabled"}
    before = path.stat().st_mtime_ns
    install_lab_settings(tmp_path)
    assert path.stat().st_mtime_ns == before


def test_lab_is_told_to_stay_on_loopback_and_to_keep_its_token(tmp_path):
    command = lab_command(tmp_path, 8888, browser=False)
    assert "--ServerApp.ip=127.0.0.1" in command
    assert not [part for part in command if "token" in part or "password" in part]
    assert not [part for part in command if "origin" in part]


@pytest.mark.slow
def test_lab_serves_notebook_00_to_holders_of_the_token_only(places, tmp_path):
    """The command itself, on a free port, with a home directory that is empty."""
    environment = {**os.environ, "HOME": str(tmp_path / "home"), "JUPYTER_TOKEN": "secret"}
    environment["JUPYTER_RUNTIME_DIR"] = str(tmp_path / "runtime")
    source, workspace = places
    program = (
        "import sys; from pathlib import Path; from currlab.workspace import serve;"
        "serve(Path(sys.argv[1]), Path(sys.argv[2]), port=0, browser=False)"
    )
    command = [sys.executable, "-c", program, str(source), str(workspace)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            (record,) = wait_for(lambda: list((tmp_path / "runtime").glob("jpserver-*.json")))
            server = wait_for(lambda: json.loads(record.read_text() or "null"))
            assert server["url"].startswith("http://127.0.0.1:")
            # Jupyter writes the record before it listens.
            assert wait_for(lambda: status_of(f"{server['url']}api/contents")) == 403
            page = urllib.request.urlopen(f"{server['url']}lab?token=secret", timeout=30)
            assert page.status == 200
        finally:
            process.terminate()
            process.communicate(timeout=30)
    assert (workspace / "00_start.ipynb").exists()


def status_of(url):
    """The status with which a server answers, None while nothing listens."""
    try:
        return urllib.request.urlopen(url, timeout=30).status
    except urllib.error.HTTPError as refused:
        return refused.code
    except urllib.error.URLError:
        return None


def wait_for(look, seconds=60):
    for _ in range(seconds * 5):
        if found := look():
            return found
        time.sleep(0.2)
    raise AssertionError("the server did not start")
