"""Profile gpu as notebooks use it: its speed, the split of a step, its memory, beside the CPU's.

What is asserted are facts that no machine changes; the figures go to the report (`--gpu-report`).
"""

from itertools import pairwise
from statistics import median
from time import perf_counter

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, Qwen2Config

from currlab.curricula import make_recipe
from currlab.memory import Setting, estimate
from currlab.models import load_model, new_model
from currlab.models.tokenizer import build_tokenizer, prompt_ids
from currlab.profiles import profile
from currlab.tasks import get_task
from currlab.training import loss_terms, rollouts
from currlab.training.config import TrainingConfig
from currlab.training.decoders import HuggingFaceDecoder, LlamaDecoder
from currlab.training.graph_decoder import GraphedLlamaDecoder
from currlab.training.rollouts import sample_completions
from currlab.training.rows import Row, log_probabilities, token_batch
from currlab.training.scratch import ScratchTrainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]
NEW_TOKENS = 40
NEVER = -7  # no token has this id: every row runs to the limit
# Qwen2.5-0.5B's numbers, as its configuration on the Hub gives them.
QWEN = Qwen2Config(
    vocab_size=151936,
    hidden_size=896,
    intermediate_size=4864,
    num_hidden_layers=24,
    num_attention_heads=14,
    num_key_value_heads=2,
    tie_word_embeddings=True,
)


@pytest.fixture(scope="module")
def settings():
    return profile("gpu").apply()


@pytest.fixture(autouse=True)
def memory_given_back():
    yield
    torch.cuda.empty_cache()


def steps_of(settings, steps, **changes):
    """Medians over the steps of a run but its first two, which set the libraries up."""
    model, tokenizer = load_model(settings.warm, settings.device, settings.dtype)
    recipe = make_recipe("sec", settings={"fixed_group": {"size": settings.group_size}})
    sizes = {"prompts_per_step": settings.prompts_per_step, **changes}
    config = TrainingConfig(
        steps=steps, learning_rate=settings.learning_rate, eval_every=0, **sizes
    )
    trainer = ScratchTrainer(model, tokenizer, recipe, config)
    lines = [trainer.step() for _ in range(steps)]
    sampled = [b - a for a, b in pairwise([0, *(line["tokens_generated"] for line in lines)])]
    for line, tokens in zip(lines, sampled, strict=True):
        line["tokens_a_step"] = tokens
        line["tokens_per_second"] = tokens / line["seconds_generation"]
    seconds = ("seconds_generation", "seconds_update", "seconds_curriculum")
    kinds = ("tokens_a_step", "tokens_per_second", *seconds)
    return {kind: median(line[kind] for line in lines[2:]) for kind in kinds}


def test_the_step_of_the_profile(settings, record_property):
    """And that of profile cpu, and the small model's on the CPU with a sixteenth of the prompts."""
    torch.cuda.reset_peak_memory_stats()
    gpu = steps_of(settings, 14)
    peak = torch.cuda.max_memory_allocated()
    threads = torch.get_num_threads()
    try:
        cpu = steps_of(profile("cpu").apply(), 14)
        same = steps_of(Small(settings), 3, prompts_per_step=settings.prompts_per_step // 16)
    finally:
        torch.set_num_threads(threads)
    record_property("profile_gpu", {**gpu, "peak_memory_bytes": peak})
    record_property("profile_cpu", cpu)
    record_property("small_model_on_one_cpu_thread", same)
    ratios = {
        "profile_cpu": gpu["tokens_per_second"] / cpu["tokens_per_second"],
        "small_model_on_one_cpu_thread": gpu["tokens_per_second"] / same["tokens_per_second"],
    }
    record_property("generation_times_as_fast_as", ratios)
    assert gpu["tokens_per_second"] > same["tokens_per_second"]
    assert gpu["seconds_curriculum"] < gpu["seconds_generation"] + gpu["seconds_update"]


class Small:
    """Profile gpu's model and numbers on the CPU."""

    device, dtype = "cpu", torch.float32

    def __init__(self, settings):
        self.settings = settings

    def __getattr__(self, name):
        return getattr(self.settings, name)


def speed(monkeypatch, model, prompts, decoder):
    monkeypatch.setattr(rollouts, "decoder_for", decoder)
    monkeypatch.setattr(rollouts, "rows_at_a_time", lambda *_: len(prompts))
    seconds = []
    for _ in range(3):
        torch.cuda.synchronize()
        started = perf_counter()
        found = sample_completions(model, prompts, range(len(prompts)), NEW_TOKENS, 1.0, NEVER)
        seconds.append(perf_counter() - started)
    return found, len(prompts) * NEW_TOKENS / min(seconds[1:])


@pytest.mark.parametrize("rows", [256, 1024])
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_the_graph_gives_the_other_decoders_tokens(
    size, rows, settings, monkeypatch, record_property
):
    """Tokens a second of three ways to sample; `hugging_face` is the model's own forward."""
    tokenizer, task = build_tokenizer(), get_task("sorting")
    problems = [prompt_ids(task.make(1 + i % 12, i).prompt, tokenizer) for i in range(rows // 16)]
    prompts = [prompt for prompt in problems for _ in range(16)]
    told, found = {}, {}
    for dtype in ("float32", "bfloat16"):
        model = new_model(size).to("cuda", getattr(torch, dtype))
        for name, decoder in (
            ("graph", GraphedLlamaDecoder),
            ("eager", LlamaDecoder),
            ("hugging_face", lambda model, _: HuggingFaceDecoder(model)),
        ):
            found[name], told[f"{name}_{dtype}"] = speed(monkeypatch, model, prompts, decoder)
        pairs = list(zip(found["graph"], found["eager"], strict=True))
        equal = sum(a.token_ids == b.token_ids for a, b in pairs)
        # Other kernels round otherwise, in TF32 and bfloat16 coarsely; a row goes its own way from
        # the first token that differs.
        told[f"rows_equal_{dtype}"] = equal / rows
        mean = [sum(c.entropy for c in found[n]) / rows for n in ("graph", "eager")]
        assert mean[0] == pytest.approx(mean[1], rel=0.01)
    record_property("tokens_per_second", told)
    assert told["rows_equal_float32"] > 0.5


@pytest.mark.parametrize("way", ["float32", "tf32", "bfloat16 autocast", "64 rows at a time"])
def test_an_update_of_the_small_model(way, settings, record_property):
    """Forward and backward of as many rows as a step of the profile has; TF32 but where said."""
    torch.set_float32_matmul_precision("highest" if way == "float32" else "high")
    model = new_model("small").to("cuda")
    n = settings.prompts_per_step * settings.group_size
    rows = [Row((10,) * 40, (11,) * 35, (1,) * 35, 1.0, 1.0)] * n
    size = 64 if way.startswith("64") else loss_terms.rows_at_a_time(model, rows[0].length)
    seconds = []
    for _ in range(3):
        torch.cuda.synchronize()
        started = perf_counter()
        for start in range(0, n, size):
            batch = token_batch(rows[start : start + size], "cuda")
            with torch.autocast("cuda", torch.bfloat16, enabled="autocast" in way):
                loss = -log_probabilities(model, batch).mean()
            loss.backward()
        torch.cuda.synchronize()
        seconds.append(perf_counter() - started)
    record_property("seconds_update", min(seconds[1:]))
    record_property("rows_at_a_time", min(size, n))
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


@pytest.mark.parametrize("rank", [0, 16])
def test_the_memory_estimate_of_a_half_billion_model(rank, record_property):
    """Random weights of Qwen2.5-0.5B's shape in bfloat16: one update, all weights or LoRA."""
    setting = Setting(rows=16, prompt=256, completion=256, lora_rank=rank)
    torch.cuda.reset_peak_memory_stats()
    start = torch.cuda.memory_allocated()
    with torch.device("cuda"):
        model = AutoModelForCausalLM.from_config(QWEN, dtype=torch.bfloat16)
    if rank:
        model = get_peft_model(
            model, LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM")
        ).to(torch.bfloat16)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, fused=True)
    rows = [Row((10,) * 256, (11,) * 256, (1,) * 256, 1.0, 1.0)] * setting.rows
    for _ in range(2):  # the optimiser's own memory is there from the second update on
        (-log_probabilities(model, token_batch(rows, "cuda")).mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
    measured = torch.cuda.max_memory_allocated() - start
    told = estimate(QWEN, setting)["peak"]
    record_property("measured_bytes", measured)
    record_property("estimated_bytes", told)
    assert 0.5 < told / measured < 2
