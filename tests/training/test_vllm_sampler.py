"""Sampling through vLLM with stand-ins of it: what they are asked, and what becomes of their answers.

The stand-in engine samples with our own sampler, so that a whole run must equal one without vLLM.
TRL's own class for vLLM is replaced: up to its construction everything is the installed TRL.
"""

import math
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from trl import GRPOConfig
from trl.trainer import grpo_trainer as trls

from currlab.curricula import make_recipe
from currlab.errors import CurrlabError
from currlab.evaluation import evaluate
from currlab.models import load_model, new_model
from currlab.models.tokenizer import build_tokenizer
from currlab.training import vllm_checks, vllm_sampler
from currlab.training.config import TrainingConfig
from currlab.training.grpo_trainer import CurriculumGRPOTrainer
from currlab.training.policy import LanguagePolicy
from currlab.training.rollouts import sample_completions
from currlab.training.vllm_sampler import (
    VllmSampler,
    engine_ids,
    read_completions,
    server_ids,
    stored,
    trl_settings,
    vllm_policy,
)

END = build_tokenizer().eos_token_id
PROMPTS = [(5, 9, 12), (30,), (7, 8, 9, 10, 11)]
CONFIG = TrainingConfig(
    levels={"sorting": (1, 2)},
    steps=2,
    prompts_per_step=4,
    max_new_tokens=8,
    eval_every=0,
    checkpoint_every=0,
)


class SamplingParams(SimpleNamespace):
    """vLLM's parameters of one request, as far as they are used."""


class Engine:
    """An `LLM`; it samples with `model`, which is loaded from its folder unless it is given."""

    def __init__(self, model=None, gpu_memory_utilization=None):
        self.asked = []
        if isinstance(model, str):
            assert Path(model, "model.safetensors").exists()
            model, _ = load_model(model)
        self.model = model

    def generate(self, prompts, params, use_tqdm):
        assert not use_tqdm
        self.asked += params
        assert len({(p.max_tokens, p.temperature, *p.stop_token_ids) for p in params}) == 1
        ids = [tuple(prompt["prompt_token_ids"]) for prompt in prompts]
        one = params[0]
        made = sample_completions(
            self.model,
            ids,
            [p.seed for p in params],
            one.max_tokens,
            one.temperature,
            one.stop_token_ids[0],
        )
        return [SimpleNamespace(outputs=[SimpleNamespace(token_ids=c.token_ids)]) for c in made]


@pytest.fixture
def vllm(monkeypatch):
    """A machine with CUDA and vLLM, as far as checks and imports can tell."""
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams = Engine, SamplingParams
    monkeypatch.setitem(sys.modules, "vllm", module)
    monkeypatch.setattr(vllm_checks, "is_cuda", lambda device: True)
    monkeypatch.setattr(vllm_checks, "installed_vllm", lambda: "0.31.0")
    return module


def engine_sampler(model):
    return VllmSampler(lambda prompts, requests: engine_ids(Engine(model), prompts, requests))


# ---------------------------------------------------------------- requests and answers


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_completions_are_the_engines_with_the_models_entropies(vllm, temperature):
    model = new_model("tiny")
    arguments = (model, PROMPTS, [1, 2, 3], 12, temperature, END)
    found, expected = engine_sampler(model)(*arguments), sample_completions(*arguments)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.token_ids == theirs.token_ids
        assert ours.entropy == pytest.approx(theirs.entropy, abs=1e-4)
        assert ours.log_probability == pytest.approx(theirs.log_probability, abs=1e-3)


def test_every_row_has_its_seed_and_the_end_is_the_only_stop(vllm):
    engine = Engine(new_model("tiny"))
    sampler = VllmSampler(lambda prompts, requests: engine_ids(engine, prompts, requests))
    sampler(engine.model, PROMPTS, [1, -2, 2**64 + 3], 4, 1.0, END)
    seeds = [request.seed for request in engine.asked]
    assert len(set(seeds)) == 3
    assert all(0 <= seed < 2**63 for seed in seeds)
    for request in engine.asked:
        assert (request.stop_token_ids, request.ignore_eos) == ([END], True)
        assert request.detokenize is False


@pytest.mark.parametrize("temperature", [-1, 2.1, math.nan])
def test_temperatures_that_vllm_refuses_are_told(vllm, temperature):
    model = new_model("tiny")
    with pytest.raises(CurrlabError, match=r"temperatures from 0 .greedy. to 2"):
        engine_sampler(model)(model, PROMPTS, [1, 2, 3], 4, temperature, END)


@pytest.mark.parametrize("answer", [(), (5, 6)])
def test_a_completion_cut_short_is_told(answer):
    sampler = VllmSampler(lambda prompts, requests: [answer])
    with pytest.raises(CurrlabError, match=f"short after {len(answer)} of 4 tokens"):
        sampler(new_model("tiny"), [(5,)], [1], 4, 1.0, END)


def test_reading_in_small_parts_gives_the_same(monkeypatch):
    model = new_model("tiny")
    model.train()
    answers = [(5, 6, 7), (8,), (9, 10)]
    whole = read_completions(model, PROMPTS, answers)
    monkeypatch.setattr(vllm_sampler, "MOST_LOGITS", 1)
    for one, other in zip(read_completions(model, PROMPTS, answers), whole, strict=True):
        assert one.token_ids == other.token_ids
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)
    assert model.training


def test_a_server_is_asked_once_a_row_and_its_answers_keep_their_order():
    class Client:
        def __init__(self):
            self.asked = []

        def generate(self, prompts, logprobs, generation_kwargs):
            [prompt] = prompts
            self.asked.append((prompt, generation_kwargs["seed"]))
            return {"completion_ids": [[*prompt, generation_kwargs["seed"]]]}

    client, prompts = Client(), [(i, i + 1) for i in range(200)]
    found = server_ids(client, prompts, [{"seed": 1000 + i} for i in range(200)])
    assert found == [(i, i + 1, 1000 + i) for i in range(200)]
    assert sorted(client.asked) == [([i, i + 1], 1000 + i) for i in range(200)]


# ---------------------------------------------------------------- where the model lies


def test_a_model_without_a_place_gets_one_for_as_long_as_it_is_read():
    model, tokenizer = load_model("tiny-warm")
    with stored(model, tokenizer):
        folder = Path(model.name_or_path)
        again, _ = load_model(str(folder))
        assert torch.equal(again.lm_head.weight, model.lm_head.weight)
    assert model.name_or_path == ""
    assert not folder.exists()


def test_a_model_that_has_a_place_keeps_it():
    model, tokenizer = load_model("tiny-warm")
    model.name_or_path = "someone/something"
    with stored(model, tokenizer):
        assert model.name_or_path == "someone/something"


# ---------------------------------------------------------------- evaluation


def test_pass_at_k_through_vllm_is_that_of_our_own_sampler(vllm):
    policy = vllm_policy("tiny-warm", 24, device="cpu")
    assert isinstance(policy.sampler, VllmSampler)
    levels = {"sorting": (3, 5)}
    expected = evaluate(LanguagePolicy(*load_model("tiny-warm"), 24), levels, 8)
    found = evaluate(policy, levels, 8)
    for ours, theirs in zip(found, expected, strict=True):
        # A negative seed loses its sign on the way, so that sampled answers may differ.
        assert ours["greedy"] == theirs["greedy"]
        assert ours["pass_at_8"] == pytest.approx(theirs["pass_at_8"], abs=0.3)


def test_a_share_of_memory_is_a_share(vllm):
    with pytest.raises(CurrlabError, match=r"'memory_share' must lie between 0 and 1; got 1.5"):
        vllm_policy("tiny-warm", 24, device="cpu", memory_share=1.5)


# ---------------------------------------------------------------- training in TRL


@pytest.mark.parametrize("mode", ["colocate", "server"])
def test_the_installed_trl_accepts_the_settings(mode, tmp_path):
    config = GRPOConfig(
        output_dir=str(tmp_path),
        use_cpu=True,
        bf16=False,
        **trl_settings(mode, "http://127.0.0.1:8000"),
    )
    assert (config.use_vllm, config.vllm_mode) == (True, mode)
    assert config.vllm_server_base_url == ("http://127.0.0.1:8000" if mode == "server" else None)
    assert trl_settings("off", "") == {}


class Generation:
    """In place of TRL's `VLLMGeneration`: an engine on the trainer's own model, or a client."""

    def __init__(self, model, mode, **settings):
        self.model, self.synced, self.place = model, 0, model.name_or_path
        if mode == "colocate":
            assert Path(self.place, "model.safetensors").exists()
            self.llm = Engine(model)
        else:
            info = {"model_config": {"logprobs_mode": "processed_logprobs"}}
            self.vllm_client = SimpleNamespace(generate=self.answer, get_server_info=lambda: info)

    def sync_weights(self):
        self.synced += 1

    def answer(self, prompts, logprobs, generation_kwargs):
        told = generation_kwargs
        [made] = sample_completions(
            self.model,
            [tuple(prompt) for prompt in prompts],
            [told["seed"]],
            told["max_tokens"],
            told["temperature"],
            told["stop_token_ids"][0],
        )
        return {"completion_ids": [made.token_ids]}


def trained(**options):
    recipe = make_recipe("sec", reward="random", settings={"fixed_group": {"size": 4}})
    model = new_model("tiny")
    trainer = CurriculumGRPOTrainer(model, build_tokenizer(), recipe, CONFIG, **options)
    trainer.train()
    return trainer


@pytest.mark.parametrize("mode", ["colocate", "server"])
def test_a_run_through_vllm_learns_from_what_vllm_sampled(vllm, monkeypatch, mode):
    monkeypatch.setattr(trls, "VLLMGeneration", Generation)
    monkeypatch.setattr(vllm_checks, "_check_server", lambda address: None)
    plain = trained()
    trainer = trained(vllm=mode)
    assert isinstance(trainer.policy.sampler, VllmSampler)
    assert trainer.vllm_generation.synced == CONFIG.steps, "once a step"
    assert trainer.model.name_or_path == ""
    lines = zip(trainer.journal.history["metrics"], plain.journal.history["metrics"], strict=True)
    for ours, theirs in lines:
        assert ours["tokens_generated"] > 0
        assert math.isfinite(ours["loss"])
        assert ours["entropy"] == pytest.approx(theirs["entropy"], rel=0.1)
    moved = (trainer.model.lm_head.weight - new_model("tiny").lm_head.weight).abs().max()
    assert moved > 0


def test_without_vllm_the_model_is_not_written_anywhere(monkeypatch):
    monkeypatch.setattr("currlab.training.grpo_trainer.stored", None)  # would be called, and fail
    assert trained().policy.sampler is sample_completions
