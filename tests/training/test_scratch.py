"""The from-scratch loop: it learns, repeats itself, survives being killed, and says what it cost."""

import json
import multiprocessing
from dataclasses import replace

import pytest
import torch
from scratch_case import (
    MOMENTS,
    Digits,
    open_run,
    share_of_digits,
    small_recipe,
    small_trainer,
    state_of,
    train_until,
    without_seconds,
)

from currlab.curricula.core import Sample
from currlab.curricula.update.grpo import GRPO
from currlab.errors import CurrlabError
from currlab.models import load_model
from currlab.models.tiny import new_model
from currlab.training import loss_terms
from currlab.training.collect import with_advantages
from currlab.training.loss import grpo_loss
from currlab.training.rows import log_probabilities, token_batch, training_rows


def weights(trainer):
    return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])


def collected(trainer):
    """The groups of the coming step, with advantages."""
    picks = trainer.collector.choose(trainer.config.prompts_per_step, trainer.clock)
    return with_advantages(trainer.recipe, trainer.collector.collect(picks, trainer.clock))


class DropLast(Sample):
    """Drops the last rollout of every group after the rewards are known."""

    name, title = "drop_last", "drops the last rollout"

    def plan(self, picks, clock):
        return small_recipe().sample.plan(picks, clock)

    def after(self, groups, clock):
        kept = [(*g.rollouts[:-1], replace(g.rollouts[-1], kept=False)) for g in groups]
        return [replace(g, rollouts=rows) for g, rows in zip(groups, kept, strict=True)], []


class Doubled(GRPO):
    """The common loss, twice, as an objective of the update dial's own."""

    name, title = "doubled", "twice the common loss"

    def objective(self, batch, groups):
        assert len(batch.advantages) == sum(len(group.rollouts) for group in groups)
        new, old = batch.log_probabilities, batch.old_log_probabilities
        return 2 * grpo_loss(new, old, batch.advantages, batch.mask)


# ---------------------------------------------------------------- learning


def test_a_rewarded_habit_is_learnt_and_coin_flips_teach_none():
    settings = {"prompts_per_step": 8, "steps": 18, "eval_every": 0}
    rewarded = small_trainer(
        recipe=small_recipe("uniform", size=8).with_dial("reward", Digits()), **settings
    )
    control = small_trainer(recipe=small_recipe("uniform", size=8), **settings)
    before = share_of_digits(rewarded)
    for trainer in (rewarded, control):
        trainer.train(progress=False)
    assert before < 0.2
    assert share_of_digits(rewarded) > 0.6
    assert share_of_digits(control) < 0.3
    rewards = [line["reward"] for line in rewarded.history["metrics"]]
    assert sum(rewards[-4:]) > 3 * sum(rewards[:4])


def test_one_step_is_one_adam_step_along_the_clipped_gradient():
    """Against a plain computation: one padded batch, all rows, the textbook formula."""
    trainer = small_trainer(max_new_tokens=10)
    groups = collected(trainer)
    batch = token_batch(training_rows(groups, trainer.tokenizer))
    other = new_model("tiny", 0)
    new = log_probabilities(other, batch)
    loss = -(new.exp() / new.detach().exp() * batch.advantages[:, None] * batch.mask).sum()
    (loss / batch.mask.sum()).backward()
    norm = torch.cat([p.grad.flatten() for p in other.parameters()]).norm()
    metrics = trainer.update(groups)
    assert metrics["grad_norm"] == pytest.approx(norm.item(), rel=1e-4)
    assert metrics["loss"] == pytest.approx((loss / batch.mask.sum()).item(), abs=1e-6)
    scale = min(1.0, trainer.config.max_grad_norm / norm.item())
    for mine, theirs in zip(trainer.model.parameters(), other.parameters(), strict=True):
        gradient = theirs.grad * scale
        torch.testing.assert_close(mine.grad, gradient, atol=1e-6, rtol=1e-3)
        # Adam's first step: lr * g / (|g| + eps).
        moved = theirs.detach() - 3e-3 * mine.grad / (mine.grad.abs() + 1e-8)
        torch.testing.assert_close(mine.detach(), moved, atol=2e-6, rtol=1e-4)


def test_how_rows_are_batched_changes_nothing(monkeypatch):
    whole, parts = small_trainer(), small_trainer()
    groups = collected(whole)
    for weight in [*whole.weights, *parts.weights]:
        weight.grad = torch.zeros_like(weight)
    loss = whole.backward(groups)
    monkeypatch.setattr(loss_terms, "ROWS_AT_A_TIME", 3)
    assert parts.backward(groups) == pytest.approx(loss, abs=1e-6)
    for one, other in zip(whole.weights, parts.weights, strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=1e-4)


def test_a_step_without_advantage_is_a_step_of_momentum():
    """As in TRL: a zero gradient reaches Adam, whose momentum goes on moving the weights."""
    trainer = small_trainer()
    groups = collected(trainer)
    flat = [replace(g, advantages=(0.0,) * len(g.rollouts)) for g in groups]
    start = weights(trainer)
    assert trainer.update(flat) == {"loss": 0.0, "grad_norm": 0.0}
    assert torch.equal(weights(trainer), start)
    trainer.update(groups)
    moved, trained = weights(trainer), trainer.tokens_trained
    trainer.update(flat)
    assert not torch.equal(weights(trainer), moved)
    assert trainer.tokens_trained == trained


def test_dropped_rollouts_count_nowhere_in_the_update():
    trainer = small_trainer(recipe=small_recipe().with_dial("sample", DropLast()))
    groups = collected(trainer)
    rows = training_rows(groups, trainer.tokenizer)
    assert len(rows) == sum(len(group.rollouts) - 1 for group in groups)
    trainer.update(groups)
    assert trainer.tokens_trained == sum(len(r.completion) for r in rows if r.advantage)


def test_an_objective_of_the_update_dial_replaces_the_loss():
    plain = small_trainer()
    doubled = small_trainer(recipe=small_recipe().with_dial("update", Doubled()))
    groups = collected(plain)
    for trainer in (plain, doubled):
        for weight in trainer.weights:
            weight.grad = torch.zeros_like(weight)
    loss = plain.backward(groups)
    assert doubled.backward(groups) == pytest.approx(2 * loss, abs=1e-6)
    for one, other in zip(plain.weights, doubled.weights, strict=True):
        torch.testing.assert_close(2 * one.grad, other.grad, atol=1e-6, rtol=1e-3)


# ---------------------------------------------------------------- what a step tells


def test_the_metrics_say_what_happened_and_what_it_cost():
    trainer = small_trainer()
    lines = [trainer.step() for _ in range(2)]
    assert [line["step"] for line in lines] == [1, 2]
    assert lines == trainer.history["metrics"]
    json.dumps(lines)
    groups = [g for g in trainer.history["groups"] if g["step"] == 2]
    assert len(groups) == 4
    lengths = [n for group in trainer.history["groups"] for n in group["lengths"]]
    last = lines[-1]
    assert last["tokens_generated"] == sum(lengths) == trainer.clock.tokens
    assert last["tokens_generated"] >= last["tokens_trained"] > 0
    assert last["tokens_forwarded"] > last["tokens_generated"]
    assert last["share"] == trainer.clock.share == pytest.approx(2 / 6)
    rewards = [reward for group in groups for reward in group["rewards"]]
    assert last["reward"] == pytest.approx(sum(rewards) / len(rewards))
    assert last["pass_rate"] == sum(sum(g["correct"]) for g in groups) / len(rewards)
    flat = [len(set(group["rewards"])) == 1 for group in groups]
    assert last["zero_variance"] == sum(flat) / len(flat)
    assert last["length"] == sum(n for g in groups for n in g["lengths"]) / len(rewards)
    assert all(last[f"seconds_{part}"] > 0 for part in ("generation", "update", "curriculum"))


def test_the_curriculum_learns_from_training_and_never_from_evaluation():
    trainer = small_trainer()
    seen = []
    trainer.recipe.select.observe = lambda groups, metrics: seen.append(groups)
    trainer.train(progress=False)
    assert len(seen) == 6
    assert all(group.problem.seed >= 0 for groups in seen for group in groups)
    assert all(group.advantages is not None for groups in seen for group in groups)
    # Neither do its tokens count as the run's.
    spent = sum(n for group in trainer.history["groups"] for n in group["lengths"])
    assert trainer.clock.tokens == spent


def test_evaluations_do_not_disturb_the_training():
    often, never = small_trainer(eval_every=1), small_trainer(eval_every=0)
    often.train(progress=False)
    never.train(progress=False)
    assert torch.equal(weights(often), weights(never))
    assert never.history["eval"] == []
    steps = [row["step"] for row in often.history["eval"]]
    assert sorted(set(steps)) == list(range(7))
    with_samples = {row["step"] for row in often.history["eval"] if "sampled" in row}
    assert with_samples == {0, 6}


def test_a_token_budget_ends_the_run():
    trainer = small_trainer(steps=1000, token_budget=150, eval_every=0)
    results = trainer.train(progress=False)
    assert results["share"] == 1
    spent = [line["tokens_generated"] for line in trainer.history["metrics"]]
    assert spent[-1] >= 150 > spent[-2]


def test_a_budget_may_count_the_tokens_that_are_trained_on_too(tmp_path):
    counted = {"steps": 1000, "token_budget": 600, "count_trained": True}
    trainer = small_trainer(**counted)
    results = trainer.train(progress=False)
    assert results["tokens_trained"] > 0
    spent = results["tokens_generated"] + results["tokens_trained"]
    assert 600 <= spent == trainer.clock.tokens
    assert trainer.history["metrics"][-2]["share"] < 1
    trainer.save(tmp_path / "checkpoint-9")
    again = small_trainer(**counted)
    again.load(tmp_path / "checkpoint-9")
    assert again.clock == trainer.clock


def test_equal_seeds_give_equal_runs_and_other_seeds_others():
    runs = [small_trainer(recipe=small_recipe(seed=s), seed=s, steps=3) for s in (0, 0, 1)]
    for trainer in runs:
        trainer.train(progress=False)
    one, same, other = runs
    assert torch.equal(weights(one), weights(same))
    for stream in ("metrics", "groups", "eval"):
        assert without_seconds(one.history[stream]) == without_seconds(same.history[stream])
    assert not torch.equal(weights(one), weights(other))


def test_the_global_generator_decides_nothing():
    trainers = [small_trainer(steps=2), small_trainer(steps=2)]
    for number, trainer in enumerate(trainers):
        torch.manual_seed(number)
        trainer.train(progress=False)
    assert torch.equal(*map(weights, trainers))


# ---------------------------------------------------------------- on disk


def test_a_run_logs_everything_and_finishes(tmp_path):
    with open_run(tmp_path / "run") as run:
        trainer = small_trainer(run)
        results = trainer.train(progress=False)
        assert run.finished
        assert run.results["tokens_generated"] == results["tokens_generated"]
        for stream in ("metrics", "groups", "eval"):
            assert run.records(stream) == json.loads(json.dumps(trainer.history[stream]))
        saved = sorted(path.name for path in run.checkpoints.iterdir())
        assert saved == ["checkpoint-2", "checkpoint-4", "checkpoint-6"]
        model, _ = load_model(str(run.checkpoints / "checkpoint-6"))
    for name, tensor in trainer.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)
    assert not list(tmp_path.rglob("*.pt"))
    assert not list(tmp_path.rglob("*.bin"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    with open_run(tmp_path_factory.mktemp("whole") / "run") as run:
        small_trainer(run).train(progress=False)
        return state_of(run)


@pytest.fixture(scope="module")
def processes():
    """Processes that start with everything imported and nothing computed."""
    context = multiprocessing.get_context("forkserver")
    # A module that is installed: the server does not know the folder of the tests.
    context.set_forkserver_preload(["currlab.training.scratch"])
    return context


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_and_resumed_equals_uninterrupted(moment, tmp_path, processes, uninterrupted):
    folder = tmp_path / "run"
    killed = processes.Process(target=train_until, args=(folder, moment))
    killed.start()
    killed.join(120)
    assert killed.exitcode == -9
    with open_run(folder) as run:
        newest = run.newest_checkpoint()
        assert (newest and newest.name) == {"step 1": None, "step 5": "checkpoint-4"}.get(
            moment, "checkpoint-2"
        )
        trainer = small_trainer(run)
        assert trainer.clock.step == (int(newest.name[-1]) if newest else 0)
        trainer.train(progress=False)
        logs, tensors = state_of(run)
        assert logs == uninterrupted[0]
        assert tensors == uninterrupted[1]
        assert without_seconds(trainer.history["metrics"]) == logs["metrics"]


@pytest.fixture
def checkpoint(tmp_path):
    trainer = small_trainer(steps=2, eval_every=0)
    trainer.train(progress=False)
    trainer.save(tmp_path / "saved")
    return tmp_path / "saved"


def test_save_and_load_give_the_same_next_step(checkpoint):
    one, other = small_trainer(steps=4, eval_every=0), small_trainer(steps=4, eval_every=0)
    one.step(), one.step()
    other.load(checkpoint)
    # `steps` differs between writer and reader, so the shares do; nothing else may.
    assert other.clock == one.clock
    assert without_seconds([one.step()]) == without_seconds([other.step()])
    assert torch.equal(weights(one), weights(other))


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "currlab.json"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_checkpoint_is_named_and_changes_nothing(checkpoint, name, damage):
    file = checkpoint / name
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2]) if damage == "cut" else file.unlink()
    trainer = small_trainer(steps=2)
    before, state = weights(trainer), trainer.recipe.state_dict()
    with pytest.raises(CurrlabError, match=name):
        trainer.load(checkpoint)
    assert torch.equal(weights(trainer), before)
    assert trainer.recipe.state_dict() == state
    assert trainer.optimizer.state_dict()["state"] == {}
    assert trainer.clock.step == 0


def test_a_checkpoint_of_another_engine_or_model_is_refused(checkpoint):
    trainer = small_trainer()
    record = json.loads((checkpoint / "currlab.json").read_text())
    (checkpoint / "currlab.json").write_text(json.dumps({**record, "engine": "trl"}))
    with pytest.raises(CurrlabError, match="not a checkpoint of the engine 'scratch'"):
        trainer.load(checkpoint)
    (checkpoint / "currlab.json").write_text(json.dumps(record))
    trainer.model.register_parameter("extra", torch.nn.Parameter(torch.zeros(1)))
    with pytest.raises(CurrlabError, match="weights of another model"):
        trainer.load(checkpoint)


def test_a_checkpoint_is_never_overwritten(checkpoint):
    with pytest.raises(CurrlabError, match="exists already"):
        small_trainer().save(checkpoint)
