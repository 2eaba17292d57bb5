"""Starting up: CPU seconds and memory of fresh processes, against one that does nothing."""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from collections.abc import Mapping, Sequence
from time import perf_counter, sleep
from typing import Any

import psutil

from currlab.benchmarks.measure import Part, Raw, Scale, Subject, ratios, spread
from currlab.errors import CurrlabError

NOTHING = "python -c pass"
MIB = 2**20
SECONDS_BETWEEN_LOOKS = 0.005

# By what a user would call it: the words after `python`.
QUICK: Mapping[str, Sequence[str]] = {
    NOTHING: ("-c", "pass"),
    "import currlab": ("-c", "import currlab"),
    "import currlab.curricula": ("-c", "import currlab.curricula"),
    "currlab --help": ("-m", "currlab", "--help"),
}
SLOW: Mapping[str, Sequence[str]] = {"import torch": ("-c", "import torch")}
TRAINING = ("-m", "currlab", "train", "--levels", "sorting=1", "--profile", "smoke")


def run(words: Sequence[str]) -> dict[str, float]:
    """CPU and wall seconds and the peak resident memory in MiB of `python WORDS`.

    The memory is looked at every few milliseconds: a shorter peak can be missed.
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as told:
        process = psutil.Popen([sys.executable, *words], stdout=told, stderr=told, env=environment)
        peak = 0
        while process.poll() is None:
            try:
                peak = max(peak, process.memory_info().rss)
            except psutil.Error:
                break  # it has just ended
            sleep(SECONDS_BETWEEN_LOOKS)
        if process.wait():
            told.seek(0)
            last = told.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise CurrlabError(f"'python {' '.join(words)}' failed: {last or 'it said nothing'}.")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": cpu, "wall": perf_counter() - start, "memory": peak / MIB}


def parts(scale: Scale) -> dict[str, Part]:
    def of(words: Sequence[str], repeats: int) -> Part:
        def one_turn(turn: int) -> dict[str, list[float]]:
            runs = [run(words) for _ in range(repeats)]
            return {key: [one[key] for one in runs] for key in runs[0]}

        return one_turn

    def training(engine: str) -> Part:
        def one_turn(turn: int) -> dict[str, list[float]]:
            with tempfile.TemporaryDirectory() as folder:
                words = [*TRAINING, "--steps", str(scale.steps), "--engine", engine]
                one = run([*words, "--out", f"{folder}/run"])
            return {key: [number] for key, number in one.items()}

        return one_turn

    quick = {name: of(words, scale.repeats) for name, words in QUICK.items()}
    slow = {name: of(words, 1) for name, words in SLOW.items()}
    engines = {f"currlab train --engine {e}": training(e) for e in scale.engines}
    return quick | slow | engines


def summary(raw: Raw) -> dict[str, Any]:
    return {
        "cpu_seconds": {name: spread(raw[name]["cpu"]) for name in raw},
        "wall_seconds": {name: spread(raw[name]["wall"]) for name in raw},
        "peak_mebibytes": {name: spread(raw[name]["memory"]) for name in raw},
        "times_as_long_as_python_alone": {
            name: spread(ratios(raw[name]["cpu"], raw[NOTHING]["cpu"]))
            for name in QUICK
            if name != NOTHING
        },
    }


SUBJECT = Subject("start", parts, summary)
