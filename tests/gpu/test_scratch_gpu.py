"""Rollouts, loss and the from-scratch loop on CUDA: the same tokens and gradients as on the CPU."""

from dataclasses import replace

import pytest
import torch

from currlab.curricula import make_recipe
from currlab.curricula.core import Reward
from currlab.curricula.data import Score, View
from currlab.models import new_model
from currlab.models.tokenizer import build_tokenizer
from currlab.training.config import TrainingConfig
from currlab.training.policy import LanguagePolicy
from currlab.training.rollouts import sample_completions
from currlab.training.scratch import ScratchTrainer

DEVICE = "cuda"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]
PROMPTS = [(30, 40, 50), (60,), (30, 40, 50), (70, 80, 90, 100, 110), (60,)] * 8
END = 1


class Digits(Reward):
    """The share of a completion's characters that are digits: a random model can learn that."""

    name, title = "digits", "share of digits"

    def score(self, problem, rollouts, policy, clock):
        shares = [sum(c.isdigit() for c in r.text) / max(1, len(r.text)) for r in rollouts]
        return [Score(share, share == 1) for share in shares]


def trainer(device, size="tiny", **changes):
    settings = {"fixed_group": {"size": 8}}
    recipe = make_recipe("uniform", settings=settings).with_dial("reward", Digits())
    config = TrainingConfig(
        **{
            "levels": {"sorting": (1, 2, 3)},
            "steps": 18,
            "prompts_per_step": 8,
            "max_new_tokens": 6,
            "eval_every": 0,
            "learning_rate": 3e-3,
            **changes,
        }
    )
    return ScratchTrainer(new_model(size, 0).to(device), build_tokenizer(), recipe, config)


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_rollouts_are_those_of_the_cpu(temperature):
    """Other kernels round otherwise: a draw that falls on a boundary may move, few can."""
    both = [
        sample_completions(
            new_model("tiny", 0).to(device), PROMPTS, range(len(PROMPTS)), 12, temperature, END
        )
        for device in ("cpu", DEVICE)
    ]
    pairs = list(zip(*both, strict=True))
    equal = [a for a, b in pairs if a.token_ids == b.token_ids]
    assert len(equal) >= 0.9 * len(pairs)
    for a, b in pairs:
        if a.token_ids == b.token_ids:
            assert a.log_probability == pytest.approx(b.log_probability, abs=1e-2)
            assert a.entropy == pytest.approx(b.entropy, abs=1e-3)


def test_half_precision_and_the_larger_model():
    model = new_model("small", 0).to(DEVICE, torch.bfloat16)
    policy = LanguagePolicy(model, build_tokenizer(), 8)
    rollouts = policy.generate([View("sort 31"), View("sort 9876")] * 4, range(8), 1.0)
    assert all(1 <= len(rollout.token_ids) <= 8 for rollout in rollouts)
    again = policy.generate([View("sort 31"), View("sort 9876")] * 4, range(8), 1.0)
    assert [r.token_ids for r in again] == [r.token_ids for r in rollouts]


def test_the_gradient_is_that_of_the_cpu():
    cpu, gpu = trainer("cpu"), trainer(DEVICE)
    picks = cpu.collector.choose(8, cpu.clock)
    groups = cpu.collector.collect(picks, cpu.clock)
    advantages = cpu.recipe.update.advantages(groups)
    groups = [replace(g, advantages=a) for g, a in zip(groups, advantages, strict=True)]
    losses = []
    for one in (cpu, gpu):
        for weight in one.weights:
            weight.grad = torch.zeros_like(weight)
        losses.append(one.backward(groups))
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    for ours, theirs in zip(cpu.weights, gpu.weights, strict=True):
        torch.testing.assert_close(theirs.grad.cpu(), ours.grad, atol=1e-4, rtol=1e-2)


def test_it_learns(record_property):
    learner = trainer(DEVICE)
    results = learner.train(progress=False)
    speed = results["tokens_generated"] / results["seconds_generation"]
    record_property("tokens_per_second", speed)
    rewards = [line["reward"] for line in learner.history["metrics"]]
    assert sum(rewards[-4:]) > 3 * sum(rewards[:4])


def test_a_checkpoint_goes_on_where_it_was_written(tmp_path):
    one, other = trainer(DEVICE, steps=4), trainer(DEVICE, steps=4)
    for _ in range(2):
        one.step()
    one.save(tmp_path / "saved")
    other.load(tmp_path / "saved")
    for ours, theirs in zip(one.weights, other.weights, strict=True):
        assert torch.equal(ours, theirs)
    assert other.step()["tokens_generated"] == pytest.approx(
        one.step()["tokens_generated"], rel=0.1
    )
