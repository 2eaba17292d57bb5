"""Measuring fairly: turns, warm-up, CPU seconds, and ratios of what was measured side by side.

Seconds belong to one machine at one moment; a ratio of two costs that were measured in turn, on one
thread, in the same minutes, can be quoted. So every subject here is cut into parts that are measured
one after the other, `turns` times over, and a ratio is taken turn by turn before its median is.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

# One measurement: the number of the turn in, named numbers out, one or more of each.
Part = Callable[[int], Mapping[str, Sequence[float]]]
# What was measured: numbers by name, by part, in the order of the turns.
Raw = Mapping[str, Mapping[str, Sequence[float]]]
Spread = dict[str, float]


@dataclass(frozen=True)
class Scale:
    """How much one turn measures."""

    steps: int = 5  # of every training; the first warms up and is not counted
    prompts: int = 32  # problems a training step
    pools: tuple[int, ...] = (10**3, 10**4, 10**5, 10**6)  # items to select from
    arms: tuple[int, ...] = (4, 16, 64)  # arms to select from
    groups: tuple[int, ...] = (2, 4, 8, 16, 32)  # rollouts a problem
    lengths: tuple[int, ...] = (8, 16, 32, 64, 128)  # tokens a rollout
    problems: int = 96  # whose difficulty is estimated
    repeats: int = 5  # starts of a process that ends at once
    engines: tuple[str, ...] = ("scratch", "trl")  # whose memory is looked at


SCALES = {
    "smoke": Scale(
        steps=3,
        prompts=8,
        pools=(10**3, 10**5, 10**6),
        arms=(4, 64),
        groups=(2, 32),
        lengths=(8, 64),
        problems=24,
        repeats=2,
        engines=("scratch",),
    ),
    "cpu": Scale(),
}


@dataclass(frozen=True)
class Subject:
    """Something to measure: its parts at a scale, and what is reported of their numbers."""

    name: str
    parts: Callable[[Scale], Mapping[str, Part]]
    summary: Callable[[Raw], dict[str, Any]]


def measure(
    subject: Subject, scale: Scale, turns: int, advance: Callable[[int], None] | None = None
) -> Raw:
    """Every part once a turn, in the order given and in the opposite one by turns.

    So nothing is always first, when the machine is still cool, or always behind the same other part.
    `advance` is called with the number of measurements done.
    """
    parts, done = subject.parts(scale), 0
    raw: dict[str, dict[str, list[float]]] = {name: {} for name in parts}
    # Rubbish is taken out between two measurements; what was there before is not looked at again.
    gc.freeze()
    try:
        for turn in range(turns):
            for name in list(parts) if turn % 2 == 0 else reversed(list(parts)):
                gc.collect()
                for key, numbers in parts[name](turn).items():
                    raw[name].setdefault(key, []).extend(numbers)
                done += 1
                if advance is not None:
                    advance(done)
    finally:
        gc.unfreeze()
    return raw


@dataclass
class Seconds:
    """CPU seconds of this process, all threads together, and seconds of the clock on the wall."""

    cpu: float = field(default_factory=process_time)
    wall: float = field(default_factory=perf_counter)


@contextmanager
def stopwatch() -> Iterator[Seconds]:
    """The seconds that the `with` block takes, known when it has ended.

    CPU seconds do not count what other programs of a busy machine do. They do count waiting threads
    that spin, which is one reason to measure on one thread.
    """
    seconds = Seconds()
    yield seconds
    seconds.cpu = process_time() - seconds.cpu
    seconds.wall = perf_counter() - seconds.wall


# ---------------------------------------------------------------- from numbers to a report


def spread(numbers: Sequence[float]) -> Spread:
    """The median, the lowest and the highest: few numbers, and outliers on one side only.

    >>> spread([2.0, 9.0, 3.0])
    {'median': 3.0, 'lowest': 2.0, 'highest': 9.0}
    """
    return {"median": median(numbers), "lowest": min(numbers), "highest": max(numbers)}


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Turn by turn, so that both sides come from the same minute.

    >>> ratios([8.0, 6.0], [4.0, 1.0])
    [2.0, 6.0]
    """
    return [a / b for a, b in zip(above, below, strict=True)]


def growth(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The exponent b of ``cost ~ size^b``, by least squares on logarithms: 1 is "in proportion".

    >>> round(growth([10, 100, 1000], [2.0, 20.0, 200.0]), 3)
    1.0
    """
    x, y = np.log(np.asarray(sizes, dtype=float)), np.log(np.asarray(costs, dtype=float))
    x -= x.mean()
    return float(x @ (y - y.mean()) / (x @ x))
