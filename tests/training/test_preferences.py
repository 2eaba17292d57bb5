"""A cold start by preferences: pairs of own answers, and what DPO makes of them."""

import copy
import random
from types import SimpleNamespace

import pytest
import torch

from currlab.curricula import View
from currlab.errors import CurrlabError
from currlab.evaluation import held_out
from currlab.models import load_model
from currlab.tasks import extract_answer
from currlab.training.policy import LanguagePolicy
from currlab.training.preferences import broken, own_pairs, prefer
from currlab.training.warm_up import warm_up

EASY = {"sorting/1": 1.0, "sorting/2": 1.0}


class Fixed:
    """Answers in turn with the texts it was given."""

    def __init__(self, *texts):
        self.texts = texts

    def generate(self, views, seeds, temperature):
        return [SimpleNamespace(text=self.texts[i % len(self.texts)]) for i in range(len(views))]


@pytest.mark.parametrize("text", ["<answer>12</answer>", "<think>1</think><answer></answer>"])
def test_a_broken_answer_has_no_answer_but_the_same_content(text):
    seen = {broken(text, random.Random(i)) for i in range(30)}
    assert len(seen) == 3
    inside = extract_answer(text)
    for slip in seen:
        assert extract_answer(slip) is None
        assert inside in slip


def test_pairs_are_the_models_own_answers_right_or_wrong():
    policy = Fixed("<answer>nonsense</answer>", "no block", "<answer>1</answer><answer>2</answer>")
    pairs = own_pairs(policy, EASY, 9)
    assert len(pairs) == 3, "of three answers one has a form"
    for pair in pairs:
        assert pair["chosen"][0]["content"] == "<answer>nonsense</answer>"
        assert extract_answer(pair["rejected"][0]["content"]) is None
    assert pairs == own_pairs(policy, EASY, 9)
    assert pairs != own_pairs(policy, EASY, 9, seed=1)


def test_a_model_without_any_form_is_told_to_imitate_first():
    with pytest.raises(CurrlabError, match="Imitate a few worked answers first"):
        own_pairs(Fixed("12"), EASY, 4)


def test_nonsense_is_refused():
    model, tokenizer = load_model("tiny")
    with pytest.raises(CurrlabError, match="at least one pair"):
        prefer(model, tokenizer, [])
    with pytest.raises(CurrlabError, match="'steps'"):
        prefer(model, tokenizer, own_pairs(Fixed("<answer>1</answer>"), EASY, 2), steps=0)


def test_preferences_teach_the_form_and_leave_no_trace_but_the_weights():
    model, tokenizer = load_model("tiny-base")
    warm_up(model, tokenizer, EASY, steps=20, batch=16, learning_rate=2e-3)
    start = copy.deepcopy(model)
    policy = LanguagePolicy(start, tokenizer, 16)
    pairs = own_pairs(policy, EASY, 128)
    before = torch.get_rng_state()
    records = prefer(model, tokenizer, pairs, steps=25, batch=16)
    assert torch.equal(torch.get_rng_state(), before)
    assert records[-1]["accuracy"] > 0.8, "chosen answers gain more than broken ones"
    assert formed(model, tokenizer) > formed(start, tokenizer)
    again = copy.deepcopy(start)
    prefer(again, tokenizer, pairs, steps=25, batch=16)
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def formed(model, tokenizer):
    """The share of sampled answers that hold one answer block."""
    views = [View(p.prompt) for level in (1, 2, 3) for p in held_out("sorting", level, 32)]
    rollouts = LanguagePolicy(model, tokenizer, 16).generate(views, range(len(views)), 1.0)
    return sum(extract_answer(rollout.text) is not None for rollout in rollouts) / len(views)
