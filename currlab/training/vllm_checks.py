"""May vLLM be used here? CUDA, the extra `gpu`, a version that TRL takes, a server that answers."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from currlab.errors import CurrlabError

if TYPE_CHECKING:
    import torch

MODES = ("off", "colocate", "server")
SERVER = "http://localhost:8000"
# Seconds in which a server that is up says so.
PATIENCE = 5.0


def check_vllm(mode: str, device: str | torch.device, server: str = SERVER) -> None:
    """CurrlabError, in one sentence, if vLLM cannot be used so here; 'off' needs nothing.

    'colocate' and 'server' need CUDA, the extra `gpu` and a version that the installed TRL takes;
    'server' needs one that answers, too, and serves one training process.
    """
    if mode not in MODES:
        raise CurrlabError(f"Unknown vLLM mode '{mode}'; the modes are {', '.join(MODES)}.")
    if mode == "off":
        return
    if not is_cuda(device):
        raise CurrlabError(
            f"vLLM needs a CUDA device, and the device here is '{device}'; use the vLLM mode 'off', "
            "or profile gpu on a machine with CUDA."
        )
    installed = installed_vllm()
    if installed is None:
        raise CurrlabError(
            "vLLM is not installed; `pip install -e '.[gpu]'` adds it on Linux, without the "
            "constraints file."
        )
    if not supported_vllm().contains(installed, prereleases=True):
        raise CurrlabError(
            f"vLLM {installed} is installed, and TRL {version('trl')} takes vLLM "
            f"{supported_vllm()}; install the extra 'gpu'."
        )
    if mode == "server":
        _check_server(server)


def is_cuda(device: str | torch.device) -> bool:
    import torch  # the command line reads this module's names, and does without torch

    return torch.device(device).type == "cuda" and torch.cuda.is_available()


def installed_vllm() -> str | None:
    """The installed version of vLLM, or None. It is not imported, which takes long."""
    try:
        return version("vllm")
    except PackageNotFoundError:
        return None


def supported_vllm() -> SpecifierSet:
    """The versions of vLLM that the installed TRL takes: those of its own extra."""
    needs = [Requirement(text) for text in requires("trl") or ()]
    return next(need.specifier for need in needs if need.name == "vllm")


def _check_server(address: str) -> None:
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise CurrlabError(
            "A vLLM server serves one training process; under torchrun use the vLLM mode 'colocate'."
        )
    if not address.startswith(("http://", "https://")):
        raise CurrlabError(f"A vLLM server's address is like {SERVER}; got '{address}'.")
    try:
        with urlopen(f"{address.rstrip('/')}/health", timeout=PATIENCE):
            return
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise CurrlabError(
            f"No vLLM server answers at {address} ({reason}); start it with `vllm serve`, or name "
            "the address of one that runs."
        ) from error
