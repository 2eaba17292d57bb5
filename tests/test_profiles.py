"""Profiles choose device, dtype and threads, and refuse what the machine does not have."""

import subprocess
import sys
from dataclasses import fields

import pytest
import torch

from currlab.errors import CurrlabError
from currlab.profiles import PROFILES, Profile, profile
from currlab.training import make_weights


def test_unknown_profile_names_the_known_ones():
    with pytest.raises(CurrlabError, match="smoke, cpu, gpu"):
        profile("fast")


def test_gpu_without_cuda_is_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CurrlabError, match="needs a CUDA device"):
        profile("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert profile("gpu").device == "cuda"


def test_smoke_is_never_larger_than_cpu_nor_cpu_than_gpu():
    sizes = [f.name for f in fields(Profile) if f.type == "int" and f.name != "threads"]
    for small, large in (("smoke", "cpu"), ("cpu", "gpu")):
        for name in sizes:
            assert getattr(PROFILES[small], name) <= getattr(PROFILES[large], name), name


def test_every_precision_is_a_floating_torch_dtype():
    for chosen in PROFILES.values():
        assert chosen.dtype.is_floating_point


def test_threads_are_set_by_apply_and_never_by_import():
    program = (
        "import torch; torch.set_num_threads(3);"
        "import currlab.profiles as p; before = torch.get_num_threads();"
        "p.profile('smoke').apply(); print(before, torch.get_num_threads())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["3", "1"], done.stderr


def test_on_a_gpu_products_may_round_and_models_are_made_where_they_are_wanted(monkeypatch):
    made = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(make_weights, "ensure_weights", lambda *size: made.append(size))
    before = torch.get_float32_matmul_precision()
    try:
        assert profile("gpu").apply(models=False).warm == "small-warm"
        assert torch.get_float32_matmul_precision() == "high"
        assert made == []
        profile("gpu").apply()
        assert made == [("small", "cuda")]
    finally:
        torch.set_float32_matmul_precision(before)
