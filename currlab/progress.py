"""How far a long job is: a bar with the time left on terminals, a plain line now and then in logs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS_BETWEEN_LINES = 15.0


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yields `advance(done)`, to be called with how many of `total` parts are done.

    >>> with progress("training", total=300) as advance:
    ...     advance(1)
    """
    if not sys.stderr.isatty():
        yield _line_printer(label, total)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
    with Progress(*columns, *times, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


def _line_printer(label: str, total: int) -> Callable[[int], None]:
    start = shown = time.monotonic()

    def advance(done: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if done < total and now - shown < SECONDS_BETWEEN_LINES:
            return
        shown = now
        left = (now - start) / max(done, 1) * (total - done)
        print(
            f"{label}: {done} of {total}, {now - start:.0f} s, about {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )

    return advance
