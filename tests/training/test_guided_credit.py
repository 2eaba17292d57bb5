"""Completions written with a guide in the prompt, credited to the prompt without it: the ratios."""

from dataclasses import replace

import pytest
import torch
from trl_case import small_config, small_recipe, small_trainer

from currlab.curricula import make_recipe, make_strategy
from currlab.models.tiny import new_model
from currlab.models.tokenizer import build_tokenizer, prompt_ids
from currlab.training import scratch, trl_data
from currlab.training.rows import log_probabilities, policy_rows, token_batch
from currlab.training.scratch import ScratchTrainer

CONFIG = small_config(steps=1, iterations=2, learning_rate=3e-3)


def guided_recipe(name="expo"):
    """Half of each group is told the answer; coin flips as reward, so that rows have advantages."""
    settings = {"fixed_group": {"size": 4}, "expo": {"guided": 0.5, "below": 1.0}}
    return make_recipe("uniform", 0, settings, present=name, reward="random")


def scratch_trainer(recipe):
    return ScratchTrainer(new_model("tiny", 0), build_tokenizer(), recipe, CONFIG)


def log_p(model, tokenizer, prompt, completion):
    """log p of each token of a completion, row by row and without any of the engines' code."""
    question = prompt_ids(prompt, tokenizer)
    with torch.no_grad():
        logits = model(torch.tensor([[*question, *completion]])).logits[0].log_softmax(-1)
    places = range(len(question) - 1, len(question) + len(completion) - 1)
    return torch.stack([logits[at, ids] for at, ids in zip(places, completion, strict=True)])


def of_engine(model, kept, tokenizer):
    """log p of the completions' tokens as the from-scratch engine computes them, a tensor a row."""
    rows = policy_rows(kept, tokenizer)
    batch = token_batch(rows)
    with torch.no_grad():
        table = log_probabilities(model, batch)
    return [table[i][batch.mask[i] == 1] for i in range(len(rows))]


@pytest.fixture
def seen(monkeypatch):
    """What the from-scratch engine gives the loss: (log p, old log p, mask) of every call."""
    calls, real = [], scratch.grpo_loss

    def spying(new, old, advantages, mask, **options):
        calls.append((new.detach().clone(), old.detach().clone(), mask))
        return real(new, old, advantages, mask, **options)

    monkeypatch.setattr(scratch, "grpo_loss", spying)
    return calls


def ratios(new, old, mask):
    return (new - old).exp()[mask == 1]


def test_recomputed_without_the_guide_the_ratio_is_1_and_then_moves(seen):
    trainer = scratch_trainer(guided_recipe())
    trainer.step()
    first, second = (ratios(*call) for call in seen)
    assert first.sub(1).abs().max() < 1e-5
    assert second.sub(1).abs().max() > 1e-3


def test_what_is_credited_is_the_completion_of_the_plain_prompt(seen):
    """The engine's log-probabilities, summed by row, are those of (plain prompt, completion)."""
    trainer = scratch_trainer(guided_recipe())
    model, tokenizer = new_model("tiny", 0), trainer.tokenizer
    groups = []
    trainer.recipe.select.observe = lambda found, metrics: groups.extend(found)
    trainer.step()
    expected = [
        log_p(model, tokenizer, group.problem.prompt, rollout.token_ids).sum().item()
        for group in groups
        for rollout, advantage in zip(group.rollouts, group.advantages, strict=True)
        if advantage
    ]
    new, _, mask = seen[0]
    assert sorted((new * mask).sum(1).tolist()) == pytest.approx(sorted(expected), abs=1e-3)


def test_kept_from_the_guided_prompt_the_ratio_is_the_price_of_the_guide():
    """exp(log p(y | x) - log p(y | x, guide)), which is nowhere near 1."""
    trainer = scratch_trainer(guided_recipe())
    picks = trainer.collector.choose(4, trainer.clock)
    groups = trainer.collector.collect(picks, trainer.clock)
    guided = [(g, r) for g in groups for r in g.rollouts if r.view.kind == "guided"]
    assert len(guided) == 8
    model, tokenizer = trainer.model, trainer.tokenizer
    without = of_engine(model, [(r, 1.0) for _, r in guided], tokenizer)
    kept = [replace(r, view=replace(r.view, train_prompt=None)) for _, r in guided]
    with_guide = of_engine(model, [(r, 1.0) for r in kept], tokenizer)
    away = []
    for (group, rollout), new, old in zip(guided, without, with_guide, strict=True):
        plain = log_p(model, tokenizer, group.problem.prompt, rollout.token_ids)
        told = log_p(model, tokenizer, rollout.view.prompt, rollout.token_ids)
        torch.testing.assert_close((new - old).exp(), (plain - told).exp(), atol=1e-4, rtol=1e-4)
        away.append((plain - told).abs().max().item())
    assert max(away) > 0.01


def test_in_trl_the_ratio_is_1_at_the_first_update_and_moves_at_the_second():
    trl_data.CPU_ROWS_AT_A_TIME, before = 1000, trl_data.CPU_ROWS_AT_A_TIME
    try:
        trainer = small_trainer(CONFIG, guided_recipe(), skip_zero_advantage=False)
        found, real, loss = [], trainer._get_per_token_logps_and_entropies, trainer._compute_loss

        def spying(model, inputs):
            trainer._get_per_token_logps_and_entropies = lambda *a, **k: keep(real(*a, **k))
            keep = lambda out: found.append((out[0].detach(), inputs)) or out  # noqa: E731
            value = loss(model, inputs)
            trainer._get_per_token_logps_and_entropies = real
            return value

        trainer._compute_loss = spying
        trainer.train()
    finally:
        trl_data.CPU_ROWS_AT_A_TIME = before
    assert len(found) == 2
    moved = []
    for new, inputs in found:
        mask = inputs["completion_mask"] * inputs.get("tool_mask", 1)
        moved.append(ratios(new, inputs["old_per_token_logps"], mask).sub(1).abs().max())
    assert moved[0] < 1e-5
    assert moved[1] > 1e-3


@pytest.mark.parametrize("name", ["uft", "prefix_rft", "adhint", "expo", "cog_drift"])
def test_both_engines_take_the_same_step(name):
    """Views of the real strategies, not of made-up ones: equal groups, losses and new weights."""
    update = {"update": name} if name == "adhint" else {}
    settings = {"expo": {"below": 1.0}, "uft": {"imitation": 0.5}}
    used = {key: value for key, value in settings.items() if key == name}

    def recipe():
        made = small_recipe("uniform", present=name, **update)
        return made.with_dial("present", make_strategy(name, **used.get(name, {})))

    config = small_config(steps=1)
    trl = small_trainer(config, recipe())
    trl.train()
    own = ScratchTrainer(new_model("tiny", 0), build_tokenizer(), recipe(), config)
    own.step()
    assert trl.journal.history["groups"] == own.history["groups"]
    losses = [t["metrics"][0]["loss"] for t in (trl.journal.history, own.history)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    other = dict(trl.model.named_parameters())
    for key, weight in own.model.named_parameters():
        torch.testing.assert_close(other[key], weight, atol=1e-5, rtol=0)
