"""What several update strategies are made of: worked answers, the run's place, groups as rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from currlab.curricula.data import Catalog, Demonstration, Group, Rollout
from currlab.curricula.update.grpo import GRPO


def worked_answers(
    groups: Sequence[Group], catalog: Catalog, thought: bool, weight: float = 1.0
) -> list[Demonstration]:
    """One worked answer to each different problem of the groups, in order."""
    problems = {group.problem.key: group.problem for group in groups}
    return [Demonstration(p, catalog.worked(p, thought), weight) for p in problems.values()]


def each_row(groups: Sequence[Group], value: Callable[[Group, Rollout], float]) -> list[float]:
    """`value` of every kept rollout: one number for each row of a `LossBatch`, in its order."""
    return [value(group, r) for group in groups for r in group.rollouts if r.kept]


class Paced(GRPO):
    """GRPO that remembers where the run stands, for hooks that are not given a clock.

    `step` is the number of steps that are over and `share` the share of the budget spent by then:
    what the clock of the coming step says.
    """

    def fresh_memory(self) -> dict[str, Any]:
        return {"step": 0, "share": 0.0}

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        self.memory |= {name: metrics[name] for name in ("step", "share") if name in metrics}
