"""The memory estimate: counts by hand, what makes it smaller, and a measured peak beside it."""

import subprocess
import sys

import pytest
from transformers import AutoConfig, Qwen2Config

from currlab.errors import CurrlabError
from currlab.memory import Setting, check_memory, config_of, count_parameters, estimate
from currlab.models import new_model
from currlab.models.tiny import tiny_config

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
