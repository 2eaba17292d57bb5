"""The project's performance figures, as `currlab bench` measures and prints them.

Every subject is a module with a `SUBJECT`; nothing heavy is imported before one is measured.
"""

from __future__ import annotations

import datetime
import importlib
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from currlab.errors import CurrlabError

SUBJECTS = {
    "engines": "a training step of each engine against TRL's own trainer, and a curriculum's share",
    "rollouts": "sampled tokens a second against model.generate",
    "steps": "growth of a training step with group size and completion length",
    "difficulty": "estimators of difficulty against rolling out eight times",
    "selection": "choosing and observing, from a thousand to a million items and with many arms",
    "start": "imports, start-up, and the memory of a small training",
}


def benchmark(
    subjects: Sequence[str] = (),
    profile: str = "cpu",
    turns: int = 5,
    out: Path = Path("runs/benchmark.json"),
) -> None:
    """Measure some subjects (all, if none is named), print the medians, and write them to `out`.

    `profile` says how much a turn measures: smoke or cpu. The file is written anew after every
    subject, so that what was measured is not lost.
    """
    from currlab.benchmarks.measure import SCALES
    from currlab.benchmarks.text import lines

    for name in subjects:
        if name not in SUBJECTS:
            raise CurrlabError(f"Unknown subject '{name}'; the subjects are {', '.join(SUBJECTS)}.")
    if profile not in SCALES:
        raise CurrlabError(f"The profile must be one of {', '.join(SCALES)}; got '{profile}'.")
    if turns < 1:
        raise CurrlabError(f"'turns' must be at least 1; got {turns}.")
    results = {"profile": profile, "turns": turns, "threads": 1, **circumstances()}
    write(results, out)
    machine = results["machine"]
    print(
        f"{results['date']}, {machine['system']} on {machine['processor']} with {machine['cores']} "
        f"cores, one of them used; median (lowest to highest) of {turns} turns, profile {profile}"
    )
    for name in [name for name in SUBJECTS if name in subjects or not subjects]:
        results[name] = measured(name, profile, turns)
        write(results, out)
        print("\n".join(["", f"{name}: {SUBJECTS[name]}", *lines(results[name], "  ")]))
    print(f"\nWritten to {out}")


def write(results: dict[str, Any], out: Path) -> None:
    from currlab.files import write_json_atomic

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(out, results)
    except OSError as error:
        raise CurrlabError(
            f"Cannot write to '{out}' ({error.strerror}); name another file."
        ) from error


def measured(name: str, profile: str, turns: int) -> dict[str, Any]:
    """The summary of one subject, measured on one thread; progress goes to stderr."""
    import torch

    from currlab.benchmarks.measure import SCALES, measure
    from currlab.progress import progress

    subject, scale = importlib.import_module(f"{__name__}.{name}").SUBJECT, SCALES[profile]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with progress(name, turns * len(subject.parts(scale))) as advance:
            return subject.summary(measure(subject, scale, turns, advance))
    finally:
        torch.set_num_threads(threads)


def circumstances() -> dict[str, Any]:
    """When and on what kind of machine; nothing that names it."""
    import psutil

    from currlab.runs import package_versions

    return {
        "date": datetime.date.today().isoformat(),
        "machine": {
            "processor": platform.machine(),
            "system": platform.system(),
            "cores": os.cpu_count(),
            "memory_gibibytes": round(psutil.virtual_memory().total / 2**30, 1),
        },
        "versions": package_versions(),
    }
