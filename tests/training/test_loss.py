"""The GRPO loss against an independent computation, one token at a time in float64."""

import math

import numpy as np
import pytest
import torch

from currlab.training.loss import grpo_loss


def batch(seed=0, rows=5, time=7, spread=0.5):
    rng = np.random.default_rng(seed)
    old = -rng.exponential(size=(rows, time))
    return {
        "new": old + rng.normal(scale=spread, size=(rows, time)),
        "old": old,
        "advantages": rng.normal(size=rows),
        "mask": (rng.random((rows, time)) < 0.7).astype(float),
    }


def token_by_token(new, old, advantages, mask, low=0.2, high=0.2, tokens=None):
    """The loss and its gradient from the definition."""
    count = tokens or mask.sum()
    loss, gradient = 0.0, np.zeros_like(new)
    for r, t in zip(*np.nonzero(mask), strict=True):
        a, ratio = advantages[r], math.exp(new[r, t] - old[r, t])
        clipped = min(max(ratio, 1 - low), 1 + high)
        loss -= min(ratio * a, clipped * a) / count
        # d ratio / d new = ratio; where the clipped term is the smaller one, it is constant.
        if ratio * a <= clipped * a:
            gradient[r, t] = -ratio * a / count
    return loss, gradient


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("clip", [{}, {"low": 0.1, "high": 0.3}])
@pytest.mark.parametrize("tokens", [None, 40])
def test_value_and_gradient(seed, clip, tokens):
    numbers = batch(seed)
    value, gradient = token_by_token(**numbers, **clip, tokens=tokens)
    tensors = {name: torch.tensor(array) for name, array in numbers.items()}
    new = tensors["new"].requires_grad_()
    widths = {f"clip_{side}": width for side, width in clip.items()}
    loss = grpo_loss(
        new, tensors["old"], tensors["advantages"], tensors["mask"], tokens=tokens, **widths
    )
    loss.backward()
    assert loss.item() == pytest.approx(value, abs=1e-12)
    np.testing.assert_allclose(new.grad.numpy(), gradient, atol=1e-12)
    assert (gradient[numbers["mask"] > 0] == 0).any(), "nothing was clipped: a weak case"


def test_on_policy_the_gradient_is_the_policy_gradient():
    numbers = {name: torch.tensor(array) for name, array in batch().items()}
    new, mask = numbers["new"].requires_grad_(), numbers["mask"]
    grpo_loss(new, new, numbers["advantages"], mask).backward()
    expected = -numbers["advantages"][:, None] * mask / mask.sum()
    torch.testing.assert_close(new.grad, expected)


def test_parts_of_a_batch_add_up_to_the_whole():
    numbers = {name: torch.tensor(array) for name, array in batch().items()}
    columns = [numbers[name] for name in ("new", "old", "advantages", "mask")]
    tokens = float(numbers["mask"].sum())
    parts = [grpo_loss(*(c[rows] for c in columns), tokens=tokens) for rows in ([0, 3], [1, 2, 4])]
    torch.testing.assert_close(sum(parts), grpo_loss(*columns))


def test_tokens_outside_the_mask_do_not_count_whatever_they_are():
    numbers = {name: torch.tensor(array) for name, array in batch().items()}
    outside = numbers["mask"] == 0
    columns = [numbers[name] for name in ("old", "advantages", "mask")]
    before = grpo_loss(numbers["new"], *columns)
    assert grpo_loss(numbers["new"].masked_fill(outside, -50.0), *columns) == before


def test_nothing_in_the_mask_is_a_loss_of_zero():
    zero = torch.zeros(2, 3, requires_grad=True)
    loss = grpo_loss(zero, zero, torch.ones(2), torch.zeros(2, 3))
    loss.backward()
    assert loss.item() == 0
    assert not zero.grad.any()
