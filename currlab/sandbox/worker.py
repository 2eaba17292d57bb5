"""The process that runs programs: it reads a line, evaluates, writes a line, and can do no more.

Lines are JSON. A request is ``{"id", "source", "calls"}``; the reply has the same id and either
``results``, one ``[error, value]`` a call, or ``refused``, the reason. A program has no way to the
pipes and never sees the id; the values that are expected of it are not in this process at all.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # started by its path; behind the standard library, to hide none of it
    sys.path.append(str(Path(__file__).parents[2]))

from currlab.sandbox.confine import confine
from currlab.sandbox.evaluate import Evaluator
from currlab.sandbox.subset import RefusedError, parse

CPU_SECONDS = 2.0
MAX_REPLY = 100_000
RECURSION = 10_000


def main() -> None:
    """Confine the process, say so, then answer requests until there are no more."""
    requests, replies = private_pipes()
    sys.setrecursionlimit(RECURSION)
    warnings.simplefilter("ignore")  # what Python's parser thinks of a model's style
    try:
        state: dict[str, Any] = confine()
    except (OSError, ValueError) as error:
        state = {"error": str(error)}
    send(replies, state)
    for line in requests:
        # SIGPROF ends the process once the program has used up its processor time.
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        reply = answer(json.loads(line))
        signal.setitimer(signal.ITIMER_PROF, 0)
        send(replies, reply)


def private_pipes() -> tuple[Any, int]:
    """The pipes under other numbers; standard input, output and errors lead nowhere."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)
    return requests, replies


def send(replies: int, message: dict[str, Any]) -> None:
    line = json.dumps(message)
    if len(line) > MAX_REPLY:
        line = json.dumps({"id": message["id"], "refused": "results that are too long"})
    data = line.encode() + b"\n"
    while data:
        data = data[os.write(replies, data) :]


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The reply to one request."""
    try:
        evaluator = Evaluator(parse(request["source"]))
    except RefusedError as refusal:
        return {"id": request["id"], "refused": str(refusal)}
    results = [result(evaluator, arguments) for arguments in request["calls"]]
    return {"id": request["id"], "results": results}


def result(evaluator: Evaluator, arguments: Sequence[Any]) -> list[Any]:
    """[name of the error or "", what the call returned]."""
    try:
        value = evaluator.call(arguments)
        check_plain(value)
    except Exception as error:  # a program can fail in all of Python's ways
        return [type(error).__name__, None]
    return ["", value]


def check_plain(value: Any) -> None:
    """A result is a number, text, True, False, None, or a list of results: what JSON keeps."""
    if type(value) is list:
        for element in value:
            check_plain(element)
    elif type(value) not in (int, float, str, bool, type(None)):
        raise TypeError


if __name__ == "__main__":
    main()
