"""Both losses in every step, (1 - mu) of reinforcement and mu of imitation; who sets mu."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from currlab.curricula.data import Catalog, Clock, Demonstration, Group
from currlab.curricula.present.hints import cosine, thought
from currlab.curricula.registry import knob, register
from currlab.curricula.update.grpo import GRPO
from currlab.curricula.update.parts import worked_answers


class Mixing(GRPO):
    """``L = (1 - mu) L_GRPO + mu L_SFT``; a worked answer to each of the step's problems is imitated.

    `parameters.thought` says whether the worked answers have a written thought.
    """

    def mu(self, clock: Clock) -> float:
        """The share of imitation in the loss now."""
        raise NotImplementedError

    def imitate(
        self, groups: Sequence[Group], catalog: Catalog, clock: Clock
    ) -> list[Demonstration]:
        return worked_answers(groups, catalog, self.parameters.thought)

    def weights(self, clock: Clock) -> tuple[float, float]:
        mu = self.mu(clock)
        return 1 - mu, mu


@register
class CHORD(Mixing):
    """Imitation is an extra loss whose weight falls, and which cares for undecided tokens.

    ``L = (1 - mu) L_GRPO + mu L_SFT`` (CHORD, arXiv 2508.11408, and its code). mu rises linearly to
    `peak` during the first `warm_up` of the budget, then falls as a cosine to `valley`, which it
    reaches at `until`; the code's defaults leave it at 0.1. A demonstration's token counts
    ``phi = p (1 - p)`` (CHORD-phi), p its probability under the policy, without gradient: tokens that
    are near-certain or hopeless count little. `tokens` "is" takes p itself instead, "all" 1.

    Ours: the expert's samples are worked answers to the step's own problems, where the paper has a
    data set of its own; shares of the budget take the place of numbers of steps.
    """

    name: ClassVar[str] = "chord"
    title: ClassVar[str] = "CHORD: imitation that fades"
    papers: ClassVar[tuple[str, ...]] = ("CHORD",)
    family: ClassVar[str] = "F11"

    @dataclass(frozen=True)
    class Parameters(GRPO.Parameters):
        peak: float = knob(0.1, "largest share of imitation", 0.0, 1.0, paper=0.1)
        valley: float = knob(0.1, "share of imitation at the end", 0.0, 1.0, paper=0.1)
        warm_up: float = knob(0.0, "share of the budget until the peak", 0.0, 1.0)
        until: float = knob(1.0, "share of the budget until the valley", 0.0, 1.0)
        tokens: str = knob(
            "phi",
            "what a token counts: p (1 - p), p or 1",
            choices=["phi", "is", "all"],
            paper="phi",
        )
        thought: bool = thought()

    def mu(self, clock: Clock) -> float:
        """
        >>> halves = CHORD.Parameters(peak=0.8, valley=0.0, warm_up=0.5)
        >>> [CHORD(halves).mu(Clock(share=share)) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
        [0.0, 0.4, 0.8, 0.4, 0.0]
        """
        p = self.parameters
        if clock.share < p.warm_up:
            return p.peak * clock.share / p.warm_up
        return cosine(clock.share - p.warm_up, max(0.0, p.until - p.warm_up), p.valley, p.peak)

    def token_weights(self, log_probabilities: Any) -> Any:
        p = log_probabilities.exp()
        return {"phi": p * (1 - p), "is": p, "all": None}[self.parameters.tokens]


@register
class AMFT(Mixing):
    """The share of imitation follows the entropy: less entropy than at the start, more imitation.

    ``mu <- clip(mu + rate (H* - H), 0.05, 0.95)`` after every step, H the mean token entropy of the
    step's rollouts (AMFT, arXiv 2508.06944, whose code has this term with a rate of 5e-4). The paper's
    target H* is the mean entropy right after its SFT warm-up; here it is that of the run's first
    step, which is the same if the run starts from a warmed-up model.

    What is not here is the paper's first idea: every 20 steps mu also moves along the meta-gradient
    of a validation loss, ``-lr <grad L_val, grad L_SFT - grad L_RL>``, which needs the gradients of
    three losses apart. That is why this is only inspired by it. The default rate is ours: runs here
    are hundreds of steps, not thousands.
    """

    name: ClassVar[str] = "amft"
    title: ClassVar[str] = "imitation against falling entropy"
    papers: ClassVar[tuple[str, ...]] = ("AMFT",)
    family: ClassVar[str] = "F11"
    state: ClassVar[str] = "inspired"
    LOW: ClassVar[float] = 0.05
    HIGH: ClassVar[float] = 0.95

    @dataclass(frozen=True)
    class Parameters(GRPO.Parameters):
        start: float = knob(0.5, "share of imitation at the start", 0.05, 0.95, paper=0.5)
        rate: float = knob(0.05, "step of the share for a nat of entropy", 0.0, 10.0, paper=5e-4)
        thought: bool = thought()

    def fresh_memory(self) -> dict[str, Any]:
        return {"mu": self.parameters.start, "target": None}

    def mu(self, clock: Clock) -> float:
        return self.memory["mu"]

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        if not groups:
            return
        entropies = [r.entropy for group in groups for r in group.rollouts]
        entropy = sum(entropies) / len(entropies)
        if self.memory["target"] is None:
            self.memory["target"] = entropy
        moved = self.memory["mu"] + self.parameters.rate * (self.memory["target"] - entropy)
        self.memory["mu"] = min(self.HIGH, max(self.LOW, moved))

    def snapshot(self) -> dict[str, Any]:
        return {"share of imitation": self.memory["mu"]}
