"""Hostile programs: no reward, nothing left behind, nobody kept waiting; by root and by a user."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from time import monotonic

import psutil
import pytest

from currlab.sandbox.pool import Pool, shared_pool
from currlab.sandbox.process import Program
from currlab.tasks import Problem, get_task
from currlab.tasks.program_tests import TIERS

sys.path.insert(0, str(Path(__file__).parent))
from hostile import HOSTILE, PROGRAMS, RIGHT

ROOT = Path(__file__).parents[2]
PROBLEM = Problem("programs", 1, 0, "f(number): add 3", RIGHT)
NOTHING = dict.fromkeys(TIERS, 0.0)
# What one program may take on a busy machine; alone, none takes a tenth of a second.
SECONDS_A_PROGRAM = 20.0
NOBODY = 65534


def block(answer):
    return f"<answer>{answer}</answer>"


def traces(folder):
    """Whatever a program could leave: processes, listening ports, open files, files."""
    me = psutil.Process()
    workers = {worker.process.pid for worker in shared_pool().workers}  # renewed now and then
    processes = {p.pid for p in me.children(recursive=True)} - workers
    connections = [c for p in (me, *me.children(recursive=True)) for c in p.net_connections()]
    files = {path.name: path.read_text() for path in folder.iterdir()}
    return processes, connections, me.num_fds() - 2 * len(workers), files


@pytest.fixture
def folder(tmp_path):
    """A folder that everybody may write to, with a file that everybody may change."""
    tmp_path.chmod(0o777)
    (tmp_path / "victim").write_text("still here")
    (tmp_path / "victim").chmod(0o666)
    return tmp_path


def test_there_are_forty_kinds_and_the_right_program_is_right():
    assert len(HOSTILE) >= 40
    assert len({program for _, _, program in PROGRAMS}) == len(PROGRAMS) >= 200
    task = get_task("programs")
    assert task.verify(PROBLEM, block(RIGHT))
    assert task.tier_results(PROBLEM, block(RIGHT)) == dict.fromkeys(TIERS, 1.0)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_program_earns_nothing_and_leaves_nothing(kind, folder):
    task = get_task("programs")
    assert task.verify(PROBLEM, block(RIGHT))  # the workers of the pool are there
    before = traces(folder)
    for program in HOSTILE[kind]:
        started = monotonic()
        completion = block(program.replace("{folder}", str(folder)))
        assert task.verify(PROBLEM, completion) is False, program[:200]
        assert task.tier_results(PROBLEM, completion) == NOTHING, program[:200]
        assert monotonic() - started < SECONDS_A_PROGRAM, program[:200]
    assert task.verify(PROBLEM, block(RIGHT))
    assert traces(folder) == before


def test_all_of_them_at_once_among_honest_ones():
    """One batch: every honest program passes, whatever its neighbours do; no worker is lost."""
    task = get_task("programs")
    completions = [block(p) for _, _, program in PROGRAMS for p in (program, RIGHT)]
    assert task.verify_all(PROBLEM, completions) == [False, True] * len(PROGRAMS)
    workers = [worker.process.pid for worker in shared_pool().workers]
    assert task.verify_all(PROBLEM, completions[:50]) == [False, True] * 25
    assert {worker.process.pid for worker in shared_pool().workers} <= {*workers}


def test_what_a_program_did_is_gone_with_it():
    """Two programs of one worker: nothing of the first is there for the second."""
    with Pool(workers=1) as pool:
        calls = [[1], [2]]
        pool.run([Program("def f(x):\n y=max=len=x\n return y", calls)])
        outcome = pool.run([Program("def f(x): return y", calls)])[0]
        assert [r.error for r in outcome.results] == ["NameError"] * 2
        outcome = pool.run([Program("def f(x): return max([x])", calls)])[0]
        assert [r.value for r in outcome.results] == [1, 2]


# ------------------------------------------------------------------ as another user


AS_USER = """
import json, os, sys
sys.path.append(sys.argv[1])
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid({user}, {user}, {user})
    os.setresuid({user}, {user}, {user})
from currlab.sandbox.pool import shared_pool
from currlab.tasks.base import Problem
from currlab.tasks.programs import Programs

problem = Problem("programs", 1, 0, "f(number): add 3", "")
task = Programs()
right = task.verify_all(problem, json.load(sys.stdin))
workers = shared_pool().workers
print(json.dumps([os.getuid(), workers[0].state, [w.process.pid for w in workers], right]))
"""


def python_for_everybody():
    """A Python that another user may start; a tester's own is often in a folder that is private."""
    for candidate in (sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin")):
        command = [candidate, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        as_user = {"user": NOBODY, "group": NOBODY} if os.geteuid() == 0 else {}
        try:
            if candidate and subprocess.run(command, **as_user).returncode == 0:
                return candidate
        except PermissionError:
            continue
    pytest.skip("no Python of version 3.11 or later that an unprivileged user may start")


def test_an_unprivileged_user_is_as_safe(folder):
    python = python_for_everybody()
    completions = [
        block(program.replace("{folder}", str(folder)))
        for _, _, program in [*PROGRAMS, ("", 0, RIGHT)]
    ]
    run = subprocess.run(
        [python, "-B", "-c", AS_USER.format(user=NOBODY), str(ROOT)],
        input=json.dumps(completions),
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    user, state, workers, right = json.loads(run.stdout)
    assert user == state["user"] != 0
    assert right == [False] * len(PROGRAMS) + [True]
    assert not any(map(psutil.pid_exists, workers))
    assert [path.name for path in folder.iterdir()] == ["victim"]
    assert (folder / "victim").read_text() == "still here"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_root_runs_no_program_as_root():
    with Pool(workers=1) as pool:
        pool.run([Program(RIGHT, [[1]])])
        worker = pool.workers[0]
        assert worker.state["user"] == NOBODY
        process = psutil.Process(worker.process.pid)
        assert set(process.uids()) == {NOBODY}
        assert set(process.gids()) == {NOBODY}
