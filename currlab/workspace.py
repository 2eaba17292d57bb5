"""The learner's own copy of the notebooks, and JupyterLab on it.

The checkout stays clean and an update never overwrites what a learner wrote: a copy is refreshed
only while it is exactly as it was copied.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from currlab.errors import CurrlabError
from currlab.files import read_json, write_json_atomic

RECORD = ".copied.json"
SUFFIXES = (".ipynb", ".md")
# Comms over subshells make widgets hang while a cell runs; the news pop-up asks for the network.
LAB_SETTINGS = {
    "@jupyterlab/apputils-extension:kernels-settings": {"commsOverSubshells": "disabled"},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}


def update_workspace(source: Path, workspace: Path) -> list[str]:
    """Copy new notebooks, refresh untouched ones; returns what a learner should know.

    What was copied is remembered by its hash, in `.copied.json` of the workspace.
    """
    workspace.mkdir(parents=True, exist_ok=True)
    record, notes = _record(workspace), []
    for original in sorted(p for p in source.iterdir() if p.suffix in SUFFIXES):
        copy, latest = workspace / original.name, _hash(original)
        current = _hash(copy) if copy.exists() else None
        if current in (None, record.get(original.name)):
            if current != latest:
                _copy(original, copy)
        elif current != latest and record.get(original.name) != latest:
            notes.append(
                f"{copy.name} has a newer version; yours is kept. To get the new one: "
                f"currlab lab --reset {copy.stem}"
            )
            continue
        record[original.name] = latest
        write_json_atomic(workspace / RECORD, record)
    return notes


def reset(name: str, source: Path, workspace: Path) -> Path:
    """Put a fresh copy of a notebook in place; returns where the learner's own copy now is."""
    known = sorted(p for p in source.iterdir() if p.suffix in SUFFIXES)
    matching = [p for p in known if name and p.name.startswith(name)]
    if len(matching) != 1:
        allowed = ", ".join(p.stem for p in known)
        raise CurrlabError(f"'{name}' names {len(matching)} notebooks; name one of {allowed}.")
    copy = workspace / matching[0].name
    if not copy.exists():
        raise CurrlabError(f"There is no copy of '{copy.name}' in '{workspace}' to reset.")
    number = 1
    while (backup := copy.with_name(f"{copy.stem}.backup-{number}{copy.suffix}")).exists():
        number += 1
    copy.rename(backup)
    _copy(matching[0], copy)
    write_json_atomic(workspace / RECORD, _record(workspace) | {copy.name: _hash(matching[0])})
    return backup


def _record(workspace: Path) -> dict[str, str]:
    path = workspace / RECORD
    return read_json(path) if path.exists() else {}


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _copy(original: Path, copy: Path) -> None:
    """Copy whole or not at all, so that a kill leaves no torn notebook."""
    part = copy.with_name(f".{copy.name}.{os.getpid()}.part")
    shutil.copyfile(original, part)
    os.replace(part, copy)


def install_lab_settings(prefix: Path = Path(sys.prefix)) -> Path:
    """Add our defaults to JupyterLab's overrides in this environment; others' settings stay."""
    path = prefix / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    present = read_json(path) if path.exists() else {}
    wanted = {**present, **{k: {**present.get(k, {}), **LAB_SETTINGS[k]} for k in LAB_SETTINGS}}
    if wanted != present:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(path, wanted)
    return path


def lab_command(workspace: Path, port: int, browser: bool) -> list[str]:
    """JupyterLab's command line: loopback only, its token and origin checks as they come."""
    first = next(iter(sorted(workspace.glob("00*.ipynb"))), None)
    command = [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.port={port}", f"--ServerApp.root_dir={workspace}"]
    if first is not None:
        command.append(f"--LabApp.default_url=/lab/tree/{first.name}")
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # In a container the learner often is root; Jupyter then refuses to start unless told.
        command.append("--allow-root")
    return command


def serve(source: Path, workspace: Path, port: int = 8888, browser: bool = True) -> None:
    """Update the workspace and become JupyterLab. Prints notes; does not return."""
    try:
        notes = update_workspace(source, workspace)
    except OSError as error:
        raise CurrlabError(
            f"Cannot write the workspace '{workspace}' ({error.strerror})."
        ) from error
    try:
        install_lab_settings()
    except OSError as error:
        notes.append(
            f"JupyterLab's settings stay as they are ({error.strerror}): widgets may hang."
        )
    for note in notes:
        print(note, file=sys.stderr, flush=True)
    command = lab_command(workspace.resolve(), port, browser)
    os.execv(command[0], command)
