"""Many notebooks, one after the other: what is done is not repeated, a failure stops nothing."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import nbformat

from currlab.errors import CurrlabError
from currlab.execute import Executed, NotebookError, done_before, run_job
from currlab.jobs import Job

INTERRUPTED = 130  # what shells give a program that Ctrl-C has ended


def run_batch(jobs: Sequence[Job], said: Callable[[str], None] = print) -> int:
    """Execute the jobs; the exit status: 0, 1 if one failed, 130 after Ctrl-C.

    `said` gets the paths of each notebook and its page; progress goes to stderr.
    """
    before = {job.folder: done_before(job) for job in jobs}
    pace = _Pace([job for job in jobs if before[job.folder] is None])
    failed, done = [], 0
    try:
        for number, job in enumerate(jobs, start=1):
            label = f"[{number}/{len(jobs)}] {job.folder.name}"
            executed = before[job.folder]
            if executed is None:
                executed = _run_one(job, label, pace)
            else:
                _tell(f"{label}: done before, with the same notebook, parameters and versions")
            if executed is None:
                failed.append(job)
            else:
                done += 1
                said(f"{executed.notebook}\n{executed.html}")
    except KeyboardInterrupt:
        # The kernel dies of it, too; asyncio would print that as a traceback on the way out.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        _tell(
            f"Stopped: {done} of {len(jobs)} finished and kept, {len(failed)} failed. The same "
            "command goes on with the rest."
        )
        return INTERRUPTED
    if len(jobs) > 1:
        names = ", ".join(job.folder.name for job in failed)
        _tell(f"{done} of {len(jobs)} finished" + (f"; failed: {names}" if failed else "."))
    return 1 if failed else 0


def _run_one(job: Job, label: str, pace: _Pace) -> Executed | None:
    """Execute one job and tell how it went; None if it failed."""
    _tell(f"{label}: {pace.outlook()}")
    started = time.monotonic()
    try:
        executed = run_job(job, label)
    except (NotebookError, CurrlabError) as error:
        _tell(f"Error: {error}")
    except Exception as error:
        # Whatever happens to one notebook, such as a full disk, the others are tried.
        _tell(f"Error: Notebook '{job.notebook.name}': {type(error).__name__}: {error}")
    else:
        pace.ended(job, time.monotonic() - started)
        return executed
    pace.ended(job)
    return None


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@dataclass
class _Pace:
    """How long the rest will take: what the notebooks' authors measured, times this machine."""

    left: list[Job]
    expected: float = 0.0
    spent: float = 0.0

    def ended(self, job: Job, seconds: float | None = None) -> None:
        """Count a job; one that failed after some time says nothing of the machine's speed."""
        self.left.remove(job)
        measured = measured_seconds(job)
        if seconds is not None and measured is not None:
            self.spent, self.expected = self.spent + seconds, self.expected + measured

    def outlook(self) -> str:
        """The time for this notebook and for all that are left, in words."""
        times = [measured_seconds(job) for job in self.left]
        if None in times:
            return f"{len(times)} left"
        slower = self.spent / self.expected if self.expected else 1.0
        this, rest = (timedelta(seconds=round(slower * t)) for t in (times[0], sum(times)))
        together = f"; all {len(times)} that are left: about {rest}" if len(times) > 1 else ""
        return f"about {this}{together}"


def measured_seconds(job: Job) -> float | None:
    """What the notebook's own metadata say it takes in the job's profile."""
    told = nbformat.read(job.notebook, as_version=4).metadata.get("currlab", {})
    measured = told.get("measured", {}).get(job.told.get("profile"), {})
    return measured.get("seconds")
