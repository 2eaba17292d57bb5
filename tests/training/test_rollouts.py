"""Rollouts: the right distribution, whatever the batch, and the same on both paths."""

import logging

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from scipy.stats import chisquare, kstest
from transformers import LlamaConfig, LlamaForCausalLM

from currlab.errors import CurrlabError
from currlab.models import load_model, new_model
from currlab.training import decoders, rollouts
from currlab.training.decoders import is_fast
from currlab.training.rollouts import draw, sample_completions, uniform_numbers

END = 3
PROMPTS = [(5,), (1, 2, 4, 6), (5,), (7, 8, 9, 1, 2, 5, 6), (1, 2, 4, 6), (6, 6)]
SEEDS = [11, -12, 13, 2**70 + 14, 15, 16]


class OtherLlama(LlamaForCausalLM):
    """Not a plain Llama as far as the fast path can know."""


def small_llama(kind=LlamaForCausalLM, **changes):
    """Grouped key/value heads, an untied head, 12 ids, and weights large enough to be opinionated."""
    settings = {
        "vocab_size": 12,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "tie_word_embeddings": False,
        "initializer_range": 0.25,
        "attention_bias": True,
        "pad_token_id": 0,
        "eos_token_id": END,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return kind(LlamaConfig(**{**settings, **changes})).eval()


def sampled(model, prompts=PROMPTS, seeds=SEEDS, length=12, temperature=1.0, end=END):
    return sample_completions(model, prompts, seeds, length, temperature, end)


def ids(completions):
    return [completion.token_ids for completion in completions]


def greedy_by_generate(model, prompt, length, end):
    new = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=length,
        do_sample=False,
        pad_token_id=0,
        eos_token_id=end,
    )
    return tuple(new[0, len(prompt) :].tolist())


@pytest.mark.parametrize(
    "model",
    [
        small_llama(),
        small_llama(num_key_value_heads=4, tie_word_embeddings=True, attention_bias=False),
        small_llama(num_key_value_heads=1, head_dim=16, mlp_bias=True),
        new_model("tiny", 0),
    ],
    ids=["grouped heads", "tied", "one key head, wide", "tiny"],
)
def test_greedy_equals_generate(model):
    expected = [greedy_by_generate(model, prompt, 12, END) for prompt in PROMPTS]
    assert ids(sampled(model, temperature=0)) == expected


def test_greedy_of_the_shipped_model_equals_generate():
    model, tokenizer = load_model("tiny-warm")
    texts = [f"<user>sort {digits}<assistant>" for digits in ("31", "7529", "8675309", "42424242")]
    prompts = [tokenizer(text)["input_ids"] for text in texts]
    end = tokenizer.eos_token_id
    expected = [greedy_by_generate(model, prompt, 30, end) for prompt in prompts]
    assert ids(sampled(model, prompts, range(4), 30, 0, end)) == expected
    assert expected[0][-1] == end


@pytest.mark.parametrize("temperature", [0, 0.7, 1.0])
def test_both_paths_agree_token_for_token(temperature):
    fast, slow = small_llama(), small_llama(OtherLlama)
    assert is_fast(fast)
    assert not is_fast(slow)
    one, other = (sampled(model, temperature=temperature) for model in (fast, slow))
    assert ids(one) == ids(other)
    for a, b in zip(one, other, strict=True):
        assert a.entropy == pytest.approx(b.entropy, abs=1e-5)
        assert a.log_probability == pytest.approx(b.log_probability, abs=1e-4)


def test_the_slow_path_is_announced_once(caplog):
    decoders._say_slow.cache_clear()
    with caplog.at_level(logging.WARNING, logger=decoders.logger.name):
        for _ in range(2):
            sampled(small_llama(OtherLlama), length=1)
    assert [record.message.count("OtherLlama") for record in caplog.records] == [1]


def test_adapters_take_the_slow_path_and_count():
    base = small_llama()
    plain = ids(sampled(base))
    adapted = get_peft_model(base, LoraConfig(target_modules=["q_proj"], init_lora_weights=True))
    assert not is_fast(adapted)
    # The Llama inside is of the right type, but its projections are not plain any more.
    assert not is_fast(adapted.get_base_model())
    assert ids(sampled(adapted)) == plain
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.constant_(weight, 0.5)
    assert ids(sampled(adapted)) != plain


def test_rope_that_depends_on_the_length_takes_the_slow_path():
    rope = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
    assert not is_fast(small_llama(rope_parameters=rope))


def test_a_row_alone_equals_the_row_in_its_batch():
    model = small_llama()
    together = ids(sampled(model))
    alone = [ids(sampled(model, [p], [s]))[0] for p, s in zip(PROMPTS, SEEDS, strict=True)]
    assert together == alone
    assert ids(sampled(model, PROMPTS[::-1], SEEDS[::-1])) == together[::-1]
    # Equal prompts with different seeds differ, or the test would show nothing.
    assert together[0] != together[2]


def test_more_rows_than_fit_at_a_time(monkeypatch):
    model = small_llama()
    whole = sampled(model, PROMPTS * 5, range(30))
    monkeypatch.setattr(rollouts, "ROWS_AT_A_TIME", 4)
    assert ids(sampled(model, PROMPTS * 5, range(30))) == ids(whole)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_frequencies_follow_the_softmax(temperature):
    model, n = small_llama(initializer_range=0.1), 4000
    prompt = (1, 2, 4)
    drawn = ids(sampled(model, [prompt] * n, range(n), 1, temperature))
    counts = np.bincount([row[0] for row in drawn], minlength=12)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt])).logits[0, -1].double()
    expected = (logits / temperature).softmax(0).numpy() * n
    assert chisquare(counts, expected).pvalue > 0.01
    # The other temperature's distribution must be refused, or the test could not fail.
    wrong = (logits / (1.5 - temperature)).softmax(0).numpy() * n
    assert chisquare(counts, wrong).pvalue < 1e-6


def test_rows_end_with_the_end_id_or_at_the_limit():
    completions = sampled(small_llama(), PROMPTS * 40, range(240), 8)
    lengths = {len(row) for row in ids(completions)}
    assert lengths == set(range(1, 9))
    for row in ids(completions):
        assert END not in row[:-1]
        assert row[-1] == END or len(row) == 8
    assert any(row[-1] != END for row in ids(completions))


def test_a_single_new_token():
    completions = sampled(small_llama(), length=1)
    assert all(len(row) == 1 for row in ids(completions))
    assert ids(completions) == [row[:1] for row in ids(sampled(small_llama()))]


def test_entropy_and_log_probability_are_those_of_the_model():
    model = small_llama()
    for prompt, completion in zip(PROMPTS, sampled(model, temperature=0.7), strict=True):
        row = torch.tensor([(*prompt, *completion.token_ids)])
        with torch.no_grad():
            log_p = model(input_ids=row).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        entropy = -(log_p.exp() * log_p).sum(-1).mean().item()
        total = log_p.gather(1, row[0, len(prompt) :, None]).sum().item()
        assert completion.entropy == pytest.approx(entropy, abs=1e-5)
        assert completion.log_probability == pytest.approx(total, abs=1e-4)


def test_the_model_and_the_global_generators_are_left_as_they_were():
    model = small_llama().train()
    torch.manual_seed(5)
    np.random.seed(5)
    expected = torch.rand(3), np.random.rand()
    torch.manual_seed(5)
    np.random.seed(5)
    sampled(model)
    assert model.training
    assert torch.equal(torch.rand(3), expected[0])
    assert np.random.rand() == expected[1]
    assert all(weight.grad is None for weight in model.parameters())


def test_half_precision_samples_from_the_same_places():
    model = small_llama().to(torch.bfloat16)
    completions = sampled(model)
    assert all(0 <= token < 12 for row in ids(completions) for token in row)
    assert ids(completions) == ids(sampled(model))


def test_no_rows_no_completions():
    assert sampled(small_llama(), [], []) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompts": [(1,) * 60], "seeds": [0]}, "60 tokens and 12 new ones .* context of 64"),
        ({"prompts": [()], "seeds": [0]}, "at least one"),
        ({"length": 0}, "'max_new_tokens' must be at least 1"),
        ({"temperature": -0.1}, "0 \\(greedy\\) or more"),
        ({"temperature": float("nan")}, "0 \\(greedy\\) or more"),
    ],
)
def test_bad_input_is_told_in_a_sentence(changes, message):
    with pytest.raises(CurrlabError, match=message):
        sampled(small_llama(), **changes)


def test_the_uniform_numbers_are_uniform_and_depend_on_seed_and_position_only():
    seeds = np.arange(5000, dtype=np.uint64)
    first, second = uniform_numbers(seeds, 0), uniform_numbers(seeds, 1)
    for numbers in (first, second):
        assert ((numbers > 0) & (numbers < 1)).all()
    assert kstest(first, "uniform").pvalue > 0.01
    along = np.array([uniform_numbers(seeds[7:8], position)[0] for position in range(5000)])
    assert kstest(along, "uniform").pvalue > 0.01
    for pair in ((first, second), (first[:-1], first[1:]), (along[:-1], along[1:])):
        assert abs(np.corrcoef(*pair)[0, 1]) < 0.05
    assert uniform_numbers(seeds[[42]], 1) == second[42]


@pytest.mark.parametrize("uniform", [2.0**-53, 0.5, 1 - 2.0**-53])
def test_a_token_of_probability_zero_is_never_drawn(uniform):
    never = float("-inf")
    logits = torch.tensor([[never, 1.0, never, 1.0, never]])
    token = draw(logits, torch.tensor([uniform], dtype=torch.float64), 1.0).item()
    assert token == (1 if uniform <= 0.5 else 3)
