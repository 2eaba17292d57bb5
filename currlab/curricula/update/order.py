"""Steps of imitation and steps of reinforcement: which comes when."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from currlab.curricula.core import Plan
from currlab.curricula.data import Catalog, Clock, Demonstration, Group, Pick
from currlab.curricula.present.hints import thought
from currlab.curricula.registry import knob, register
from currlab.curricula.sample.fixed import FixedGroup
from currlab.curricula.update.grpo import GRPO
from currlab.curricula.update.parts import Paced, worked_answers


def silent(groups: Sequence[Group]) -> list[tuple[float, ...]]:
    """No advantage for any rollout: the engines leave such rows out of forward and backward."""
    return [(0.0,) * len(group.rollouts) for group in groups]


@register
class StageOrder(Paced, FixedGroup):
    """Imitation and reinforcement in any order within one run: all stage recipes on one budget.

    `order` says which steps imitate:

    ============  =====================================================================
    sft           all of them
    rl            none
    sft_then_rl   those of the first `first` of the budget (ReFT, and most recipes since)
    rl_then_sft   those after the first `first` of the budget (the order of Metis-RISE)
    interleaved   a share `first` of all steps, evenly spread
    mixed         all: ``L = (1 - mix) L_GRPO + mix L_SFT`` in every step
    ============  =====================================================================

    A step of imitation raises the likelihood of an answer to each of the step's problems and has no
    advantages. `source` "worked" takes worked answers; "own" the problem's first right rollout where
    there is one (Metis-RISE gives own solutions for shaky problems and an expert's for failed ones;
    its thresholds are not known to us). The optimiser, its momentum included, goes on between stages.

    What a step costs. On the update dial alone a step of imitation samples all its rollouts, which
    only tell the other dials how things stand. With the same object on the sample dial it samples one
    rollout a problem, the fewest there can be, and `size` in other steps; with `source` "own" always
    `size`. The budget counts steps, or sampled tokens where the run has a `token_budget`; tokens that
    are imitated spend it, too, with `TrainingConfig.count_trained`.
    """

    name: ClassVar[str] = "stage_order"
    title: ClassVar[str] = "imitation and reinforcement in order"
    papers: ClassVar[tuple[str, ...]] = ("Metis-RISE", "ReFT")
    family: ClassVar[str] = "F11"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters(FixedGroup.Parameters, GRPO.Parameters):
        order: str = knob(
            "sft_then_rl",
            "when to imitate",
            choices=["sft", "rl", "sft_then_rl", "rl_then_sft", "interleaved", "mixed"],
        )
        first: float = knob(0.5, "share of the first stage, or of imitation steps", 0.0, 1.0)
        mix: float = knob(0.5, "share of imitation in a mixed loss", 0.0, 1.0)
        source: str = knob("worked", "which answers are imitated", choices=["worked", "own"])
        thought: bool = thought()

    @property
    def only_imitates(self) -> bool:
        """Is the coming step one of imitation alone?"""
        p, step = self.parameters, self.memory["step"]
        early = self.memory["share"] < p.first
        if p.order == "interleaved":
            # The small number heals products such as 10 * 0.7 = 7.000...1.
            return math.floor((step + 1) * p.first + 1e-9) > math.floor(step * p.first + 1e-9)
        return {"sft": True, "sft_then_rl": early, "rl_then_sft": not early}.get(p.order, False)

    def plan(self, picks: Sequence[Pick], clock: Clock) -> Plan:
        plan = super().plan(picks, clock)
        if not self.only_imitates or self.parameters.source == "own":
            return plan
        return Plan(tuple(pick.rollouts or 1 for pick in picks), plan.temperature)

    def advantages(self, groups: Sequence[Group]) -> list[tuple[float, ...]]:
        return silent(groups) if self.only_imitates else super().advantages(groups)

    def imitate(
        self, groups: Sequence[Group], catalog: Catalog, clock: Clock
    ) -> list[Demonstration]:
        if not self.only_imitates and self.parameters.order != "mixed":
            return []
        shown = worked_answers(groups, catalog, self.parameters.thought)
        if self.parameters.source == "worked":
            return shown
        own = {
            group.problem.key: rollout.text
            for group in reversed(groups)
            for rollout in reversed(group.rollouts)
            if rollout.score.correct and not rollout.view.hinted
        }
        return [Demonstration(s.problem, own.get(s.problem.key, s.text)) for s in shown]

    def weights(self, clock: Clock) -> tuple[float, float]:
        mix = self.parameters.mix
        return (1 - mix, mix) if self.parameters.order == "mixed" else (1.0, 1.0)


@register
class SASR(GRPO):
    """Every step either imitates or reinforces; the larger imitation's gradient, the likelier it is.

    Inspired by SASR (arXiv 2505.13026), whose abstract says: after a warm-up by imitation each step
    is chosen by the present norm of the imitation gradient against the warm-up's, and by the divergence
    from the start. Our formula: with G the gradient norm of the latest imitation step and G_0 the mean
    over `warm_up` steps of imitation at the start, a step imitates with the chance
    ``G / (G + gamma G_0)``. The divergence is not here. A norm is known only for steps that imitate, so
    that G is as old as the latest of them.
    """

    name: ClassVar[str] = "sasr"
    title: ClassVar[str] = "imitate while it still moves much"
    papers: ClassVar[tuple[str, ...]] = ("SASR",)
    family: ClassVar[str] = "F11"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters(GRPO.Parameters):
        warm_up: int = knob(10, "steps of imitation at the start", 1, 100000)
        gamma: float = knob(1.0, "larger: less imitation", 0.0, 1000.0)
        thought: bool = thought()

    def fresh_memory(self) -> dict[str, Any]:
        return {"imitates": True, "warm_up_norms": [], "norm": 0.0}

    @property
    def chance(self) -> float:
        """The chance that a step after the warm-up imitates."""
        norms = self.memory["warm_up_norms"]
        usual = self.parameters.gamma * sum(norms) / max(1, len(norms))
        norm = self.memory["norm"]
        return norm / (norm + usual) if norm else 0.0

    def advantages(self, groups: Sequence[Group]) -> list[tuple[float, ...]]:
        return silent(groups) if self.memory["imitates"] else super().advantages(groups)

    def imitate(
        self, groups: Sequence[Group], catalog: Catalog, clock: Clock
    ) -> list[Demonstration]:
        if not self.memory["imitates"]:
            return []
        return worked_answers(groups, catalog, self.parameters.thought)

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        if "grad_norm" not in metrics:
            return
        memory, steps = self.memory, self.parameters.warm_up
        if memory["imitates"]:
            memory["norm"] = metrics["grad_norm"]
            if len(memory["warm_up_norms"]) < steps:
                memory["warm_up_norms"] = [*memory["warm_up_norms"], memory["norm"]]
        warm = len(memory["warm_up_norms"]) >= steps
        memory["imitates"] = not warm or bool(self.rng.random() < self.chance)

    def snapshot(self) -> dict[str, Any]:
        return {"chance of imitation": self.chance if self.memory["warm_up_norms"] else 1.0}
