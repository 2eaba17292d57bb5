"""SFT warm-up: it learns the format and the end, keeps to the completion, leaves no trace."""

import copy
import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from trl import SFTTrainer

import currlab.training.warm_up as module
from currlab.curricula import Catalog, make_strategy
from currlab.curricula.data import View
from currlab.errors import CurrlabError
from currlab.models import build_tokenizer, new_model
from currlab.tasks import Problem, extract_answer, get_task
from currlab.training.policy import LanguagePolicy
from currlab.training.warm_up import (
    check_template,
    chosen_batches,
    warm_up,
    worked_messages,
)

TOKENIZER = build_tokenizer()
EASY = {"sorting/1": 1.0}
ONE_ZERO = Problem("sorting", 1, 0, "sort 10", "01")


@pytest.fixture(scope="module")
def warmed():
    """A random model after 60 steps on pairs of digits, the records, and what happened outside."""
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    model = new_model(seed=0)
    records = warm_up(model, TOKENIZER, EASY, steps=60, batch=32)
    after = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    return model, records, before, after


def test_the_loss_falls_and_the_format_is_learnt(warmed):
    model, records, _, _ = warmed
    assert [record["step"] for record in records] == [10, 20, 30, 40, 50, 60]
    assert records[-1]["loss"] < 0.5 * records[0]["loss"]
    assert records[-1]["token_accuracy"] > records[0]["token_accuracy"]
    views = [View(get_task("sorting").make(1, -seed).prompt) for seed in range(1, 17)]
    rollouts = LanguagePolicy(model, TOKENIZER, 20).generate(views, range(16), 0.0)
    answered = [extract_answer(rollout.text) is not None for rollout in rollouts]
    ended = [rollout.token_ids[-1] == TOKENIZER.eos_token_id for rollout in rollouts]
    assert sum(answered) >= 14
    assert sum(ended) >= 14


def test_global_random_states_are_kept(warmed):
    _, _, before, after = warmed
    assert before[0] == after[0]
    assert np.array_equal(before[1], after[1])
    assert torch.equal(before[2], after[2])


def test_a_copy_of_a_warmed_model_computes_with_its_own_weights(warmed):
    model = warmed[0]
    other = copy.deepcopy(model)
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
        assert other(torch.arange(9)[None]).logits.abs().max() == 0
    assert not model.training


def test_equal_seeds_give_equal_weights():
    def run(seed):
        model = new_model(seed=0)
        return warm_up(model, TOKENIZER, EASY, steps=4, batch=8, log_every=2, seed=seed), model

    (records, one), (again, same), (_, other) = run(0), run(0), run(1)
    assert records == again
    weights = [m.model.embed_tokens.weight for m in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_only_the_completion_is_learnt(warmed):
    """Every prompt begins with "sort ", yet the model has not learnt to expect it."""
    text = f"<user>sort 10<assistant>{get_task('sorting').completion(ONE_ZERO)}<eos>"
    ids = torch.tensor([TOKENIZER.encode(text, add_special_tokens=False)])
    with torch.no_grad():
        chances = warmed[0](ids).logits.log_softmax(-1)
    nats = -chances[0, :-1].gather(-1, ids[0, 1:, None])[:, 0]
    assert nats[:5].mean() > 2.0  # "sort "
    assert nats[8:].mean() < 1.0  # the tags, the answer, <eos>


def test_rows_follow_the_weights_and_hold_training_problems():
    rows = worked_messages({"sorting/1": 3.0, "brackets/2": 1.0, "dedupe/1": 0.0}, 400, 0, False)
    prompts = [row["prompt"][0]["content"] for row in rows]
    shares = [
        sum(p.startswith(word) for p in prompts) / 400 for word in ("sort", "close", "dedupe")
    ]
    assert shares == pytest.approx([0.75, 0.25, 0.0], abs=0.07)
    assert rows == worked_messages(
        {"sorting/1": 3.0, "brackets/2": 1.0, "dedupe/1": 0.0}, 400, 0, False
    )


@pytest.mark.parametrize("name", ["itool", "easy_to_hard", "climb"])
def test_a_strategy_decides_which_problems_come_when(name, monkeypatch):
    """What the model is trained on, batch by batch, is what the strategy chose."""
    arms, steps, batch = {"sorting/1": 1.0, "sorting/2": 1.0, "sorting/3": 1.0}, 6, 8
    seen = []
    compute = SFTTrainer.compute_loss

    def spy(self, model, inputs, *args, **kwargs):
        seen.append(inputs["input_ids"].tolist())
        return compute(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(SFTTrainer, "compute_loss", spy)
    warm_up(new_model(), TOKENIZER, arms, steps=steps, batch=batch, select=make_strategy(name))
    batches = chosen_batches(
        make_strategy(name), Catalog(tuple(arms)), None, steps=steps, batch=batch, seed=0
    )
    wanted = [row["completion"][0]["content"] for rows in batches for row in rows]
    read = [TOKENIZER.decode(row, skip_special_tokens=True) for ids in seen for row in ids]
    assert len(read) == len(wanted) == steps * batch
    assert all(answer in text for answer, text in zip(wanted, read, strict=True))


def test_a_chosen_row_is_read_as_the_trainer_reads_its_data_set(monkeypatch):
    """Same tokens, same labels: the loss of the two paths is the same."""
    seen, rows = [], [{"prompt": [{"role": "user", "content": "sort 10"}]}]
    rows[0]["completion"] = [{"role": "assistant", "content": "<answer>01</answer>"}]
    compute = SFTTrainer.compute_loss

    def spy(self, model, inputs, *args, **kwargs):
        seen.append({name: inputs[name].tolist() for name in ("input_ids", "labels")})
        seen.append(kwargs["num_items_in_batch"])
        return compute(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(SFTTrainer, "compute_loss", spy)
    monkeypatch.setattr(module, "worked_messages", lambda *args: rows)
    monkeypatch.setattr(module, "chosen_batches", lambda *args, **kwargs: iter([rows]))
    warm_up(new_model(), TOKENIZER, EASY, steps=1, batch=1)
    warm_up(new_model(), TOKENIZER, EASY, steps=1, batch=1, select=make_strategy("uniform"))
    assert seen[0] == seen[2]
    assert int(seen[1]) == int(seen[3])


def test_a_strategy_that_asks_the_model_asks_it_after_the_last_update():
    strategy, weights = make_strategy("uds"), []
    probe = strategy.probe

    def watch(policy, clock):
        weights.append(policy.model.model.embed_tokens.weight.detach().clone())
        probe(policy, clock)

    strategy.probe = watch
    model = new_model(seed=0)
    before = model.model.embed_tokens.weight.detach().clone()
    arms = {"sorting/1": 1.0, "sorting/2": 1.0}
    warm_up(model, TOKENIZER, arms, steps=3, batch=4, select=strategy)
    assert torch.equal(weights[0], before)
    assert len(weights) == 3
    assert not any(torch.equal(a, b) for a, b in pairwise(weights))
    assert not torch.equal(weights[-1], model.model.embed_tokens.weight)
    assert strategy.memory["chosen"] == 12


def test_a_chosen_problem_that_does_not_fit_is_refused():
    model = new_model()
    model.config.max_position_embeddings = 30
    arms = {"sorting/1": 1.0, "sorting/16": 1.0}
    with pytest.raises(CurrlabError, match="context holds only 30"):
        warm_up(model, TOKENIZER, arms, steps=20, batch=1, select=make_strategy("hard_to_easy"))


def test_with_thought_the_steps_come_first():
    (row,) = worked_messages({"sorting/2": 1.0}, 1, 0, True)
    assert row["completion"][0]["content"].startswith("<think>")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"mixture": {}}, "at least one arm"),
        ({"mixture": {"sorting/1": 0.0}}, "at least one above 0"),
        ({"mixture": {"sorting/1": 1.0, "sorting/2": -1.0}}, "Weights of a mixture"),
        ({"mixture": {"sorting/99": 1.0}}, "levels of 'sorting' are 1 to 16"),
        ({"mixture": {"srting/1": 1.0}}, "Unknown task 'srting'"),
        ({"steps": 0}, "'steps' must be at least 1; got 0"),
        ({"batch": 0}, "'batch' must be at least 1"),
        ({"log_every": 0}, "'log_every' must be at least 1"),
        ({"learning_rate": 3.0}, "'learning_rate' must lie in"),
    ],
)
def test_bad_parameters_are_refused_in_a_sentence(settings, sentence):
    with pytest.raises(CurrlabError, match=sentence):
        warm_up(new_model(), TOKENIZER, **{"mixture": EASY, **settings})


def test_tags_that_are_special_tokens_are_refused():
    tokenizer = build_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<answer>", "</answer>"]})
    with pytest.raises(CurrlabError, match="must be ordinary tokens"):
        warm_up(new_model(), tokenizer, EASY, steps=1)


def test_a_template_that_never_ends_an_answer_is_refused():
    tokenizer = build_tokenizer()
    tokenizer.chat_template = tokenizer.chat_template.replace("<eos>", "")
    with pytest.raises(CurrlabError, match="never learn to stop"):
        warm_up(new_model(), tokenizer, EASY, steps=1)


def test_a_tokenizer_without_template_is_refused():
    tokenizer = build_tokenizer()
    tokenizer.chat_template = None
    with pytest.raises(CurrlabError, match="no chat template"):
        warm_up(new_model(), tokenizer, EASY, steps=1)


def test_problems_beyond_the_context_are_refused():
    model = new_model()
    model.config.max_position_embeddings = 12
    with pytest.raises(
        CurrlabError, match=r"takes 1[0-9] tokens, but the model's context holds only 12"
    ):
        check_template(model, TOKENIZER, worked_messages(EASY, 4, 0, False))
