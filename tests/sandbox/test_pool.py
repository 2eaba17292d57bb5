"""The pool outlives its workers, whatever ends them, and leaves nothing when it ends."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest

from currlab.doctor import CHECKS
from currlab.errors import CurrlabError
from currlab.sandbox import pool as pool_module
from currlab.sandbox import process as process_module
from currlab.sandbox.pool import Pool, shared_pool
from currlab.sandbox.process import Outcome, Program, Result, Worker

ROOT = Path(__file__).parents[2]
HONEST = Program("def f(x): return x+3", [[1], [2]])
RIGHT = Outcome((Result(4), Result(5)))
TWICE = Outcome(refused="its process ended or hung, twice")


@pytest.fixture
def one():
    with Pool(workers=1) as pool:
        yield pool


@pytest.fixture
def worker_script(tmp_path, monkeypatch):
    """Start other code as the worker: the real one, with changes."""

    def use(changes):
        script = tmp_path / "worker.py"
        script.write_text(
            f"import os, sys, time\nsys.path.append({str(ROOT)!r})\n"
            f"from currlab.sandbox import worker\n{changes}\nworker.main()\n"
        )
        monkeypatch.setattr(process_module, "WORKER", script)

    return use


def gone(pids, seconds=10.0):
    """Have these processes ended, zombies included, before so many seconds are over?"""
    end = monotonic() + seconds
    while any(map(psutil.pid_exists, pids)) and monotonic() < end:
        sleep(0.02)
    return not any(map(psutil.pid_exists, pids))


def pids(pool):
    return [worker.process.pid for worker in pool.workers]


# ------------------------------------------------------------------ results


def test_outcomes_come_in_order_and_do_not_depend_on_the_pool():
    programs = [
        Program(source, [[k], ["a"]])
        for k in range(40)
        for source in (
            "def f(x): return x*2",
            "def f(x):\n while x: pass",
            "import os",
            "def f(x): return x+'é'",
        )
    ]
    runs = []
    for workers in (1, 2, 3):
        with Pool(workers) as pool:
            runs.append(pool.run(programs))
            assert len(pool.workers) <= workers
    assert runs[0] == runs[1] == runs[2]
    assert runs[0][0:8:4] == [
        Outcome((Result(0), Result("aa"))),
        Outcome((Result(2), Result("aa"))),
    ]
    assert runs[0][2].refused.startswith("something else")
    assert runs[0][3].refused.startswith("characters")


def test_nothing_to_run_starts_nothing(one):
    assert one.run([]) == []
    assert one.run([Program("é", [])])[0].refused
    assert one.workers == []


def test_values_keep_their_types(one):
    values = [1, True, 1.5, None, "é\ud800\n", [], [[1], "a"], 2**1000, float("inf")]
    results = one.run([Program("def f(x): return x", [[v] for v in values])])[0].results
    assert [r.value for r in results] == values
    assert [type(r.value) for r in results] == [type(v) for v in values]


def test_a_request_may_be_longer_than_a_pipe(one):
    text = "a" * 300_000
    outcome = one.run([Program("def f(x,y): return x+1", [[k, text] for k in range(3)])])[0]
    assert [r.value for r in outcome.results] == [1, 2, 3]


def test_results_that_are_too_long_are_refused(one):
    many = [[10**300 + k] for k in range(400)]
    outcome = one.run([Program("def f(x): return [x]*9", many), HONEST])
    assert outcome == [Outcome(refused="results that are too long"), RIGHT]


def test_strings_of_a_set_have_one_order_everywhere():
    program = Program("def f(x): return list(set(x))", [["curriculum"], ["rollout"]])
    seen = set()
    for _ in range(3):
        with Pool(1) as pool:
            seen.add(str(pool.run([program])))
    assert len(seen) == 1


# ------------------------------------------------------------------ workers that end


def test_a_worker_that_was_killed_while_idle_is_replaced(one):
    assert one.run([HONEST]) == [RIGHT]
    (pid,) = pids(one)
    os.kill(pid, signal.SIGKILL)
    assert one.run([HONEST] * 3) == [RIGHT] * 3
    assert pids(one) != [pid]
    assert gone([pid])


@pytest.mark.parametrize("kills", [1, 2])
def test_a_worker_that_is_killed_at_work_loses_no_program_unless_it_happens_twice(
    kills, monkeypatch
):
    give = Worker.give

    def give_and_kill(self, job):
        process = psutil.Process(self.process.pid)
        doomed = job.index == 2 and job.tries < kills
        if doomed:  # stopped first: it must not have answered when it is killed
            process.suspend()
            while process.status() != psutil.STATUS_STOPPED:
                sleep(0.001)
        give(self, job)
        if doomed:
            process.kill()

    monkeypatch.setattr(Worker, "give", give_and_kill)
    with Pool(2) as pool:
        outcomes = pool.run([Program(HONEST.source, [[k] for k in range(200)])] * 5)
        assert [bool(o.refused) for o in outcomes] == [False, False, kills == 2, False, False]
        assert outcomes[2] == (TWICE if kills == 2 else outcomes[0])


def test_a_worker_that_gets_no_time_is_given_up_and_its_program_tried_again(one, monkeypatch):
    assert one.run([HONEST]) == [RIGHT]
    monkeypatch.setattr(process_module, "WALL_SECONDS", 1.0)
    (stopped,) = pids(one)
    os.kill(stopped, signal.SIGSTOP)
    give = Worker.give
    deadline = {}

    def generous_second_time(self, job):
        monkeypatch.setattr(process_module, "WALL_SECONDS", 30.0 if job.tries else 1.0)
        give(self, job)
        deadline[job.tries] = job.deadline

    monkeypatch.setattr(Worker, "give", generous_second_time)
    assert one.run([HONEST]) == [RIGHT]
    assert sorted(deadline) == [1, 2]
    assert gone([stopped])


LIARS = {
    "another id": "worker.answer = lambda r: {'id': '0'*16, 'results': [['', 4], ['', 5]]}",
    "no id": "worker.answer = lambda r: {'results': [['', 4], ['', 5]]}",
    "too few results": "worker.answer = lambda r: {'id': r['id'], 'results': [['', 4]]}",
    "other shapes": "worker.answer = lambda r: {'id': r['id'], 'results': [4, 5]}",
    "a list": "worker.send = lambda f, m: os.write(f, b'{}\\n' if 'user' in m else b'[1]\\n')",
    "no JSON": "worker.send = lambda f, m: os.write(f, b'{}\\n' if 'user' in m else b'\\xff{\\n')",
    "nesting": "worker.send = lambda f, m: os.write(f, b'{}\\n' if 'user' in m else b'['*60000+b'\\n')",
    "no end": (
        "def send(f, m):\n"
        " os.write(f, b'{}\\n') if 'user' in m else [os.write(f, b'a'*9999) for _ in range(99)]\n"
        "worker.send = send"
    ),
    "an exit": "worker.answer = lambda r: os._exit(0)",
    "an error": "worker.answer = lambda r: 1/0",
    "a crash": "worker.answer = lambda r: os.kill(os.getpid(), 11) or os.abort()",
    "memory": "worker.answer = lambda r: bytearray(10**10)",
}


@pytest.mark.parametrize("lie", LIARS)
def test_a_worker_that_breaks_the_protocol_earns_nothing(lie, worker_script, one):
    worker_script(LIARS[lie])
    assert one.run([HONEST, HONEST]) == [TWICE, TWICE]
    assert one.workers == []


def test_processor_time_is_limited_and_such_a_program_gets_no_second_try(worker_script, one):
    worker_script(
        "worker.CPU_SECONDS = 0.3\nreal = worker.answer\n"
        "worker.answer = lambda r: [0 for _ in iter(int, 1)] if r['source'] else real(r)"
    )
    started = monotonic()
    (outcome,) = one.run([HONEST])
    assert outcome.refused == "more processor time than a program may use"
    assert monotonic() - started < process_module.WALL_SECONDS


def test_silence_costs_two_waits_and_no_more(worker_script, one, monkeypatch):
    worker_script("worker.answer = lambda r: time.sleep(1000)")
    monkeypatch.setattr(process_module, "WALL_SECONDS", 0.3)
    assert one.run([HONEST]) == [TWICE]


def test_workers_are_renewed_and_old_ones_leave_nothing(one, monkeypatch):
    monkeypatch.setattr(process_module, "PROGRAMS_A_WORKER", 3)
    one.run([HONEST])
    files, seen = psutil.Process().num_fds(), set()
    for _ in range(7):
        assert one.run([HONEST] * 3) == [RIGHT] * 3
        seen |= {*pids(one)}
    assert len(seen) >= 7
    assert len(one.workers) == 1
    assert psutil.Process().num_fds() == files
    assert gone(seen - {*pids(one)}, 0.0)


# ------------------------------------------------------------------ what cannot start


def test_without_linux_there_is_one_sentence(monkeypatch, one):
    for platform in ("win32", "darwin"):
        monkeypatch.setattr(sys, "platform", platform)
        with pytest.raises(CurrlabError, match=f"Linux only: {platform} cannot limit"):
            one.run([HONEST])


def test_a_process_that_does_not_start_is_told(monkeypatch, one):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(CurrlabError, match="no process starts"):
        one.run([HONEST])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            "def confine(): raise PermissionError('root stays root')\nworker.confine = confine",
            "root",
        ),
        ("worker.confine = lambda: os._exit(1)", "ended or said nothing"),
        ("worker.send = lambda f, m: os.write(f, b'what\\n')", "ended or said nothing"),
    ],
)
def test_a_worker_that_cannot_confine_itself_runs_nothing(changes, sentence, worker_script, one):
    worker_script(changes)
    with pytest.raises(CurrlabError, match=f"cannot be run here in safety: .*{sentence}"):
        one.run([HONEST])
    assert one.workers == []


def test_a_machine_short_of_processes_goes_on_with_fewer(monkeypatch):
    with Pool(2) as pool:
        assert pool.run([HONEST]) == [RIGHT]
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        assert pool.run([HONEST] * 6) == [RIGHT] * 6
        assert len(pool.workers) == 1


def test_the_doctor_says_who_runs_programs_or_why_nobody_does(monkeypatch, worker_script):
    status, detail = CHECKS["programs"]()
    assert status == "OK"
    assert "as user" in detail
    worker_script("worker.answer = lambda r: {'id': r['id'], 'refused': 'no'}")
    assert CHECKS["programs"]()[0] == "FAIL"
    monkeypatch.setattr(sys, "platform", "win32")
    assert CHECKS["programs"]() == (
        "INFO",
        "the task 'programs' runs on Linux only; on Windows use WSL",
    )


def test_bad_pools_are_told(one):
    with pytest.raises(CurrlabError, match="at least one worker; got 0"):
        Pool(0)
    one.close()
    with pytest.raises(CurrlabError, match="closed"):
        one.run([HONEST])


# ------------------------------------------------------------------ threads, forks, ends


def test_threads_share_a_pool():
    results = {}
    with Pool(2) as pool:

        def work(k):
            program = Program("def f(x): return x*x", [[k]])
            results[k] = [pool.run([program])[0].results[0].value for _ in range(10)]

        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(pool.workers) <= 2
    assert results == {k: [k * k] * 10 for k in range(8)}


def test_an_interruption_leaves_no_stale_answer(one, monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Pool, "_ready", interrupted)
        with pytest.raises(KeyboardInterrupt):
            one.run([Program("def f(x): return 0", [[1], [2]])])
    assert one.workers == []
    assert one.run([HONEST]) == [RIGHT]


def test_the_shared_pool_is_one_and_comes_back_after_a_close(monkeypatch):
    monkeypatch.setattr(pool_module, "_shared", None)
    first = shared_pool()
    assert shared_pool() is first
    assert first.run([HONEST]) == [RIGHT]
    first.close()
    assert shared_pool() is not first
    assert shared_pool().run([HONEST]) == [RIGHT]
    shared_pool().close()


def script(code):
    """Output and status of a process that runs this code with a shared pool at hand."""
    head = (
        f"import os, signal, sys, threading, time\nsys.path.append({str(ROOT)!r})\n"
        "from currlab.sandbox.pool import Program, shared_pool\n"
        "honest = Program('def f(x): return x+3', [[1]])\n"
        "def run(n=1): return [o.results[0].value for o in shared_pool().run([honest] * n)]\n"
        "def pids(): return [w.process.pid for w in shared_pool().workers]\n"
    )
    return subprocess.run(
        [
            sys.executable,
            *["-W", "error::ResourceWarning", "-W", "ignore::DeprecationWarning"],
            "-c",
            head + code,
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )


ENDS = {
    "the end": ("", 0),
    "exit": ("sys.exit(3)", 3),
    "an error": ("1/0", 1),
    "kill": ("os.kill(os.getpid(), signal.SIGKILL)", -9),
    "terminate": ("os.kill(os.getpid(), signal.SIGTERM)", -15),
    "a thread at work": (
        "def work():\n while True: run(50)\n"
        "threading.Thread(target=work, daemon=True).start()\ntime.sleep(0.3)",
        0,
    ),
}


@pytest.mark.parametrize("how", ENDS)
def test_no_worker_survives_its_pool(how):
    code, status = ENDS[how]
    ended = script(f"run(4)\nprint(*pids(), flush=True)\n{code}")
    assert ended.returncode == status, ended.stderr
    assert gone([int(pid) for pid in ended.stdout.split()])


def test_a_forked_child_has_workers_of_its_own():
    ended = script(
        "assert run(3) == [4] * 3\n"
        "mine = pids()\n"
        "held = threading.Event()\n"
        "def hold():\n"
        " with shared_pool()._lock: held.set(); time.sleep(1)\n"
        "threading.Thread(target=hold).start(); held.wait()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        " assert pids() == []\n"
        " assert run(3) == [4] * 3\n"
        " assert not {*pids()} & {*mine}\n"
        " print(*pids(), flush=True)\n"
        " os._exit(7)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7\n"
        "assert run(3) == [4] * 3\n"
        "assert pids() == mine\n"
        "print(*mine)\n"
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    workers = [int(pid) for pid in ended.stdout.split()]
    assert len(set(workers)) == len(workers) >= 2
    assert gone(workers)
