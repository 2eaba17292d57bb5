"""Groups whose rollouts all earned the same teach nothing: drop them, or sample others instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.data import ANY_ARM, Clock, Group, Pick
from currlab.curricula.registry import knob, register
from currlab.curricula.sample.fixed import FixedGroup


def dropped(group: Group) -> Group:
    """The group without a rollout in the update; `observe` still sees all of it."""
    return replace(group, rollouts=tuple(replace(r, kept=False) for r in group.rollouts))


@register
class VarianceFilter(FixedGroup):
    """Leave groups out whose rewards vary too little, and go on with a smaller batch.

    A group is kept if the standard deviation of its rewards (over n) is at least `least`. The papers
    filter by rollouts and give no rule in what could be read of them; the threshold is ours. At 0 only
    groups of equal rewards go, which have no advantage anyway: it shows that leaving them out changes
    the loss's average and nothing else.
    """

    name: ClassVar[str] = "variance_filter"
    title: ClassVar[str] = "only groups whose rewards vary"
    papers: ClassVar[tuple[str, ...]] = (
        "Temporal-R1",
        "RFT mitigates forgetting",
        "Multi-image grounding",
    )
    family: ClassVar[str] = "F02"
    state: ClassVar[str] = "analogue"

    @dataclass(frozen=True)
    class Parameters(FixedGroup.Parameters):
        least: float = knob(0.3, "standard deviation of the rewards a group needs", 0.0, 0.5)

    def fresh_memory(self) -> dict[str, Any]:
        return {"kept": 1.0}

    def after(self, groups: Sequence[Group], clock: Clock) -> tuple[list[Group], list[Pick]]:
        least = self.parameters.least
        keep = [g.informative and np.std(g.rewards) >= least for g in groups]
        self.memory["kept"] = float(np.mean(keep)) if keep else 1.0
        return [g if k else dropped(g) for g, k in zip(groups, keep, strict=True)], []

    def snapshot(self) -> dict[str, Any]:
        return {"share of groups kept": self.memory["kept"]}


@register
class DynamicSampling(FixedGroup):
    """DAPO's dynamic sampling: replace groups of equal rewards until the batch is full.

    Every group without variance is dropped and another problem, of the select strategy's choice, is
    sampled in its place, at most `refills` times; what is then missing stays missing. (The reference
    code raises after its last refill. DAPO, arXiv 2503.14476, section 3.2; its scripts generate three
    times the batch and refill up to ten times.) All tokens count into the cost, those of dropped groups
    too. The number of groups in an update is then the same in every step, and so is the share of
    problems that select asked for among those that teach.
    """

    name: ClassVar[str] = "dynamic_sampling"
    title: ClassVar[str] = "refill until every group teaches"
    family: ClassVar[str] = "F02"

    @dataclass(frozen=True)
    class Parameters(FixedGroup.Parameters):
        refills: int = knob(4, "rounds of new problems in place of dropped ones", 0, 10, paper=9)

    def fresh_memory(self) -> dict[str, Any]:
        return {"informative": 1.0, "full": 1.0, "rounds": 1.0}

    @property
    def max_rounds(self) -> int:
        return self.parameters.refills

    def after(self, groups: Sequence[Group], clock: Clock) -> tuple[list[Group], list[Pick]]:
        """Refills name the group that they replace as their parent; the first round has none."""
        wanted = sum(group.pick.parent is None for group in groups)
        teaching = [i for i, group in enumerate(groups) if group.informative]
        kept = set(teaching[:wanted])
        self.memory = {
            "informative": len(teaching) / max(1, len(groups)),
            "full": len(kept) / max(1, wanted),
            "rounds": len(groups) / max(1, wanted),
        }
        silent = [i for i, group in enumerate(groups) if not group.informative]
        refills = [Pick(ANY_ARM, parent=i) for i in silent[: wanted - len(kept)]]
        return [g if i in kept else dropped(g) for i, g in enumerate(groups)], refills

    def snapshot(self) -> dict[str, Any]:
        return {
            "share of groups that teach": self.memory["informative"],
            "share of the batch filled": self.memory["full"],
            "groups sampled for each wanted": self.memory["rounds"],
        }
