"""`pytest tests/gpu --gpu-report FILE` writes what ran, how long, with how much memory, and where."""

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

PACKAGES = ("currlab", "torch", "transformers", "trl", "peft", "accelerate")


class GpuReport:
    """Collects the outcome of every test; `cuda` is torch.cuda, or a stand-in of it."""

    def __init__(self, path, cuda=torch.cuda):
        self.path, self.cuda, self.tests = Path(path), cuda, []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        if self.cuda.is_available():
            self.cuda.reset_peak_memory_stats()
        return (yield)

    def pytest_runtest_logreport(self, report):
        """The call, or a set-up that skipped or failed; a tear-down only if it failed."""
        if report.when == "call" or report.outcome != "passed":
            on_gpu = self.cuda.is_available()
            told = {"test": report.nodeid, "outcome": report.outcome, "seconds": report.duration}
            told["peak_memory_bytes"] = self.cuda.max_memory_allocated() if on_gpu else None
            self.tests.append({**told, **dict(report.user_properties)})

    def pytest_sessionfinish(self):
        found = self.cuda.is_available()
        told = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "device": self.cuda.get_device_name() if found else None,
            "python": platform.python_version(),
            "cuda": torch.version.cuda,
            "versions": {name: version(name) for name in PACKAGES},
            "tests": self.tests,
        }
        self.path.write_text(json.dumps(told, indent=1) + "\n")


def pytest_addoption(parser):
    parser.addoption("--gpu-report", metavar="FILE", help="Write what ran on the GPU as JSON.")


def pytest_configure(config):
    if path := config.getoption("--gpu-report", None):
        config.pluginmanager.register(GpuReport(path), "gpu-report")
