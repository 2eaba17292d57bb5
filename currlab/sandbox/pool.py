"""A few confined processes that run programs, and outlive whatever those do.

The verdict on a program does not depend on the machine: how much it may compute is counted in
steps (`limits`), and a process that is lost or starved gets its program a second time, by another
process. What a program should have returned never leaves this side.
"""

from __future__ import annotations

import atexit
import os
import selectors
import signal
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence

from currlab.errors import CurrlabError
from currlab.sandbox.process import Job, LostError, Outcome, Program, Worker
from currlab.sandbox.subset import RefusedError, check_text

TRIES = 2


class Pool:
    """Runs programs on `workers` processes, which are started when they are first needed.

    Threads may share a pool; a forked child starts processes of its own.

    >>> with Pool(workers=1) as pool:
    ...     pool.run([Program("def f(x): return x + 1", [[1], ["a"]])])[0].results
    (Result(value=2, error=''), Result(value=None, error='TypeError'))
    """

    def __init__(self, workers: int | None = None) -> None:
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        self.size = min(available, 4) if workers is None else workers
        if self.size < 1:
            raise CurrlabError(f"A pool needs at least one worker; got {self.size}.")
        self.closed = False
        self.workers: list[Worker] = []
        self._lock = threading.Lock()
        _POOLS.add(self)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, programs: Sequence[Program]) -> list[Outcome]:
        """An outcome a program, in their order. CurrlabError if programs cannot be run here."""
        outcomes: list[Outcome | None] = [None] * len(programs)
        waiting: deque[Job] = deque()
        for i, program in enumerate(programs):
            try:
                check_text(program.source)
                waiting.append(Job(i, program))
            except RefusedError as refusal:
                outcomes[i] = Outcome(refused=str(refusal))
        with self._lock:
            if self.closed:
                raise CurrlabError("This pool is closed; make a new one.")
            try:
                self._work(waiting, outcomes)
            finally:  # after an interruption nobody waits for these any more
                for worker in [w for w in self.workers if w.job]:
                    self._drop(worker)
        return outcomes

    def _work(self, waiting: deque[Job], outcomes: list[Outcome | None]) -> None:
        while waiting or any(worker.job for worker in self.workers):
            self._hand_out(waiting, outcomes)
            for worker in self._ready():
                self._attend(worker, waiting, outcomes)

    def _hand_out(self, waiting: deque[Job], outcomes: list[Outcome | None]) -> None:
        """Give every idle worker a job, and start workers while there are more jobs than them."""
        for worker in [worker for worker in self.workers if worker.spent]:
            self._drop(worker)
        while waiting:
            idle = next((worker for worker in self.workers if not worker.job), None)
            idle = idle or self._start()
            if idle is None:
                return
            job = waiting.popleft()
            try:
                idle.give(job)
            except LostError:
                self._lose(idle, waiting, outcomes)

    def _start(self) -> Worker | None:
        """One worker more, if there is room for it."""
        if len(self.workers) == self.size:
            return None
        try:
            worker = Worker()
        except CurrlabError:
            if self.workers:  # a machine that is short of processes: go on with fewer
                return None
            raise
        self.workers.append(worker)
        return worker

    def _ready(self) -> list[Worker]:
        """Busy workers that have something to say, can be told more, or are out of time."""
        busy = [worker for worker in self.workers if worker.job]
        if not busy:
            return []
        with selectors.DefaultSelector() as selector:
            for worker in busy:
                selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
                if worker.outgoing:
                    selector.register(worker.process.stdin, selectors.EVENT_WRITE, worker)
            first = min(worker.job.deadline for worker in busy)
            events = selector.select(max(0.0, first - time.monotonic()))
        ready = {id(key.data) for key, _ in events}
        now = time.monotonic()
        return [w for w in busy if id(w) in ready or w.job.deadline <= now]

    def _attend(self, worker: Worker, waiting: deque[Job], outcomes: list[Outcome | None]) -> None:
        try:
            worker.push()
            line = worker.receive()
            if line is not None:
                outcomes[worker.job.index] = worker.job.outcome(line)
                worker.job = None
            elif worker.job.deadline <= time.monotonic():
                raise LostError
        except LostError:
            self._lose(worker, waiting, outcomes)

    def _lose(self, worker: Worker, waiting: deque[Job], outcomes: list[Outcome | None]) -> None:
        """Replace a worker; its program is tried again, unless that used its processor time up."""
        job = worker.job
        code = self._drop(worker)
        if code == -signal.SIGPROF:
            outcomes[job.index] = Outcome(refused="more processor time than a program may use")
        elif job.tries < TRIES:
            waiting.appendleft(job)
        else:
            outcomes[job.index] = Outcome(refused="its process ended or hung, twice")

    def _drop(self, worker: Worker) -> int:
        self.workers.remove(worker)
        return worker.kill()

    def close(self) -> None:
        """End all processes. Called when Python ends."""
        with self._lock:
            self.closed = True
            while self.workers:
                self._drop(self.workers[0])

    def _after_fork(self) -> None:
        """In a forked child: the parent's workers are none of ours, and its lock may be held."""
        for worker in self.workers:
            worker.forget()
            worker.process.returncode = (
                0  # not a child of this process: there is no status to wait for
            )
        self.workers, self._lock = [], threading.Lock()


_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()
_shared: Pool | None = None
_shared_lock = threading.Lock()


def shared_pool() -> Pool:
    """The pool of this process, made when it is first asked for."""
    global _shared
    with _shared_lock:
        if _shared is None or _shared.closed:
            _shared = Pool()
        return _shared


@atexit.register
def _close_all() -> None:
    for pool in list(_POOLS):
        pool.close()


def _forget_all() -> None:
    global _shared_lock
    _shared_lock = threading.Lock()
    for pool in list(_POOLS):
        pool._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
