"""Every loss of the update dial against its formula written again, one token at a time in float64.

Gradients are compared with central differences of that formula, or, where part of a loss carries no
gradient on purpose, with the derivative worked out by hand.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from update_cases import groups_of, loss_batch, made, step_metrics, value_and_gradient, weighed

from currlab.curricula.update.losses import nft_loss, regression_loss
from currlab.training.loss import grpo_loss

REWARDS = ([1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 0, 1], [1, 1, 1, 1])
SIZES = [len(row) for row in REWARDS]


def case(name, seed=0, spread=0.4, references=None, **parameters):
    """A strategy, a step's groups, and its batch in float64."""
    strategy = made(name, **parameters)
    groups, advantages = weighed(strategy, groups_of(*REWARDS))
    more = {"references": references} if references else {}
    return strategy, groups, loss_batch(advantages, seed, spread=spread, **more)


def arrays(batch):
    """log-probabilities, old ones, advantages and mask as numpy arrays."""
    tensors = (batch.log_probabilities, batch.old_log_probabilities, batch.advantages, batch.mask)
    return [tensor.detach().numpy() for tensor in tensors]


def tokens(mask):
    return list(zip(*np.nonzero(mask), strict=True))


def central_differences(formula, new, step=1e-6):
    """The gradient of ``formula(new)``, entry by entry."""
    gradient = np.zeros_like(new)
    for place in np.ndindex(new.shape):
        ends = []
        for sign in (1, -1):
            moved = new.copy()
            moved[place] += sign * step
            ends.append(formula(moved))
        gradient[place] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def assert_is(strategy, groups, batch, value, gradient):
    got, slope = value_and_gradient(strategy, batch, groups)
    assert got == pytest.approx(value, abs=1e-12)
    np.testing.assert_allclose(slope, gradient, atol=1e-8)
    assert np.abs(slope).max() > 1e-3, "no gradient: a weak case"


def clipped(ratio, gain, low=0.2, high=0.2):
    return min(ratio * gain, min(max(ratio, 1 - low), 1 + high) * gain)


def common(new, old, gains, mask, left_out=()):
    """The common loss by its definition."""
    return -sum(
        clipped(math.exp(new[r, t] - old[r, t]), gains[r])
        for r, t in tokens(mask)
        if (r, t) not in left_out
    ) / int(mask.sum())


# ---------------------------------------------------------------- NFT


def nft_by_hand(new, old, mask, wrong, floor):
    """Value and derivative of every token of the groups above."""
    value, gradient = 0.0, np.zeros_like(new)
    right = [bool(reward) for row in REWARDS for reward in row]
    accuracy = [sum(row) / len(row) for row in REWARDS for _ in row]
    for r, t in tokens(mask):
        q, ratio = accuracy[r], math.exp(new[r, t] - old[r, t])
        if q in (0, 1):
            continue
        if right[r]:
            value -= (1 - q) * math.log(ratio)
            gradient[r, t] = -(1 - q)
        else:
            rest = (1 - q * ratio) / (1 - q)
            held = max(floor, rest)
            value -= wrong * (1 - q) * math.log(held)
            gradient[r, t] = wrong * (1 - q) * (q * ratio / (1 - q)) / held
    return value / mask.sum(), gradient / mask.sum()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("settings", [(1.0, 1.0), (0.5, 0.2), (0.0, 1.0)])
def test_nft(seed, settings):
    wrong, floor = settings
    strategy, groups, batch = case("nft", seed, wrong=wrong, floor=floor)
    new, old, _, mask = arrays(batch)
    assert_is(strategy, groups, batch, *nft_by_hand(new, old, mask, wrong, floor))


def test_nft_has_the_derivative_of_its_formula_where_nothing_is_held():
    """The derivative by hand, which has a part without gradient, against central differences."""
    strategy, groups, batch = case("nft", floor=0.001, spread=0.1)
    new, old, _, mask = arrays(batch)
    slope = central_differences(lambda x: nft_by_hand(x, old, mask, 1.0, 0.001)[0], new)
    np.testing.assert_allclose(value_and_gradient(strategy, batch, groups)[1], slope, atol=1e-8)


def on_policy(batch):
    """The same batch, whose policy is the one that sampled."""
    new = batch.old_log_probabilities.clone().requires_grad_()
    return new, (new, batch.old_log_probabilities, batch.advantages, batch.mask)


def test_on_policy_nft_has_exactly_the_gradient_of_grpo_without_division():
    """Not only the direction: equal to rounding, for every token of every group."""
    strategy, groups, batch = case("nft")
    new, (_, old, _, mask) = on_policy(batch)
    batch = replace(batch, log_probabilities=new)
    _, of_nft = value_and_gradient(strategy, batch, groups)
    _, gains = weighed(made("grpo", scale="none"), groups)
    assert batch.advantages.tolist() == pytest.approx(gains)
    loss = grpo_loss(new, old, torch.tensor(gains, dtype=torch.float64), mask)
    (of_grpo,) = torch.autograd.grad(loss, new)
    np.testing.assert_allclose(of_nft, of_grpo.numpy(), atol=1e-15)
    # With the division each group has the same direction and another length.
    _, gains = weighed(made("grpo"), groups)
    loss = grpo_loss(new, old, torch.tensor(gains, dtype=torch.float64), mask)
    (scaled,) = torch.autograd.grad(loss, new)
    lengths = []
    for number, row in enumerate(REWARDS):
        rows = slice(4 * number, 4 * number + len(row))
        one, other = of_nft[rows].ravel(), scaled[rows].numpy().ravel()
        if one.any():
            lengths.append(np.linalg.norm(other) / np.linalg.norm(one))
            assert one @ other == pytest.approx(np.linalg.norm(one) * np.linalg.norm(other))
    assert len(lengths) == 2
    assert lengths[0] < 0.9 * lengths[1]


def test_off_policy_nft_is_another_loss():
    strategy, groups, batch = case("nft", spread=0.4)
    _, of_nft = value_and_gradient(strategy, batch, groups)
    _, of_grpo = value_and_gradient(Common(), batch, groups)
    assert np.abs(of_nft - of_grpo).max() > 0.1 * np.abs(of_grpo).max()


class Common:
    """The common loss as an objective."""

    def objective(self, batch, groups):
        new, old = batch.log_probabilities, batch.old_log_probabilities
        return grpo_loss(new, old, batch.advantages, batch.mask)


def test_nft_holds_the_accuracy_off_its_ends():
    new = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    for accuracy, slope in [(0.005, -0.98), (0.995, -0.02)]:
        one = torch.tensor([accuracy], dtype=torch.float64)
        right, mask = torch.tensor([True]), torch.ones(1, 1, dtype=torch.float64)
        loss = nft_loss(new, new.detach(), right, one, mask)
        assert torch.autograd.grad(loss, new)[0].item() == pytest.approx(slope)


def test_nft_survives_a_ratio_far_beyond_one():
    """There the implied ratio is negative, and its logarithm would not be a number."""
    new = torch.tensor([[3.0]], dtype=torch.float64, requires_grad=True)
    old, half = torch.zeros(1, 1, dtype=torch.float64), torch.tensor([0.5], dtype=torch.float64)
    loss = nft_loss(new, old, torch.tensor([False]), half, torch.ones_like(old))
    assert loss.item() == 0.0
    assert torch.autograd.grad(loss, new)[0].item() == pytest.approx(0.5 * math.exp(3))


# ---------------------------------------------------------------- regression


def regression(new, old, gains, mask, change):
    total, start = 0.0, 0
    for size in SIZES:
        rows = range(start, start + size)
        moved = [sum(new[r, t] - old[r, t] for t in np.flatnonzero(mask[r])) for r in rows]
        centre = sum(moved) / size
        total += sum(
            (gains[r] - (m - centre) / change) ** 2 for r, m in zip(rows, moved, strict=True)
        )
        start += size
    return total / sum(SIZES)


@pytest.mark.parametrize("change", [1.0, 0.25])
@pytest.mark.parametrize("scale", ["group", "none"])
def test_reg_grpo(change, scale):
    strategy, groups, batch = case("reg_grpo", change=change, scale=scale)
    new, old, gains, mask = arrays(batch)

    def formula(x):
        return regression(x, old, gains, mask, change)

    assert_is(strategy, groups, batch, formula(new), central_differences(formula, new))


def test_on_policy_regression_is_the_policy_gradient_of_whole_answers():
    _, _, batch = case("reg_grpo", change=0.5)
    new, (_, old, gains, mask) = on_policy(batch)
    places = torch.arange(4).repeat_interleave(4)
    (slope,) = torch.autograd.grad(regression_loss(new, old, gains, mask, places, 0.5), new)
    expected = -2 / (16 * 0.5) * gains[:, None] * mask
    torch.testing.assert_close(slope, expected, atol=1e-15, rtol=1e-12)


def test_regression_is_content_where_the_change_is_the_advantage():
    _, _, batch = case("reg_grpo", spread=0.0)
    first = torch.zeros_like(batch.mask)
    first[:, 0] = 1.0
    new = (batch.old_log_probabilities + batch.advantages[:, None] * first).requires_grad_()
    places = torch.arange(4).repeat_interleave(4)
    old, gains = batch.old_log_probabilities, batch.advantages
    loss = regression_loss(new, old, gains, batch.mask, places)
    assert loss.item() == pytest.approx(0.0, abs=1e-15)


# ---------------------------------------------------------------- other checks on the ratio


@pytest.mark.parametrize("drift", [0.0, 0.3])
def test_cpgd(drift):
    strategy, groups, batch = case("cpgd", clip=0.25, drift=drift)
    new, old, gains, mask = arrays(batch)

    def formula(x):
        total = 0.0
        for r, t in tokens(mask):
            d = x[r, t] - old[r, t]
            held = min(max(d, math.log(0.75)), math.log(1.25))
            total += drift * (math.exp(d) - 1 - d) - min(d * gains[r], held * gains[r])
        return total / mask.sum()

    assert_is(strategy, groups, batch, formula(new), central_differences(formula, new))
    beyond = np.abs(new - old) > math.log(1.25)
    assert (beyond & (mask > 0)).any(), "nothing was clipped: a weak case"


def test_the_drift_is_an_estimate_of_the_divergence_from_the_old_policy():
    """Exactly, over all tokens of a vocabulary weighted by the old policy."""
    old, new = (torch.tensor(p, dtype=torch.float64) for p in ([0.5, 0.3, 0.2], [0.2, 0.2, 0.6]))
    d = (new / old).log()
    estimated = (old * (d.exp() - 1 - d)).sum()
    torch.testing.assert_close(estimated, (old * (old / new).log()).sum())


def test_erc():
    strategy, groups, batch = case("erc", width=0.3)
    new, old, gains, mask = arrays(batch)
    ratio = (batch.entropies / batch.old_entropies).numpy()
    out = {(r, t) for r, t in tokens(mask) if not 0.7 <= ratio[r, t] <= 1.3}
    assert 0 < len(out) < mask.sum(), "a weak case"

    def formula(x):
        return common(x, old, gains, mask, out)

    assert_is(strategy, groups, batch, formula(new), central_differences(formula, new))


def test_erc_leaves_nothing_out_while_no_entropy_has_changed():
    strategy, groups, _ = case("erc", width=0.0)
    _, advantages = weighed(strategy, groups)
    still = torch.rand(16, 6, dtype=torch.float64)
    still[0] = 0.0
    batch = loss_batch(advantages, entropies=still, old_entropies=still)
    same = value_and_gradient(Common(), batch, groups)
    got = value_and_gradient(strategy, batch, groups)
    assert got[0] == pytest.approx(same[0])
    np.testing.assert_allclose(got[1], same[1])


def test_entropy_bonus():
    strategy, groups, batch = case("entropy_bonus", coefficient=0.2)
    new, old, gains, mask = arrays(batch)
    spread = batch.entropies.numpy()
    mean = sum(spread[r, t] for r, t in tokens(mask)) / mask.sum()

    def formula(x):
        return common(x, old, gains, mask) - 0.2 * mean

    assert_is(strategy, groups, batch, formula(new), central_differences(formula, new))
    entropies = batch.entropies.requires_grad_()
    (slope,) = torch.autograd.grad(strategy.objective(batch, groups), entropies)
    np.testing.assert_allclose(slope.numpy(), -0.2 * mask / mask.sum(), atol=1e-15)


def test_cispo():
    strategy, groups, batch = case("ratio_kind", kind="cispo", bound=1.2)
    new, old, gains, mask = arrays(batch)
    weight = np.minimum(np.exp(new - old), 1.2)
    value = -sum(weight[r, t] * gains[r] * new[r, t] for r, t in tokens(mask)) / mask.sum()
    gradient = -weight * gains[:, None] * mask / mask.sum()
    assert_is(strategy, groups, batch, value, gradient)
    assert (np.exp(new - old) > 1.2).any(), "nothing was bounded: a weak case"


def test_sequence_ratios():
    strategy, groups, batch = case("ratio_kind", kind="sequence", clip=0.1)
    new, old, gains, mask = arrays(batch)

    def ratios(x):
        return [math.exp(((x[r] - old[r]) * mask[r]).sum() / mask[r].sum()) for r in range(16)]

    def formula(x):
        return -sum(clipped(s, a, 0.1, 0.1) for s, a in zip(ratios(x), gains, strict=True)) / 16

    assert_is(strategy, groups, batch, formula(new), central_differences(formula, new))
    assert any(abs(s - 1) > 0.1 for s in ratios(new)), "nothing was clipped: a weak case"


# ---------------------------------------------------------------- a teacher


@pytest.mark.parametrize("where", ["all", "wrong"])
def test_kdrl(where):
    teacher = loss_batch([0.0] * 16, seed=5).old_log_probabilities
    strategy, groups, batch = case(
        "kdrl", references={"teacher": teacher}, where=where, first=0.3, last=0.1
    )
    strategy.observe(groups, step_metrics(10))  # half of the budget: b = 0.2
    new, old, gains, mask = arrays(batch)
    right = [reward for row in REWARDS for reward in row]

    def formula(x):
        gap = sum(
            0.5 * (x[r, t] - teacher[r, t].item()) ** 2
            for r, t in tokens(mask)
            if where == "all" or not right[r]
        )
        return common(x, old, gains, mask) + 0.2 * gap / mask.sum()

    assert_is(strategy, groups, batch, formula(new), central_differences(formula, new))


def test_the_squared_gap_has_the_gradient_of_the_reverse_divergence():
    """Exactly, over all tokens of a vocabulary weighted by the student."""
    logits = torch.tensor([0.3, -0.2, 1.0], dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([0.1, 0.7, 0.2], dtype=torch.float64).log()
    log_p = logits.log_softmax(0)
    (exact,) = torch.autograd.grad((log_p.exp() * (log_p - teacher)).sum(), logits)
    log_p = logits.log_softmax(0)
    gaps = 0.5 * (log_p - teacher).square()
    (estimated,) = torch.autograd.grad((log_p.exp().detach() * gaps).sum(), logits)
    torch.testing.assert_close(estimated, exact)


def test_the_teacher_is_a_frozen_copy_or_a_shipped_model_and_its_pull_falls():
    assert made("kdrl").references() == {"teacher": 1.0}
    kdrl = made("kdrl", teacher="tiny-warm")
    assert kdrl.references() == {"teacher": "tiny-warm"}
    pulls = []
    for step in (0, 10, 20):
        kdrl.observe([], step_metrics(step))
        pulls.append(kdrl.weight)
    assert pulls == pytest.approx([5e-3, 3e-3, 1e-3])
