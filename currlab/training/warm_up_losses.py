"""What a warm-up may minimise at each token of a demonstration: likelihood, and five other losses.

A loss is a class with one method, `token_losses`; `LOSSES` holds them by name, and
``warm_up(loss="asft")`` uses one. Nothing here imports torch: the atlas reads this module, too.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from currlab.curricula.core import NoParameters
from currlab.curricula.registry import check_parameters, knob
from currlab.errors import CurrlabError

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Imitated:
    """A batch of demonstrations as a loss sees it.

    ==========  ==================  =========================================================
    Symbol      Shape               Description
    ==========  ==================  =========================================================
    logits      [R, T, V]           where each token is predicted, with gradient
    targets     [R, T]              the token that the demonstration has there; 0 outside it
    mask        [R, T]              True for tokens that are imitated
    references  {name: [R, T, V]}   logits of the loss's other models, without gradient
    generator   -                   random numbers, for losses that sample
    ==========  ==================  =========================================================
    """

    logits: Tensor
    targets: Tensor
    mask: Tensor
    references: Mapping[str, Tensor] = field(default_factory=dict)
    generator: Generator | None = None

    def log_probabilities(self, model: str = "self") -> Tensor:
        """log pi(target) of each token, [R, T], in nats."""
        return _log_p(self.logits if model == "self" else self.references[model], self.targets)


def _log_p(logits: Tensor, targets: Tensor) -> Tensor:
    return logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0]


def _divergence(first: Tensor, second: Tensor) -> Tensor:
    """KL(first || second) of distributions given by their logits, [..., V] -> [...], in nats."""
    log_first, log_second = first.log_softmax(-1), second.log_softmax(-1)
    return (log_first.exp() * (log_first - log_second)).sum(-1)


class WarmUpLoss(ABC):
    """A loss of the SFT warm-up; the trainer averages `token_losses` over the imitated tokens.

    `state` and `papers` mean what they mean for a strategy (`currlab.curricula.core.Strategy`).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    papers: ClassVar[tuple[str, ...]] = ()
    family: ClassVar[str] = "F12"
    state: ClassVar[str] = "implemented"
    Parameters: ClassVar[type] = NoParameters

    def __init__(self, parameters: Any = None) -> None:
        self.parameters = self.Parameters() if parameters is None else parameters

    def references(self) -> dict[str, float | str]:
        """Other models that it reads, as `Strategy.references` names them: 1.0 is the frozen start."""
        return {}

    @abstractmethod
    def token_losses(self, batch: Imitated) -> Tensor:
        """The loss of each token, [R, T]; what stands outside the mask does not count."""


class Likelihood(WarmUpLoss):
    """Plain imitation: the negative log-likelihood, ``-log pi(y_t)``."""

    name: ClassVar[str] = "nll"
    title: ClassVar[str] = "plain likelihood"

    def token_losses(self, batch: Imitated) -> Tensor:
        return -batch.log_probabilities()


class DFT(WarmUpLoss):
    """Likelihood weighted by the token's own probability.

    ``L_t = -sg(p_t) log p_t`` with p_t = pi(y_t) and sg(.) without gradient. The gradient is that of
    ``-p_t``: tokens that the model finds impossible pull hardly at all. Source: Dynamic Fine-Tuning
    (arXiv 2508.05629); the same numbers as TRL's ``SFTConfig(loss_type="dft")``.
    """

    name: ClassVar[str] = "dft"
    title: ClassVar[str] = "likelihood times probability"

    def token_losses(self, batch: Imitated) -> Tensor:
        log_p = batch.log_probabilities()
        return -log_p.exp().detach() * log_p


class ASFT(DFT):
    """DFT, anchored: a divergence holds the model near its start.

    ``L_t = -sg(p_t) log p_t + anchor KL(pi_start(. | t) || pi(. | t))`` over the whole vocabulary.
    Source: Anchored Supervised Fine-Tuning (arXiv 2509.23753), with the direction of the divergence
    and the weight of its code; pi_start is the model before the warm-up.
    """

    name: ClassVar[str] = "asft"
    title: ClassVar[str] = "likelihood times probability, anchored"
    papers: ClassVar[tuple[str, ...]] = ("ASFT",)

    @dataclass(frozen=True)
    class Parameters:
        anchor: float = knob(0.1, "weight of the divergence from the start", 0.0, 10.0, paper=0.1)

    def references(self) -> dict[str, float | str]:
        return {"start": 1.0}

    def token_losses(self, batch: Imitated) -> Tensor:
        divergence = _divergence(batch.references["start"], batch.logits)
        return super().token_losses(batch) + self.parameters.anchor * divergence


class PEAR(WarmUpLoss):
    """A token counts by how likely the policy itself would write what follows it.

    ``L_t = -sg(G_t) log pi(y_t)``, ``G_t = clip(gamma^(T - t) exp(sum_{j > t} d_j), .1, 10)``,
    ``d_j = clip(log pi(y_j) - log beta(y_j), -.08, .3)``: T is the demonstration's last token, beta
    the model that wrote it. Source: PEAR (arXiv 2602.01058), the suffix form, as a public
    re-implementation has it; the paper's own code was not at hand.

    The demonstrations must be the generator's: `warm_up_data.self_answers` has a model write them.
    For worked solutions of a program, which no model wrote, the ratio means nothing.
    """

    name: ClassVar[str] = "pear"
    title: ClassVar[str] = "weighted by the rest's importance ratio"
    papers: ClassVar[tuple[str, ...]] = ("PEAR",)

    @dataclass(frozen=True)
    class Parameters:
        generator: str = knob(
            "tiny-warm", "the model that wrote the demonstrations: name or folder"
        )
        decay: float = knob(0.999, "gamma: weight of a token one further from the end", 0.0, 1.0)
        low: float = knob(-0.08, "least log ratio of a token", -10.0, 0.0, paper=-0.08)
        high: float = knob(0.3, "largest log ratio of a token", 0.0, 10.0, paper=0.3)
        least: float = knob(0.1, "least weight", 0.0, 1.0, paper=0.1)
        most: float = knob(10.0, "largest weight", 1.0, 1000.0, paper=10.0)

    def references(self) -> dict[str, float | str]:
        return {"generator": self.parameters.generator}

    def token_losses(self, batch: Imitated) -> Tensor:
        log_p = batch.log_probabilities()
        return (
            -self.weights(log_p.detach(), batch.log_probabilities("generator"), batch.mask) * log_p
        )

    def weights(self, log_p: Tensor, written: Tensor, mask: Tensor) -> Tensor:
        """G of each token, [R, T], from its log-probabilities under the policy and the generator."""
        knobs = self.parameters
        ratios = (log_p - written).clamp(knobs.low, knobs.high) * mask

        def of_the_rest(values: Tensor) -> Tensor:
            """Sums over the tokens that come later."""
            return values.flip(-1).cumsum(-1).flip(-1) - values

        remaining = of_the_rest(mask.to(ratios.dtype))
        weights = knobs.decay**remaining * of_the_rest(ratios).exp()
        return weights.clamp(knobs.least, knobs.most)


class CurioSFT(WarmUpLoss):
    """Imitation that keeps its curiosity: the model is also its own, hotter teacher.

    ``L_t = -log pi(y_t) + weight KL(sg(softmax(z_t / tau_t)) || softmax(z_t))``, z_t the logits,
    ``tau_t = 1 + heat H_t / log V``, H_t the entropy there (no gradient) and V the vocabulary. Source:
    CurioSFT (arXiv 2602.02244), of which the idea is known to us: self-distillation to a teacher
    with a temperature that depends on the token's entropy. The formula and its numbers are ours:
    the less certain the model is at a token, the more openness it keeps there.
    """

    name: ClassVar[str] = "curio"
    title: ClassVar[str] = "likelihood, and one's own hotter self"
    papers: ClassVar[tuple[str, ...]] = ("CurioSFT",)
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        weight: float = knob(0.5, "weight of the distillation", 0.0, 100.0)
        heat: float = knob(
            1.0, "how much hotter the teacher is where nothing is certain", 0.0, 10.0
        )

    def token_losses(self, batch: Imitated) -> Tensor:
        logits = batch.logits.detach()
        log_p = logits.log_softmax(-1)
        uncertain = -(log_p.exp() * log_p).sum(-1, keepdim=True) / math.log(logits.shape[-1])
        teacher = logits / (1 + self.parameters.heat * uncertain)
        distilled = _divergence(teacher, batch.logits)
        return -batch.log_probabilities() + self.parameters.weight * distilled


class OTR(WarmUpLoss):
    """Every token of a demonstration is a rollout of length one.

    At token t, K candidates a_k are drawn from pi(. | t); the reward is 1 for a match, ``a_k = y_t``:
    ``L_t = -1/K sum_k 1[a_k = y_t] log pi(a_k)``. Its mean over the draws is DFT's loss. Source:
    One-Token Rollout (arXiv 2509.26313), of which the procedure is known to us; K, temperature 1 and
    that there is no baseline are ours.
    """

    name: ClassVar[str] = "otr"
    title: ClassVar[str] = "one-token rollouts"
    papers: ClassVar[tuple[str, ...]] = ("OTR",)
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        samples: int = knob(16, "candidates at each token", 1, 4096)

    def token_losses(self, batch: Imitated) -> Tensor:
        chances = batch.logits.detach().softmax(-1)
        drawn = chances.flatten(0, 1).multinomial(
            self.parameters.samples, replacement=True, generator=batch.generator
        )
        hits = drawn.view(*chances.shape[:2], -1) == batch.targets[..., None]
        return -hits.to(chances.dtype).mean(-1) * batch.log_probabilities()


LOSSES: Mapping[str, type[WarmUpLoss]] = {
    cls.name: cls for cls in (Likelihood, DFT, ASFT, PEAR, CurioSFT, OTR)
}


def make_loss(name: str, **parameters: Any) -> WarmUpLoss:
    """A loss by its name; parameters are checked against their bounds.

    >>> make_loss("asft", anchor=0.2).parameters.anchor
    0.2
    """
    if name not in LOSSES:
        raise CurrlabError(f"Unknown warm-up loss '{name}'; the losses are {', '.join(LOSSES)}.")
    return LOSSES[name](check_parameters(LOSSES[name], parameters))
