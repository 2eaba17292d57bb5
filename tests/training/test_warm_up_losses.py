"""Losses of the warm-up: value and gradient against sums written out in float64."""

import math

import numpy as np
import pytest
import torch

from currlab.errors import CurrlabError
from currlab.training.warm_up_losses import LOSSES, Imitated, make_loss

ROWS, TOKENS, VOCABULARY = 2, 4, 5
# The second demonstration is two tokens shorter.
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], bool)


@pytest.fixture(scope="module")
def numbers():
    """Logits of the policy, of the start and of the generator, and the targets."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, ROWS, TOKENS, VOCABULARY)) * 1.5
    return (*logits, rng.integers(VOCABULARY, size=(ROWS, TOKENS)))


def chances(row):
    """Softmax of one row of logits, written out."""
    powers = [math.exp(value - max(row)) for value in row]
    return [power / sum(powers) for power in powers]


def divergence(first, second):
    return sum(p * math.log(p / q) for p, q in zip(first, second, strict=True))


def nll(z, z0, start, generator, y, r, t):
    return -math.log(chances(z[r, t])[y[r, t]])


def dft(z, z0, start, generator, y, r, t):
    return chances(z0[r, t])[y[r, t]] * nll(z, z0, start, generator, y, r, t)


def asft(z, z0, start, generator, y, r, t):
    away = divergence(chances(start[r, t]), chances(z[r, t]))
    return dft(z, z0, start, generator, y, r, t) + 0.1 * away


def pear(z, z0, start, generator, y, r, t):
    last = int(MASK[r].sum()) - 1
    total = 0.0
    for j in range(t + 1, last + 1):
        ratio = math.log(chances(z0[r, j])[y[r, j]] / chances(generator[r, j])[y[r, j]])
        total += min(0.3, max(-0.08, ratio))
    weight = min(10.0, max(0.1, 0.999 ** (last - t) * math.exp(total)))
    return weight * nll(z, z0, start, generator, y, r, t)


def curio(z, z0, start, generator, y, r, t):
    now = chances(z0[r, t])
    certain = -sum(p * math.log(p) for p in now) / math.log(VOCABULARY)
    teacher = chances([value / (1 + certain) for value in z0[r, t]])
    return nll(z, z0, start, generator, y, r, t) + 0.5 * divergence(teacher, chances(z[r, t]))


WRITTEN_OUT = {"nll": nll, "dft": dft, "asft": asft, "pear": pear, "curio": curio}


def batch(numbers, generator=None):
    policy, start, writer, targets = (torch.tensor(n) for n in numbers)
    return Imitated(
        policy.requires_grad_(),
        targets,
        torch.tensor(MASK),
        {"start": start, "generator": writer},
        generator,
    )


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_value_and_gradient_are_those_of_the_formula(name, numbers):
    """The second argument of a formula is held fixed: what carries no gradient."""
    given = batch(numbers)
    losses = make_loss(name).token_losses(given)
    (losses * given.mask).sum().backward()
    z, *others = numbers
    for r, t in zip(*np.nonzero(MASK), strict=True):
        assert losses[r, t].item() == pytest.approx(WRITTEN_OUT[name](z, z, *others, r, t))
        for v in range(VOCABULARY):
            step = np.zeros_like(z)
            step[r, t, v] = 1e-5
            rise = [WRITTEN_OUT[name](z + s * step, z, *others, r, t) for s in (1, -1)]
            assert given.logits.grad[r, t, v].item() == pytest.approx(
                (rise[0] - rise[1]) / 2e-5, abs=1e-6
            )
    assert not given.logits.grad[~given.mask].any()


def test_pear_s_weights_stay_within_their_bounds():
    loss = make_loss("pear")
    far, mask = torch.full((1, 200), 0.0), torch.ones(1, 200, dtype=torch.bool)
    likelier = loss.weights(far, far - 1, mask)
    rarer = loss.weights(far - 1, far, mask)
    assert likelier.max() == 10
    assert rarer.min() == pytest.approx(0.1)
    assert likelier[0, -1] == rarer[0, -1] == 1, "nothing follows the last token"


def test_curiosity_costs_nothing_where_the_model_is_certain():
    certain = torch.zeros(1, 1, VOCABULARY, dtype=torch.float64)
    certain[..., 2] = 60.0
    given = Imitated(certain, torch.tensor([[2]]), torch.tensor([[True]]))
    assert make_loss("curio").token_losses(given).item() == pytest.approx(0, abs=1e-9)


def test_a_one_token_rollout_is_dft_on_average(numbers):
    """Each draw is an exact policy gradient; its mean is the gradient of the token's probability."""
    samples = 4096
    given = batch(numbers, torch.Generator().manual_seed(0))
    losses = make_loss("otr", samples=samples).token_losses(given)
    log_p = given.log_probabilities().detach()
    hits = (losses / -log_p * samples).detach()
    assert torch.allclose(hits, hits.round(), atol=1e-6), "a whole number of matches"
    error = (hits / samples - log_p.exp()).abs()
    assert error.max() < 4 * 0.5 / samples**0.5
    losses.sum().backward()
    p = given.logits.detach().softmax(-1)
    one_hot = torch.nn.functional.one_hot(given.targets, VOCABULARY)
    expected = hits[..., None] / samples * (p - one_hot)
    assert torch.allclose(given.logits.grad, expected)


def test_equal_seeds_draw_equal_rollouts(numbers):
    first, same, other = (
        make_loss("otr").token_losses(batch(numbers, torch.Generator().manual_seed(seed)))
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_every_loss_says_what_it_is():
    for name, cls in LOSSES.items():
        assert cls.name == name
        assert cls.state in ("implemented", "inspired")
        assert cls.title
        assert cls.family == "F12"
        assert not cls.papers or "Source:" in cls.__doc__


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        ("nnl", {}, "Unknown warm-up loss 'nnl'; the losses are nll, dft"),
        ("asft", {"anchor": -1.0}, "between 0.0 and 10.0"),
        ("asft", {"ankor": 1.0}, "no parameter 'ankor'"),
        ("otr", {"samples": 0}, "between 1 and 4096"),
        ("pear", {"generator": 3}, "of type str"),
    ],
)
def test_bad_losses_are_refused_in_a_sentence(name, parameters, sentence):
    with pytest.raises(CurrlabError, match=sentence):
        make_loss(name, **parameters)
