"""The five dials of a GRPO step, and recipes: one strategy per dial.

``select -> present -> sample -> reward -> update``, and ``observe(groups)`` back to all of them.
A strategy is a class that turns one or more dials; a `Recipe` is one object per dial (the same
object may stand in several slots). Nothing here imports torch: the same objects drive the
from-scratch loop, TRL, a simulated student and the widgets.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.data import (
    Catalog,
    Clock,
    Demonstration,
    Group,
    Pick,
    Policy,
    Rollout,
    Score,
    View,
)
from currlab.errors import CurrlabError
from currlab.tasks import Problem

DIALS = ("select", "present", "sample", "reward", "update")


# ---------------------------------------------------------------- the dials


@dataclass(frozen=True)
class NoParameters:
    """For strategies without a knob."""


class Strategy:
    """A named strategy: parameters, a seeded generator, what it has learnt, and how to save it.

    Subclass one or more of the dial classes below. `state` is "implemented" (the paper's
    algorithm), "inspired" (the abstract's idea, our formula) or "analogue" (another modality's
    idea on text); `papers` are short names of the atlas. Whatever a strategy learns lives in
    `self.memory`, a JSON-able dictionary made by `fresh_memory`, so that saving and restoring need
    no code of their own.
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

    def references(self) -> dict[str, float | str]:
        """Models that it compares the policy with, by name; the engine keeps them for it.

        A number makes a copy of the policy that keeps this share of itself in every step and takes
        the rest from the policy: 1.0 is a frozen copy. Text is the name or the folder of a model.
        """
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
    # How many times the plan's rollouts a step may keep at most. TRL needs the number beforehand.
    growth: ClassVar[int] = 1

    def plan(self, picks: Sequence[Pick], clock: Clock) -> Plan:
        raise NotImplementedError

    def after(self, groups: Sequence[Group], clock: Clock) -> tuple[list[Group], list[Pick]]:
        """The groups with `kept` flags set, and extra picks wanted before the update.

        `groups` are all groups of the step, those of every process; draw from `self.rng`.
        """
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

    # A loss of its own, or None for the engines' common GRPO loss: (LossBatch, groups) -> loss.
    objective: Callable[..., Any] | None = None
    # Whether the objective reads token entropies, which cost time.
    needs_entropies: ClassVar[bool] = False

    def advantages(self, groups: Sequence[Group]) -> list[tuple[float, ...]]:
        """For each group one advantage a rollout, in order."""
        raise NotImplementedError

    def imitate(
        self, groups: Sequence[Group], catalog: Catalog, clock: Clock
    ) -> list[Demonstration]:
        """Worked answers whose likelihood this step raises, too; drawn alike in every process."""
        return []

    def weights(self, clock: Clock) -> tuple[float, float]:
        """Factors of the reinforcement loss and of the likelihood loss on demonstrations."""
        return 1.0, 1.0

    def token_weights(self, log_probabilities: Any) -> Any:
        """Weights [rows, tokens] of the demonstrations' tokens, from their log-probabilities."""
        return None

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

    def references(self) -> dict[str, float | str]:
        """The models that any dial compares the policy with; one name means one model."""
        wanted: dict[str, float | str] = {}
        for strategy in self.strategies:
            for name, what in strategy.references().items():
                if wanted.setdefault(name, what) != what:
                    raise CurrlabError(
                        f"Two strategies want another model '{name}': {wanted[name]} and {what}."
                    )
        return wanted

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
