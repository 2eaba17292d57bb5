"""The JSON of `make test-gpu`: written without a GPU too, where it says that nothing ran."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

FOLDER = Path(__file__).with_name("gpu")


def plugin():
    spec = importlib.util.spec_from_file_location("gpu_conftest", FOLDER / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class StandIn:
    """A GPU as the report sees it."""

    resets = 0

    def is_available(self):
        return True

    def reset_peak_memory_stats(self):
        self.resets += 1

    def max_memory_allocated(self):
        return 1000 * self.resets

    def get_device_name(self):
        return "a stand-in"


def outcome(name, when, told, **properties):
    return SimpleNamespace(
        nodeid=name, when=when, outcome=told, duration=0.5, user_properties=properties.items()
    )


def test_the_report_of_a_gpu(tmp_path):
    cuda = StandIn()
    report = plugin().GpuReport(tmp_path / "gpu.json", cuda)
    for name, told in (("fast", "passed"), ("broken", "failed")):
        around = report.pytest_runtest_protocol(None)
        next(around)
        report.pytest_runtest_logreport(outcome(name, "setup", "passed"))
        report.pytest_runtest_logreport(outcome(name, "call", told, tokens_per_second=7.0))
        report.pytest_runtest_logreport(outcome(name, "teardown", "passed"))
    report.pytest_sessionfinish()
    told = json.loads((tmp_path / "gpu.json").read_text())
    assert told["device"] == "a stand-in"
    assert told["versions"]["trl"] == "1.16.0"
    assert {"date", "python", "cuda"} <= told.keys()
    assert [(t["test"], t["outcome"], t["peak_memory_bytes"]) for t in told["tests"]] == [
        ("fast", "passed", 1000),
        ("broken", "failed", 2000),
    ]
    assert {(t["seconds"], t["tokens_per_second"]) for t in told["tests"]} == {(0.5, 7.0)}


def test_the_command_writes_it_here(tmp_path):
    file = tmp_path / "gpu.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", FOLDER]
    hidden = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PATH": ""}
    done = subprocess.run(
        [*command, "--gpu-report", file], capture_output=True, text=True, env=hidden
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(file.read_text())
    assert told["device"] is None
    assert len(told["tests"]) >= 11
    assert {(t["outcome"], t["peak_memory_bytes"]) for t in told["tests"]} == {("skipped", None)}
