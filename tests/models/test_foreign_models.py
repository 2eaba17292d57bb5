"""A model that is not ours: another architecture, a BPE tokenizer, adapters, both engines."""

import pytest
import torch
from peft import LoraConfig, PeftModel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from currlab.curricula import make_recipe
from currlab.models import load_model, save_model
from currlab.models.tokenizer import text_ids
from currlab.training.config import TrainingConfig
from currlab.training.grpo_trainer import CurriculumGRPOTrainer
from currlab.training.scratch import ScratchTrainer
from currlab.training.warm_up import warm_up

TAGS = ["<think>", "</think>", "<answer>", "</answer>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONFIG = TrainingConfig(
    levels={"sorting": (1, 2)},
    steps=1,
    prompts_per_step=2,
    max_new_tokens=4,
    eval_every=0,
    eval_problems=1,
    learning_rate=1e-2,
)


def bpe(tags_are_ordinary):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["sort 321 = 123, the answer"] * 4, trainer)
    if tags_are_ordinary:
        tokenizer.add_tokens(TAGS)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=TEMPLATE,
    )


@pytest.fixture(scope="module", params=[True, False], ids=["tags added", "tags in pieces"])
def folder(request, tmp_path_factory):
    tokenizer = bpe(request.param)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    path = tmp_path_factory.mktemp("foreign")
    return str(save_model(Qwen2ForCausalLM(config), tokenizer, path))


def recipe():
    return make_recipe("uniform", settings={"fixed_group": {"size": 2}})


def test_tags_come_back_from_a_bpe_tokenizer(folder):
    _, tokenizer = load_model(folder)
    text = "<think>3>2</think><answer>12 3</answer>"
    assert tokenizer.decode(text_ids(text, tokenizer), skip_special_tokens=True) == text


def test_a_warm_up_and_the_scratch_engine_take_it(folder):
    model, tokenizer = load_model(folder)
    records = warm_up(model, tokenizer, {"sorting/1": 1.0}, steps=12, batch=8, log_every=1)
    assert records[-1]["loss"] < records[0]["loss"]
    results = ScratchTrainer(model, tokenizer, recipe(), CONFIG).train(progress=False)
    assert results["steps"] == 1
    assert results["tokens_generated"] > 0


def test_trl_trains_an_adapter_that_merges_and_reloads_to_equal_logits(folder, tmp_path):
    model, tokenizer = load_model(folder)
    ids = torch.tensor([text_ids("sort 321", tokenizer)])
    adapter = LoraConfig(
        r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False
    )
    trainer = CurriculumGRPOTrainer(model, tokenizer, recipe(), CONFIG, peft_config=adapter)
    trainer.train()
    adapted = trainer.model.eval()
    adapted.save_pretrained(tmp_path / "adapter")
    with torch.no_grad():
        told = adapted(ids).logits
        untouched = load_model(folder)[0]
        assert not torch.allclose(told, untouched(ids).logits, atol=1e-4)
        again = PeftModel.from_pretrained(untouched, str(tmp_path / "adapter")).eval()
        torch.testing.assert_close(again(ids).logits, told, atol=1e-5, rtol=1e-4)
        merged = save_model(adapted.merge_and_unload(), tokenizer, tmp_path / "merged")
        reloaded, _ = load_model(str(merged))
        torch.testing.assert_close(reloaded(ids).logits, told, atol=1e-4, rtol=1e-3)
    assert not list(tmp_path.rglob("*.bin"))
