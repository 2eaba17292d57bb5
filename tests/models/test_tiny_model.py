"""Tokenizer and random models: one character one id, tags survive, seeds decide everything."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from currlab.errors import CurrlabError
from currlab.models import build_tokenizer, chat_prompt, new_model, tiny_config
from currlab.models.tokenizer import CHARACTERS, TAGS

TOKENIZER = build_tokenizer()


@given(st.lists(st.sampled_from((*CHARACTERS, *TAGS)), max_size=60).map("".join))
def test_every_text_of_known_characters_comes_back_from_its_ids(text):
    ids = TOKENIZER.encode(text, add_special_tokens=False)
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == text


@given(st.text(max_size=40))
def test_any_text_can_be_encoded(text):
    ids = TOKENIZER.encode(text, add_special_tokens=False)
    assert all(0 <= i < len(TOKENIZER) for i in ids)
    foreign = [c for c in text if c not in CHARACTERS]
    if foreign:
        assert TOKENIZER.unk_token_id in ids


def test_a_chat_prompt_ends_where_the_answer_begins():
    assert chat_prompt(TOKENIZER, "sort 21") == "<user>sort 21<assistant>"


def test_equal_seeds_give_equal_weights_and_leave_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = new_model(seed=1), new_model(seed=1), new_model(seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    weights = [model.model.embed_tokens.weight for model in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_tiny_model_is_tiny_and_fits_its_tokenizer():
    model = new_model()
    assert 300_000 < model.num_parameters() < 400_000
    assert model.config.vocab_size == len(TOKENIZER)
    assert model.config.eos_token_id == TOKENIZER.eos_token_id


def test_an_unknown_size_is_refused_with_the_known_ones():
    with pytest.raises(
        CurrlabError, match="Unknown model size 'huge'; known sizes are tiny, small"
    ):
        tiny_config("huge")
