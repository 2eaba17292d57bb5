"""What flows through a GRPO step: picks, views, rollouts, scores and groups; and what can be picked.

Plain data, without torch: the from-scratch loop, TRL, a simulated student and the widgets share it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from currlab.errors import CurrlabError
from currlab.tasks import Problem, Task, get_task

# The arm of an extra pick that leaves the problem to the select strategy.
ANY_ARM = ""
# Rewards closer than this are equal: exact-zero variance tests fail on floats.
EQUAL_REWARDS = 1e-6


@dataclass(frozen=True)
class Clock:
    """Where the run stands: optimiser step, share of the budget spent (0 to 1), tokens spent."""

    step: int = 0
    share: float = 0.0
    tokens: int = 0


@dataclass(frozen=True)
class Pick:
    """What select asks for: a problem of this arm.

    `seed` None means a fresh problem. `view` holds wishes to the present dial. An extra pick (made
    by the sample dial) names its `parent`, the place of a group among the step's groups; with
    `merge` its rollouts join that group, else they make a group of their own, and with `ANY_ARM` the
    select strategy chooses its problem.
    """

    arm: str
    seed: int | None = None
    view: Mapping[str, Any] = field(default_factory=dict)
    rollouts: int | None = None
    parent: int | None = None
    merge: bool = False


@dataclass(frozen=True)
class View:
    """How one problem is shown: the prompt that generation sees and a forced start of the answer.

    `train_prompt` is what the update conditions on when it differs from `prompt`. `prefix_credit`
    says which prefix tokens take part in the policy loss: "none", "all", or the share of them with
    the highest entropy. `prefix_nll` weighs a likelihood term on the prefix. `answer` is what counts
    as right where it is not the problem's own answer (None: the task verifies). `kind` names the form
    for logs and for the strategy that made it; `easier` says that passing this view is no proof of
    passing the plain one.
    """

    prompt: str
    prefix: str = ""
    train_prompt: str | None = None
    prefix_credit: str | float = "none"
    prefix_nll: float = 0.0
    answer: str | None = None
    kind: str = "plain"
    easier: bool = False

    @property
    def hinted(self) -> bool:
        """True if it gives part of the answer away, or is easier to answer than the plain problem."""
        changed = self.train_prompt is not None or self.answer is not None
        return bool(self.prefix) or changed or self.easier

    @property
    def trained_prompt(self) -> str:
        """The prompt that the update conditions on."""
        return self.prompt if self.train_prompt is None else self.train_prompt

    def wanted(self, problem: Problem) -> str:
        """A right answer to the problem in this view."""
        return problem.answer if self.answer is None else self.answer


@dataclass(frozen=True)
class Score:
    """A rollout's reward (`total`), whether it is verifiably `correct`, and the reward's parts."""

    total: float
    correct: bool
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Rollout:
    """One completion. `token_ids` hold the forced prefix (its first `prefix_len` ids) and the rest.

    `entropy` is the mean token entropy of the sampled part, in nats; `temperature` is what it was
    sampled at.
    """

    view: View
    text: str
    token_ids: tuple[int, ...]
    prefix_len: int = 0
    score: Score = Score(0.0, False)
    entropy: float = 0.0
    kept: bool = True
    temperature: float = 1.0


@dataclass(frozen=True)
class Group:
    """All rollouts of one problem at one optimiser step, and the advantages the update used."""

    problem: Problem
    pick: Pick
    rollouts: tuple[Rollout, ...]
    step: int
    advantages: tuple[float, ...] | None = None

    @property
    def arm(self) -> str:
        return self.pick.arm

    @property
    def rewards(self) -> tuple[float, ...]:
        return tuple(r.score.total for r in self.rollouts)

    @property
    def correct(self) -> tuple[bool, ...]:
        return tuple(r.score.correct for r in self.rollouts)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Sampled tokens of each rollout, the forced prefix not counted."""
        return tuple(len(r.token_ids) - r.prefix_len for r in self.rollouts)

    @property
    def pass_rate(self) -> float:
        """Share of correct rollouts: never a reward, so no bonus can pose as ability."""
        return sum(self.correct) / len(self.correct)

    @property
    def hinted(self) -> bool:
        """True if any rollout was helped: then the pass rate is not the plain problem's."""
        return any(rollout.view.hinted for rollout in self.rollouts)

    @property
    def informative(self) -> bool:
        """False if all rewards are equal: such a group has zero advantage and teaches nothing."""
        return max(self.rewards) - min(self.rewards) > EQUAL_REWARDS


@dataclass(frozen=True)
class Demonstration:
    """A worked answer to a problem that the update imitates; `weight` scales its likelihood term."""

    problem: Problem
    text: str
    weight: float = 1.0


class Policy(Protocol):
    """The learner as the dials may see it; every token it generates is counted into the cost."""

    def generate(
        self, views: Sequence[View], seeds: Sequence[int], temperature: float
    ) -> list[Rollout]:
        """One unscored rollout a view; row i depends on (view i, seed i) only. Greedy at 0."""
        ...


@dataclass(frozen=True)
class Catalog:
    """What can be picked: arms from easy to hard within each task, and the problems behind them.

    `pool` fixes the problems to seeds 0..pool-1 of each arm; None means fresh problems for ever.
    """

    arms: tuple[str, ...]
    pool: int | None = None

    def __post_init__(self) -> None:
        if not self.arms:
            raise CurrlabError("A catalog needs at least one arm, such as 'sorting/1'.")
        if len(set(self.arms)) < len(self.arms):
            raise CurrlabError(f"Arms must differ from each other; got {', '.join(self.arms)}.")
        for arm in self.arms:
            self.level(arm)

    @classmethod
    def of(cls, levels: Mapping[str, Sequence[int]], pool: int | None = None) -> Catalog:
        """A catalog of task names and their levels: ``Catalog.of({"sorting": range(1, 13)})``."""
        return cls(tuple(f"{task}/{level}" for task in levels for level in levels[task]), pool)

    def task(self, arm: str) -> Task:
        return get_task(arm.rpartition("/")[0])

    def level(self, arm: str) -> int:
        name, _, level = arm.rpartition("/")
        if not level.isdecimal() or int(level) not in (task := get_task(name)).levels:
            allowed = f"1 to {task.max_level}" if level.isdecimal() else "whole numbers"
            raise CurrlabError(f"Arm '{arm}' has no such level; levels of '{name}' are {allowed}.")
        return int(level)

    def problem(self, arm: str, seed: int) -> Problem:
        return self.task(arm).make(self.level(arm), seed)

    def worked(self, problem: Problem, thought: bool = False) -> str:
        """A worked solution of the problem as the model should write it."""
        return get_task(problem.task).completion(problem, thought)
