"""The memory estimate: counts by hand, what makes it smaller, and a measured peak beside it."""

import subprocess
import sys

import pytest
import torch
from transformers import AutoConfig, Qwen2Config

from currlab.errors import CurrlabError
from currlab.memory import (
    Setting,
    check_memory,
    config_of,
    count_parameters,
    estimate,
    free_memory,
)
from currlab.models import new_model
from currlab.models.tiny import tiny_config
from currlab.training import loss_terms, rollouts

TINY = tiny_config("small")
MEASURE = """
import resource, torch
from currlab.models import new_model
torch.set_num_threads(1)
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
model = new_model("small")
model.train()
optimiser = torch.optim.AdamW(model.parameters())
ids = torch.zeros(1, 4, dtype=torch.long)
model(ids, use_cache=False).logits.sum().backward()
before = peak() - 2 * sum(p.numel() * 4 for p in model.parameters())
ids = torch.zeros(32, 128, dtype=torch.long)
loss = model(ids, use_cache=False).logits.float().log_softmax(-1)[..., 0].mean()
loss.backward()
optimiser.step()
print(peak() - before)
"""


def test_parameters_are_those_of_the_model_and_adapters_are_counted_by_hand():
    weights = new_model("small").num_parameters()
    assert count_parameters(TINY) == (weights, weights)
    by_hand = 8 * (4 * 8 * (512 + 512) + 3 * 8 * (512 + 1536))
    assert count_parameters(TINY, 8) == (weights + by_hand, by_hand)


def test_what_saves_memory_does():
    base = Setting(dtype="float32")
    parts, small = estimate(TINY, base), estimate(TINY, Setting(dtype="bfloat16"))
    assert small["weights"] * 2 == parts["weights"]
    adapted = estimate(TINY, Setting(dtype="float32", lora_rank=8))
    assert adapted["optimiser"] < parts["optimiser"] / 10
    thrifty = estimate(TINY, Setting(dtype="float32", checkpointing=True))
    assert thrifty["activations"] < parts["activations"] / 4
    assert estimate(TINY, Setting(rows=8, dtype="float32"))["logits"] * 4 == parts["logits"]


def test_the_estimate_is_within_a_factor_of_two_of_a_measured_update():
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True
    )
    measured = int(done.stdout)
    told = estimate(TINY, Setting(32, 1, 64, 64, dtype="float32"))["peak"]
    assert 0.5 < told / measured < 2, (told, measured)


def test_grouped_heads_make_the_cache_smaller():
    shape = {"vocab_size": 100, "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128}
    many, few = (Qwen2Config(**shape, num_attention_heads=8, num_key_value_heads=k) for k in (8, 2))
    setting = Setting()
    assert estimate(many, setting)["cache"] == 4 * estimate(few, setting)["cache"]


def test_too_little_memory_says_need_have_and_what_to_change():
    check_memory(TINY, Setting(rows=1), 2**40)
    with pytest.raises(
        CurrlabError, match=r"needs about .* GiB and 0\.00 GiB are there; .* choose"
    ):
        check_memory(TINY, Setting(), 1000)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [({"rows": 0}, "'rows'"), ({"lora_rank": -1}, "'lora_rank'"), ({"dtype": "int3"}, "float32")],
)
def test_settings_that_cannot_be_are_refused(setting, sentence):
    with pytest.raises(CurrlabError, match=sentence):
        Setting(**setting)


def test_a_configuration_comes_from_a_folder_or_is_told(tmp_path):
    TINY.save_pretrained(tmp_path)
    assert isinstance(config_of(str(tmp_path)), type(AutoConfig.for_model("llama")))
    with pytest.raises(CurrlabError, match="Cannot read the configuration"):
        config_of(str(tmp_path / "none"))


# ---------------------------------------------------------------- rows at a time on a GPU


@pytest.fixture
def gpu_with(monkeypatch):
    """Pretends that torch has so many bytes of a GPU: free ones, and ones of its own unused."""

    def pretend(free, reserved=0, allocated=0):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2 * free))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: reserved)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: allocated)
        model = new_model("tiny")
        monkeypatch.setattr(type(model), "device", torch.device("cuda"))
        return model

    return pretend


def test_free_memory_counts_what_torch_holds_unused(gpu_with):
    gpu_with(1000, reserved=500, allocated=200)
    assert free_memory(torch.device("cuda")) == 1300


def test_rows_of_an_update_fit_the_estimate(gpu_with):
    model = gpu_with(10**9)
    rows = loss_terms.rows_at_a_time(model, 50)
    parts = estimate(model.config, Setting(rows=rows, prompt=1, completion=49, dtype="float32"))
    needed = parts["activations"] + parts["logits"]
    assert 0.4e9 < needed <= 0.51e9
    assert loss_terms.rows_at_a_time(model, 100) == rows // 2
    assert loss_terms.rows_at_a_time(gpu_with(1), 50) == 1


def test_rows_sampled_at_once_fit_the_estimate(gpu_with):
    prompts = [(1,) * 10] * 4
    model = gpu_with(10**7)
    rows = rollouts.rows_at_a_time(model, prompts, 40)
    parts = estimate(
        model.config, Setting(rows=1, sampled=rows, prompt=10, completion=40, dtype="float32")
    )
    assert 0.2e7 < parts["cache"] <= 0.25e7
    assert rollouts.rows_at_a_time(gpu_with(1), prompts, 40) == 1
    assert rollouts.rows_at_a_time(gpu_with(10**12), prompts, 40) == rollouts.MOST_ROWS_ON_GPU


def test_on_a_cpu_memory_is_not_asked():
    model = new_model("tiny")
    assert loss_terms.rows_at_a_time(model, 50) == loss_terms.ROWS_AT_A_TIME
    assert rollouts.rows_at_a_time(model, [(1,)], 5) == rollouts.ROWS_AT_A_TIME
