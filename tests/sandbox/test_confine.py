"""The second wall: what a worker could do if a program ever took it over. Nothing, that is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_hostile import NOBODY, ROOT, python_for_everybody

# Runs inside a confined worker in place of the interpreter; each line must fail with OSError.
ATTACKS = {
    "read a file": "open('/etc/passwd')",
    "read the victim": "open('{folder}/victim')",
    "write a file": "open('{folder}/new', 'w')",
    "truncate the victim": "os.truncate('{folder}/victim', 0)",
    "delete the victim": "os.unlink('{folder}/victim')",
    "rename the victim": "os.rename('{folder}/victim', '{folder}/other')",
    "change its mode": "os.chmod('{folder}/victim', 0)",
    "make a folder": "os.mkdir('{folder}/new')",
    "make a link": "os.symlink('/etc', '{folder}/new')",
    "list a folder": "os.listdir('/')",
    "a socket": "socket.socket()",
    "a pair of sockets": "socket.socketpair()",
    "a pipe": "os.pipe()",
    "a fork": "os.fork()",
    "another program": "os.execv('/bin/true', ['true'])",
    "kill the parent": "os.kill(os.getppid(), 9)",
    "kill everybody": "os.kill(-1, 9)",
    "stop the parent": "os.kill(os.getppid(), signal.SIGSTOP)",
    "become root": "os.setresuid(0, 0, 0)",
    "more memory": "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "a new priority": "os.nice(-5)",
    "sleep on": "ctypes_sleep()",
    "trace a process": "trace()",
    "a thread": "thread()",
}
WORKER = """
import ctypes, errno, json, os, resource, signal, socket, sys, threading
sys.path.append({root!r})
from currlab.sandbox import worker
libc = ctypes.CDLL(None, use_errno=True)
attacks = json.loads({attacks!r})

def call(function, *arguments):
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")

def ctypes_sleep():
    call(libc.pause)

def trace():
    call(libc.ptrace, 16, os.getppid(), 0, 0)

def thread():
    try:
        threading.Thread(target=int).start()
    except RuntimeError as error:
        raise OSError(str(error))

def attempt(line):
    try:
        exec(line)
    except (OSError, ValueError) as error:
        return [type(error).__name__, None]
    return ["", None]

def answer(request):
    if request["source"] == "memory":
        bytearray(2**30)
    return {{"id": request["id"], "results": [attempt(line) for line in attacks.values()]}}

worker.answer = answer
worker.main()
"""
PARENT = """
import json, os, sys
sys.path.append(sys.argv[1])
from pathlib import Path
if {user} and os.geteuid() == 0:
    os.setgroups([])
    os.setresgid({user}, {user}, {user})
    os.setresuid({user}, {user}, {user})
from currlab.sandbox import process
from currlab.sandbox.pool import Pool, Program
process.WORKER = Path(sys.argv[2])
with Pool(1) as pool:
    outcome, = pool.run([Program("attack", [[]] * {calls})])
    state = pool.workers[0].state
    memory, = pool.run([Program("memory", [])])
print(json.dumps([state, [r.error for r in outcome.results], outcome.refused, memory.refused]))
"""


@pytest.mark.parametrize("user", [0, NOBODY], ids=["as started", "as a user"])
def test_a_worker_that_was_taken_over_can_do_nothing(user, tmp_path):
    tmp_path.chmod(0o777)
    victim = tmp_path / "victim"
    victim.write_text("still here")
    victim.chmod(0o666)
    if user:
        os.chown(victim, user, user) if os.geteuid() == 0 else None
    python = python_for_everybody() if user else sys.executable
    attacks = {name: line.replace("{folder}", str(tmp_path)) for name, line in ATTACKS.items()}
    script = tmp_path.parent / f"worker-{user}.py"
    script.write_text(WORKER.format(root=str(ROOT), attacks=json.dumps(attacks)))
    for folder in tmp_path.parents[:3]:  # pytest-xdist adds a folder to pytest's two
        folder.chmod(folder.stat().st_mode | 0o055) if user else None
    run = subprocess.run(
        [python, "-B", "-c", PARENT.format(user=user, calls=len(attacks)), str(ROOT), str(script)],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    state, errors, refused, memory = json.loads(run.stdout)
    if not state["filter"]:
        pytest.skip("this kernel or processor has no filter of system calls that we know")
    assert state["user"] != 0
    assert refused == ""
    assert [name for name, error in zip(attacks, errors, strict=True) if not error] == []
    assert memory == "its process ended or hung, twice"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["victim"]
    assert victim.read_text() == "still here"
