"""A run is a folder: config.json, logs with one JSON object a line, checkpoints/, results.json.

One writer at a time; whatever kills it, the folder can be opened again and the run goes on from
its newest whole checkpoint. Nothing in it is ever deleted, and files are replaced only whole.
"""

from __future__ import annotations

import json
import os
import platform
import warnings
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from currlab.errors import CurrlabError
from currlab.files import dump_json, read_json, write_json_atomic

STREAMS = ("metrics", "groups", "eval", "steering")
PACKAGES = ("currlab", "torch", "transformers", "trl", "peft", "accelerate", "datasets", "numpy")


class Run:
    """One run on disk. `Run(folder)` reads; `Run.open(folder, config)` also writes.

    >>> with Run.open("runs/sec-0", {"select": "sec", "seed": 0}) as run:
    ...     run.log("metrics", {"step": 1, "reward": 0.25})
    ...     run.finish({"greedy": 0.6})
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.checkpoints = self.folder / "checkpoints"
        self._lock: FileLock | None = None
        self._files: dict[str, BinaryIO] = {}

    @classmethod
    def open(cls, folder: str | Path, config: Mapping[str, Any]) -> Run:
        """Create the run, or resume it when `config` equals the one it was made with.

        Raises CurrlabError if the config differs (the differing keys are named), another process
        is writing, the folder cannot be written, or it holds something that is not a run.
        """
        run = cls(folder)
        try:
            run.folder.mkdir(parents=True, exist_ok=True)
            run._acquire()
            run._adopt(json.loads(dump_json(config)))
            run.checkpoints.mkdir(exist_ok=True)
            run._files = {name: run._open_log(name) for name in STREAMS}
        except OSError as error:
            run.close()
            raise CurrlabError(
                f"Cannot write to the run folder '{folder}' ({error.strerror}); name a folder that "
                "you may write to."
            ) from error
        except BaseException:
            run.close()
            raise
        return run

    # ------------------------------------------------------------ what is in the folder

    @property
    def config(self) -> dict[str, Any]:
        return self._head()["config"]

    @property
    def versions(self) -> dict[str, str]:
        """Versions of Python and of the packages that the run was started with."""
        return self._head()["versions"]

    @property
    def learner(self) -> Any:
        """How the model reads and is read, as `note_learner` wrote it; None in a run without it."""
        return self._head().get("learner")

    @property
    def finished(self) -> bool:
        """True once results.json is written: there is nothing left to train."""
        return (self.folder / "results.json").exists()

    @property
    def results(self) -> Any:
        return read_json(self.folder / "results.json")

    def records(self, stream: str) -> list[dict[str, Any]]:
        """The lines of a log; a last line that its writer did not live to end is left out."""
        path = self._log_path(stream)
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        records = []
        for number, line in enumerate(lines, start=1):
            try:
                records.append(json.loads(line))
            except ValueError as error:
                raise CurrlabError(f"Line {number} of '{path}' is not valid JSON.") from error
        return records

    def newest_checkpoint(self) -> Path | None:
        """The newest `checkpoint-N` that is whole: its currlab.json, written last, is there.

        Raises CurrlabError if that currlab.json cannot be read. It is written in one piece, so it
        was damaged later, and going on from an older checkpoint would be a choice for the user.
        """
        numbered = [
            (int(path.name.removeprefix("checkpoint-")), path)
            for path in self.checkpoints.glob("checkpoint-*")
            if path.name.removeprefix("checkpoint-").isdigit()
        ]
        whole = [path for _, path in sorted(numbered) if (path / "currlab.json").exists()]
        if not whole:
            return None
        if not isinstance(read_json(whole[-1] / "currlab.json"), dict):
            raise CurrlabError(
                f"'{whole[-1] / 'currlab.json'}' does not hold a checkpoint's state."
            )
        return whole[-1]

    # ------------------------------------------------------------ writing

    def log(self, stream: str, record: Mapping[str, Any]) -> None:
        """Append one line to a log; once this returns, killing the process does not lose it."""
        path = self._log_path(stream)
        if stream not in self._files:
            raise CurrlabError(f"'{path}' is open for reading only; use Run.open to write.")
        self._files[stream].write(dump_json(record).encode() + b"\n")
        self._files[stream].flush()

    def note_learner(self, record: Mapping[str, Any]) -> None:
        """Add to config.json what a training knows of its model beside the settings."""
        head = self._head()
        if head.get("learner") != record:
            write_json_atomic(self.folder / "config.json", {**head, "learner": dict(record)})

    def offsets(self) -> dict[str, int]:
        """The length of every log in bytes, for a checkpoint; the logs are on disk by then."""
        for file in self._files.values():
            os.fsync(file.fileno())
        return {name: file.seek(0, os.SEEK_END) for name, file in self._files.items()}

    def cut(self, offsets: Mapping[str, int]) -> None:
        """Take the logs back to a checkpoint's offsets, so that no step is logged twice.

        A log without an offset is emptied: ``cut({})`` starts over when there is no checkpoint.
        """
        for name, file in self._files.items():
            wanted, length = offsets.get(name, 0), file.seek(0, os.SEEK_END)
            if not 0 <= wanted <= length:
                raise CurrlabError(
                    f"'{self._log_path(name)}' has {length} bytes where its checkpoint counts on "
                    f"{wanted}; the log was changed by something else, and nothing was cut."
                )
        for name, file in self._files.items():
            file.truncate(offsets.get(name, 0))

    def finish(self, results: Any) -> None:
        """Write results.json, which marks the run as finished."""
        write_json_atomic(self.folder / "results.json", results)

    def close(self) -> None:
        """Close the logs and let another writer in; closing twice does no harm."""
        for file in self._files.values():
            file.close()
        self._files = {}
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------ opening

    def is_written_to(self) -> bool:
        """Has another process the run open for writing?"""
        if not (self.folder / ".lock").exists():
            return False
        try:
            with FileLock(self.folder / ".lock", timeout=0):
                return False
        except Timeout:
            return True

    def _acquire(self) -> None:
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise CurrlabError(
                f"Another process is writing to the run '{self.folder}'; wait for it or use "
                "another folder."
            ) from error
        self._lock = lock

    def _adopt(self, config: dict[str, Any]) -> None:
        """Write the config of a new run, or insist that an old one has the same."""
        path = self.folder / "config.json"
        if not path.exists():
            foreign = sorted(p.name for p in self.folder.iterdir() if not p.name.startswith("."))
            if foreign:
                raise CurrlabError(
                    f"'{self.folder}' holds '{foreign[0]}' but no config.json, so it is not a run; "
                    "name an empty or a new folder."
                )
            write_json_atomic(path, {"config": config, "versions": package_versions()})
            return
        if different := differing_keys(self.config, config):
            raise CurrlabError(
                f"The run '{self.folder}' was made with other settings ({'; '.join(different)}); "
                "repeat those settings to resume it, or use another folder."
            )
        if self.versions != package_versions():
            warnings.warn(
                f"The run '{self.folder}' was started with other package versions, so what "
                "follows may differ from an uninterrupted run.",
                stacklevel=3,
            )

    def _open_log(self, stream: str) -> BinaryIO:
        """Open a log for appending, after a line that a killed writer left unended is cut off."""
        file = self._log_path(stream).open("ab+")
        file.seek(0)
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)
        return file

    def _log_path(self, stream: str) -> Path:
        if stream not in STREAMS:
            raise CurrlabError(f"Unknown log '{stream}'; a run's logs are {', '.join(STREAMS)}.")
        return self.folder / f"{stream}.jsonl"

    def _head(self) -> dict[str, Any]:
        path = self.folder / "config.json"
        head = read_json(path)
        if not isinstance(head, dict) or not {"config", "versions"} <= head.keys():
            raise CurrlabError(f"'{path}' does not hold a run's config and versions.")
        return head


# ---------------------------------------------------------------- versions and settings


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide what a run computes."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def differing_keys(old: Any, new: Any, name: str = "") -> list[str]:
    """What differs between two JSON values, one phrase a key: ``'seed' is 0 there, 1 here``."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            phrase
            for key in sorted(old.keys() | new.keys())
            for phrase in differing_keys(
                old.get(key, "(not set)"), new.get(key, "(not set)"), f"{name}.{key}".strip(".")
            )
        ]
    return [] if old == new else [f"'{name}' is {old!r} there, {new!r} here"]
