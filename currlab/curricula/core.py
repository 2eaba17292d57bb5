"""The five dials of a GRPO step, and the plain data that flows between them.

``select -> present -> sample -> reward -> update``, and ``observe(groups)`` back to all of them.
A strategy is a class that turns one or more dials; a `Recipe` is one object per dial (the same
object may stand in several slots). Nothing here imports torch: the same objects drive the
from-scratch loop, TRL, a simulated student and the widgets.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from currlab.errors import CurrlabError
from currlab.tasks import Key, Problem, Task, get_task

DIALS = ("select", "present", "sample", "reward", "update")
# Rewards closer than this are equal: exact-zero variance tests fail on floats.
EQUAL_REWARDS = 1e-6


# ---------------------------------------------------------------- what flows through a step


@dataclass(frozen=True)
class Clock:
    """Where the run stands: optimiser step, share of the budget spent (0 to 1), tokens generated."""

    step: int = 0
    share: float = 0.0
    tokens: int = 0


@dataclass(frozen=True)
class Pick:
    """What select asks for: a problem of this arm.

    `seed` None means a fresh problem. `view` holds wishes to the present dial. An extra pick (made
    by the sample dial) names its `parent`; with `merge` its rollouts join the parent's group.
    """

    arm: str
    seed: int | None = None
    view: Mapping[str, Any] = field(default_factory=dict)
    rollouts: int | None = None
    parent: Key | None = None
    merge: bool = False


@dataclass(frozen=True)
class View:
    """How one problem is shown: the prompt that generation sees and a forced start of the answer.

    `train_prompt` is what the update conditions on when it differs from `prompt`. `prefix_credit`
    says which prefix tokens take part in the policy loss: "none", "all", or the share of them with
    the highest entropy. `prefix_nll` weighs a likelihood term on the prefix.
    """

    prompt: str
    prefix: str = ""
    train_prompt: str | None = None
    prefix_credit: str | float = "none"
    prefix_nll: float = 0.0


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
        """True if any rollout was given part of the answer or another prompt than it trains on."""
        return any(r.view.prefix or r.view.train_prompt is not None for r in self.rollouts)

    @property
    def informative(self) -> bool:
        """False if all rewards are equal: such a group has zero advantage and teaches nothing."""
        return max(self.rewards) - min(self.rewards) > EQUAL_REWARDS


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


# ---------------------------------------------------------------- the dials


@dataclass(frozen=True)
class NoParameters:
    """For strategies without a knob."""


class Strategy:
    """A named strategy: parameters, a seeded generator, what it has learnt, and how to save it.

    Subclass one or more of the dial classes below. `state` is "implemented" (the paper's
    algorithm), "inspired" (the abstract's idea, our formula) or "analogue" (another modality's
    idea on text); `papers` are short names of the atlas. Whatever a strategy learns lives in `self.memory`, a JSON-able dictionary made
    by `fresh_memory`, so that saving and restoring need no code of their own.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    papers: ClassVar[tuple[str, ...]] = ()
    family: ClassVar[str] = ""
    state: ClassVar[str] = "implemented"
    Parameters: ClassVar[type] = NoParameters

    def __init__(self, parameters: Any = None, seed: int = 0) -> None:
        self.parameters = self.Parameters() if parameters is None else parameters
        self.seed = seed
        # The name keeps two dials with one seed from drawing the same numbers.
        self.rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        self.memory: dict[str, Any] = self.fresh_memory()

    def local_rng(self, problem: Problem, clock: Clock) -> np.random.Generator:
        """A generator for one problem at one step, for draws inside `show` and `score`.

        Those two see only the problems of their own process; drawing from `self.rng` there would
        let the processes of a distributed run drift apart.
        """
        return np.random.default_rng([self.seed, clock.step, problem.level, abs(problem.seed)])

    def fresh_memory(self) -> dict[str, Any]:
        """What the strategy remembers at the start; numbers, strings, lists and dictionaries."""
        return {}

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        """Learn from the groups of the step that just ended (training groups only, all ranks)."""

    def snapshot(self) -> dict[str, Any]:
        """Numbers worth plotting, by name; nested dictionaries are keyed by arm."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on exactly where this object stands, as JSON-able values."""
        return {
            "name": self.name,
            "parameters": asdict(self.parameters),
            "rng": self.rng.bit_generator.state,
            "memory": json.loads(json.dumps(self.memory)),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state.get("name") != self.name:
            raise CurrlabError(
                f"Saved state belongs to strategy {state.get('name')!r}, not to '{self.name}'."
            )
        self.parameters = self.Parameters(**state["parameters"])
        self.rng.bit_generator.state = state["rng"]
        self.memory = json.loads(json.dumps(state["memory"]))


class Select(Strategy):
    """Which problem comes next?"""

    catalog: Catalog

    def bind(self, catalog: Catalog) -> None:
        """Called once, before anything else, with what can be picked."""
        self.catalog = catalog

    def probe(self, policy: Policy, clock: Clock) -> None:
        """Called before every `choose`, for strategies that ask the learner something first.

        What they ask is not trained on, and its tokens count into the run's cost. Every process
        of a distributed run probes alike, so draws from `self.rng` are allowed here.
        """

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        """The next `n` problems."""
        raise NotImplementedError


class ArmSelect(Select):
    """A select strategy that draws arms independently from a distribution; problems are fresh."""

    def probabilities(self, clock: Clock) -> dict[str, float]:
        """The chance of each arm of the catalog now; sums to 1."""
        raise NotImplementedError

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        chances = self.probabilities(clock)
        weights = np.array([chances[arm] for arm in self.catalog.arms])
        drawn = self.rng.choice(len(weights), size=n, p=weights / weights.sum())
        return [Pick(self.catalog.arms[i]) for i in drawn]


class Present(Strategy):
    """How is the problem shown?"""

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View | list[View]:
        """One view for the whole group, or `n` of them, one a rollout."""
        raise NotImplementedError


@dataclass(frozen=True)
class Plan:
    """How each pick is sampled: rollouts per pick (in the picks' order) and the temperature."""

    rollouts: tuple[int, ...]
    temperature: float


class Sample(Strategy):
    """How many rollouts, how hot, and is that enough?"""

    # Rounds of extra picks after the first; 0 means that `after` can only drop rollouts.
    max_rounds: ClassVar[int] = 0

    def plan(self, picks: Sequence[Pick], clock: Clock) -> Plan:
        raise NotImplementedError

    def after(self, groups: Sequence[Group], clock: Clock) -> tuple[list[Group], list[Pick]]:
        """The groups with `kept` flags set, and extra picks wanted before the update."""
        return list(groups), []


class Reward(Strategy):
    """What earns credit?"""

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        """One score a rollout; the whole group at once, so that votes and diversity fit."""
        raise NotImplementedError


class Update(Strategy):
    """Which signal moves the weights?"""

    # A loss of its own, or None for the engines' common GRPO loss:
    # (log_probabilities, old_log_probabilities, advantages, mask, groups) -> loss.
    objective: Callable[..., Any] | None = None

    def advantages(self, groups: Sequence[Group]) -> list[tuple[float, ...]]:
        """For each group one advantage a rollout, in order."""
        raise NotImplementedError

    def trainer_settings(self) -> dict[str, Any]:
        """Settings of TRL's `GRPOConfig` that make it compute the same loss."""
        return {}


# ---------------------------------------------------------------- recipes


@dataclass(frozen=True)
class Recipe:
    """One strategy per dial: what a paper amounts to. Slots may share one object."""

    select: Select
    present: Present
    sample: Sample
    reward: Reward
    update: Update
    name: str = ""

    def __post_init__(self) -> None:
        for dial, kind in zip(DIALS, (Select, Present, Sample, Reward, Update), strict=True):
            if not isinstance(getattr(self, dial), kind):
                got = type(getattr(self, dial)).__name__
                raise CurrlabError(f"The {dial} dial needs a {kind.__name__} strategy, not {got}.")

    @property
    def strategies(self) -> list[Strategy]:
        """The different objects, in dial order: an object in two slots is observed once."""
        unique: dict[int, Strategy] = {}
        for dial in DIALS:
            strategy = getattr(self, dial)
            unique.setdefault(id(strategy), strategy)
        return list(unique.values())

    def with_dial(self, dial: str, strategy: Strategy) -> Recipe:
        """The same recipe with another strategy on one dial."""
        return replace(self, **{dial: strategy})

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        for strategy in self.strategies:
            strategy.observe(groups, metrics)

    def snapshot(self) -> dict[str, Any]:
        """The numbers of every dial that has some, by the strategy's name."""
        shots = {strategy.name: strategy.snapshot() for strategy in self.strategies}
        return {name: shot for name, shot in shots.items() if shot}

    def state_dict(self) -> dict[str, Any]:
        return {dial: getattr(self, dial).state_dict() for dial in DIALS}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for dial in DIALS:
            getattr(self, dial).load_state_dict(state[dial])

    def describe(self) -> dict[str, Any]:
        """Names, parameters and seeds, enough to build the recipe again."""
        return {
            f.name: {
                "strategy": getattr(self, f.name).name,
                "parameters": asdict(getattr(self, f.name).parameters),
                "seed": getattr(self, f.name).seed,
            }
            for f in fields(self)
            if f.name in DIALS
        }
