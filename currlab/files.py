"""JSON files that are read with one clear error and replaced only whole."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from currlab.errors import CurrlabError


def dump_json(data: Any, indent: int | None = None) -> str:
    """`data` as JSON; numpy and torch values become plain numbers and lists."""
    return json.dumps(data, default=_plain, indent=indent, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def read_json(path: str | Path) -> Any:
    """The content of a JSON file; CurrlabError names the file if it is missing or damaged."""
    try:
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError as error:
        raise CurrlabError(f"There is no file '{path}'.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CurrlabError(
            f"'{path}' is damaged and cannot be read as JSON; nothing was changed. Move "
            f"'{Path(path).parent}' away to go on without it."
        ) from error


def write_json_atomic(path: str | Path, data: Any, indent: int | None = 1) -> None:
    """Write JSON so that a reader, or a crash, finds the old file or the whole new one."""
    write_atomic(path, (dump_json(data, indent) + "\n").encode())


def write_atomic(path: str | Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, finds the old one or the whole new one."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    if os.name == "posix":
        # The new name is only safe once the folder is on disk, too.
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
