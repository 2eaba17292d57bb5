"""Groups, batches and the numbers of a step, for the tests of the update dial."""

from dataclasses import replace

import numpy as np
import torch
from fakes import CATALOG, group

from currlab.curricula import Clock, Pick, make_strategy, strategy_names
from currlab.training.loss import LossBatch

UPDATES = strategy_names("update")


def groups_of(*pass_rows, step=0, arm="sorting/2"):
    """A group for every row of rewards; each is another problem."""
    return [group(CATALOG, Pick(arm, seed), row, step) for seed, row in enumerate(pass_rows)]


def with_view(found, **view):
    """The group with another view for all of its rollouts."""
    rows = tuple(replace(r, view=replace(r.view, **view)) for r in found.rollouts)
    return replace(found, rollouts=rows)


def step_metrics(step, norm=1.0, total=20):
    """What an engine tells after a step; `step` counts from 1."""
    return {"step": step, "share": step / total, "grad_norm": norm, "entropy": 0.5}


def clock_after(step, total=20):
    return Clock(step, step / total, 100 * step)


def weighed(strategy, groups):
    """The groups as an objective sees them, and their advantages as one list."""
    rows = strategy.advantages(groups)
    found = [replace(g, advantages=row) for g, row in zip(groups, rows, strict=True)]
    return found, [number for row in rows for number in row]


def loss_batch(advantages, seed=0, time=6, spread=0.4, **more):
    """A batch in float64 whose policy has moved away from the one that sampled."""
    rng = np.random.default_rng(seed)
    rows = len(advantages)
    old = -rng.exponential(size=(rows, time))
    mask = (rng.random((rows, time)) < 0.8).astype(float)
    mask[:, 0] = 1.0
    new = torch.tensor(old + rng.normal(scale=spread, size=old.shape), requires_grad=True)
    shape = dict.fromkeys(("entropies", "old_entropies"), old.shape)
    extra = {name: torch.tensor(rng.exponential(size=size)) for name, size in shape.items()}
    return LossBatch(
        new,
        torch.tensor(old),
        torch.tensor(np.array(advantages, dtype=float)),
        torch.tensor(mask),
        **{**extra, **more},
    )


def value_and_gradient(strategy, batch, groups):
    """The objective of a batch and its gradient with respect to the log-probabilities."""
    loss = strategy.objective(batch, groups)
    (gradient,) = torch.autograd.grad(loss, batch.log_probabilities)
    return loss.item(), gradient.numpy()


def made(name, **parameters):
    return make_strategy(name, **parameters)
