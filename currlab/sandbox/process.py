"""One confined process that runs programs, as seen from outside: two pipes and a way to end it."""

from __future__ import annotations

import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from currlab.errors import CurrlabError

WORKER = Path(__file__).with_name("worker.py")
# A process that gets no processor time for so long is given up; busy machines are patient ones.
WALL_SECONDS = 20.0
START_SECONDS = 60.0
PROGRAMS_A_WORKER = 500
MAX_LINE = 200_000


@dataclass(frozen=True)
class Program:
    """Source text of a function ``f``, and the arguments of each of its calls (JSON values)."""

    source: str
    calls: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Result:
    """What one call returned, or the name of the error that ended it."""

    value: Any
    error: str = ""


@dataclass(frozen=True)
class Outcome:
    """One result a call; or none, and the reason why the program was `refused` or given up."""

    results: tuple[Result, ...] = ()
    refused: str = ""


class LostError(Exception):
    """The worker is gone, or does not keep to the protocol."""


@dataclass
class Job:
    """A program that is under way."""

    index: int
    program: Program
    tries: int = 0
    id: str = ""
    deadline: float = 0.0

    def outcome(self, line: bytes) -> Outcome:
        """The outcome that a reply tells. LostError if it is none, or one to another request."""
        try:
            reply = json.loads(line)
            if reply["id"] != self.id:
                raise LostError
            if "refused" in reply:
                return Outcome(refused=str(reply["refused"]))
            results = tuple(Result(value, str(error)) for error, value in reply["results"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise LostError from None
        if len(results) != len(self.program.calls):
            raise LostError
        return Outcome(results)


class Worker:
    """One confined process and its two pipes, which never block this side."""

    def __init__(self) -> None:
        self.process = start_process()
        self.job: Job | None = None
        self.served = 0
        self.incoming, self.outgoing = bytearray(), bytearray()
        for pipe in (self.process.stdin, self.process.stdout):
            os.set_blocking(pipe.fileno(), False)
        self.state = self._hello()

    def _hello(self) -> dict[str, Any]:
        """The first line: the user that the process became, or why it could not confine itself."""
        end = time.monotonic() + START_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            try:
                while (line := self.receive()) is None:
                    if not selector.select(max(0.0, end - time.monotonic())):
                        raise LostError
                state = json.loads(line)
            except (LostError, ValueError):
                state = {"error": "the process ended or said nothing when it was started"}
        if "error" in state:
            self.kill()
            raise CurrlabError(f"Programs cannot be run here in safety: {state['error']}.")
        return state

    @property
    def spent(self) -> bool:
        """Idle, and no longer good for another program."""
        worn = self.served >= PROGRAMS_A_WORKER
        return self.job is None and (worn or self.process.poll() is not None)

    def give(self, job: Job) -> None:
        """Start on a job; `push` sends what is left of the request."""
        job.tries, job.id = job.tries + 1, secrets.token_hex(8)
        job.deadline = time.monotonic() + WALL_SECONDS
        self.job, self.served = job, self.served + 1
        request = {"id": job.id, "source": job.program.source, "calls": job.program.calls}
        self.outgoing += json.dumps(request).encode() + b"\n"
        self.push()

    def push(self) -> None:
        """Send what fits into the pipe."""
        try:
            while self.outgoing:
                del self.outgoing[: os.write(self.process.stdin.fileno(), self.outgoing)]
        except BlockingIOError:
            return
        except OSError:
            raise LostError from None

    def receive(self) -> bytes | None:
        """A whole line, or None if none is there yet. LostError if there will be none."""
        try:
            part = os.read(self.process.stdout.fileno(), 2**16)
        except BlockingIOError:
            return None
        self.incoming += part
        if not part or len(self.incoming) > MAX_LINE:
            raise LostError
        line, end, rest = self.incoming.partition(b"\n")
        if not end:
            return None
        self.incoming = rest
        return bytes(line)

    def kill(self) -> int:
        """End the process and everything it may have started; what it ended of."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.forget()
        return self.process.wait()

    def forget(self) -> None:
        """Close this side's ends of the pipes; a worker that reads the end of its input ends."""
        self.process.stdin.close()
        self.process.stdout.close()


def start_process() -> subprocess.Popen:
    """A worker in a session of its own, without this process's environment and open files."""
    if not sys.platform.startswith("linux"):
        raise CurrlabError(
            f"Programs run on Linux only: {sys.platform} cannot limit what a process may do as "
            "the sandbox needs it; on Windows use WSL."
        )
    kept = {
        name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PYTHONHOME") if name in os.environ
    }
    try:
        return subprocess.Popen(
            [sys.executable, "-S", "-s", "-P", "-B", str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
            # A fixed hash seed: the order of a set of text is the same in every process.
            env={**kept, "PYTHONHASHSEED": "0"},
        )
    except OSError as error:
        raise CurrlabError(f"Programs cannot be run: no process starts ({error}).") from error
