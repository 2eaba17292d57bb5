"""What this machine can do, as lines that begin with OK, FAIL or INFO."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from currlab.errors import CurrlabError
from currlab.training.vllm_checks import installed_vllm

GIB = 2**30
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Check:
    """One finding. `status` is OK, FAIL (something needed is missing) or INFO (something extra)."""

    name: str
    status: str
    detail: str


def _verdict(good: bool) -> str:
    return "OK" if good else "FAIL"


def _python() -> tuple[str, str]:
    good = (3, 11) <= tuple(map(int, platform.python_version_tuple()[:2])) < (3, 15)
    return _verdict(good), f"{platform.python_version()} (3.11 to 3.14 are supported)"


def _packages() -> tuple[str, str]:
    wanted = [Requirement(line) for line in requires("currlab") or [] if "extra ==" not in line]
    wrong = []
    for requirement in wanted:
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            found = "missing"
        if found == "missing" or not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement} (found: {found})")
    if wrong:
        return "FAIL", f"not as pinned: {', '.join(wrong)}; run 'pip install .' again"
    names = ("torch", "transformers", "trl", "peft")
    return "OK", ", ".join(f"{name} {version(name)}" for name in names)


def _torch() -> tuple[str, str]:
    import torch

    length = float(torch.ones(3, dtype=torch.float32).norm() ** 2)
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA"
    return _verdict(abs(length - 3) < 1e-5), f"torch {torch.__version__}, {cuda}"


def _threads() -> tuple[str, str]:
    policy = os.environ.get("OMP_WAIT_POLICY", "not set")
    return "INFO", f"{os.cpu_count()} cores, OMP_WAIT_POLICY {policy} (PASSIVE is the fastest here)"


def _weights() -> tuple[str, str]:
    from currlab.models import load_model

    try:
        model, tokenizer = load_model("tiny-warm")
    except (CurrlabError, OSError) as error:
        return "FAIL", f"the shipped model does not load: {error}"
    return "OK", f"tiny-warm, {model.num_parameters():,} parameters, {len(tokenizer)} tokens"


def _chromium() -> tuple[str, str]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return "INFO", found or "no Chromium; only the browser tests need one"


def _gym() -> tuple[str, str]:
    if importlib.util.find_spec("reasoning_gym"):
        return "INFO", f"reasoning-gym {version('reasoning-gym')}"
    compiler = "" if shutil.which("cc") or shutil.which("gcc") else ", after a C compiler"
    return "INFO", f"not installed; for its tasks install the extra 'gym'{compiler}"


def _vllm() -> tuple[str, str]:
    found = installed_vllm()
    return "INFO", f"vllm {found}" if found else "no vllm; large models on a GPU want it"


def _processes() -> tuple[str, str]:
    import torch

    folder = Path(__file__).with_name("data") / "accelerate"
    command = f"accelerate launch --config_file {folder / 'ddp.yaml'} -m currlab train --engine trl"
    return (
        "INFO",
        f"{torch.cuda.device_count()} GPUs; for several: {command} --profile gpu --out RUN",
    )


def _programs() -> tuple[str, str]:
    from currlab.sandbox.pool import Pool
    from currlab.sandbox.process import Program

    if not sys.platform.startswith("linux"):
        return "INFO", "the task 'programs' runs on Linux only; on Windows use WSL"
    with Pool(workers=1) as pool:
        outcome = pool.run([Program("def f(x): return x + 1", [[1]])])[0]
        state = pool.workers[0].state
    calls = (
        "system calls filtered" if state["filter"] else "system calls not filtered by this kernel"
    )
    good = not outcome.refused and outcome.results[0].value == 2
    return _verdict(good), f"a subset of Python only, confined as user {state['user']}, {calls}"


def _disk() -> tuple[str, str]:
    free = shutil.disk_usage(Path.cwd()).free / GIB
    return _verdict(free >= 0.5), f"{free:.1f} GiB free here (0.5 needed)"


def _memory() -> tuple[str, str]:
    total = psutil.virtual_memory().total / GIB
    return _verdict(total >= 1.5), f"{total:.1f} GiB in all (1.5 needed)"


CHECKS: dict[str, Callable[[], tuple[str, str]]] = {
    "python": _python,
    "packages": _packages,
    "torch": _torch,
    "threads": _threads,
    "model": _weights,
    "programs": _programs,
    "memory": _memory,
    "disk": _disk,
    "reasoning-gym": _gym,
    "browser": _chromium,
    "vllm": _vllm,
    "processes": _processes,
}


def examine() -> list[Check]:
    """Every check in order; one that breaks is a FAIL with what went wrong, and the rest go on."""
    checks = []
    for name, look in CHECKS.items():
        try:
            status, detail = look()
        except (
            Exception
        ) as error:  # a broken installation can fail in any way, and that is a result
            status, detail = "FAIL", f"{type(error).__name__}: {error}"
        checks.append(Check(name, status, " ".join(detail.split())))
    return checks
