"""Difficulty read off the learner's own hidden states by a linear probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from currlab.curricula.data import Clock, Group, Pick, Policy
from currlab.curricula.registry import knob, register
from currlab.curricula.select.items import ItemSelect
from currlab.errors import CurrlabError
from currlab.heads import LogisticHead, curve, ridge
from currlab.tasks import Problem


@register
class DifficultyProbe(ItemSelect):
    """Fit a linear probe of difficulty to hidden states; ask what it puts nearest the target.

    Inspired by "LLMs Encode How Difficult Problems Are" (arXiv 2510.18147): linear probes find the
    difficulty that people give to a problem in a model's hidden states, and that signal stays while
    the model is reinforced; difficulty by the model's own success is harder to read and drifts. The
    paper proposes no curriculum; this one is ours.

    1. Every `every` steps read the hidden states of the last `window` problems that were asked, at
       `depth` of the layers, at the prompt's last token, and fit a probe. `label` "success": logistic
       regression of their pass rates. `label` "level": ridge regression of the levels of equally
       many problems drawn uniformly (their levels are known without asking), then a logistic curve
       from the level that is read off to the pass rates.
    2. Draw k m candidates uniformly, read them, and keep the m whose predicted pass rate is nearest
       the target. Until the first fit all are alike.

    The states are read anew at every fit, since the learner changes; all of it is paid in forwarded
    tokens, none in sampled ones.
    """

    name: ClassVar[str] = "difficulty_probe"
    title: ClassVar[str] = "a linear probe of hidden states"
    papers: ClassVar[tuple[str, ...]] = ("LLMs encode difficulty",)
    family: ClassVar[str] = "F02"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        label: str = knob("success", "what the probe is fitted to", choices=["success", "level"])
        target: float = knob(0.5, "predicted success to aim at", 0.0, 1.0)
        candidates: int = knob(4, "k: candidates for each prompt that is kept", 1, 64)
        every: int = knob(10, "steps between two fits", 1, 100_000)
        window: int = knob(256, "problems that a fit goes by, the last ones asked", 2, 100_000)
        depth: float = knob(1.0, "layer that is read: 0 the embedding, 1 the last", 0.0, 1.0)

    def __init__(self, parameters: Any = None, seed: int = 0) -> None:
        super().__init__(parameters, seed)
        self._policy: Policy | None = None  # the learner, new each step

    def fresh_memory(self) -> dict[str, Any]:
        # The last outcomes [arm, seed, pass rate]; the probe's line; predictions by arm, for plots.
        return {"recent": [], "fitted_at": None, "weights": [], "bias": 0.0, "value": {}}

    def probe(self, policy: Policy, clock: Clock) -> None:
        if not hasattr(policy, "hidden"):
            raise CurrlabError(
                "A probe reads hidden states, and this learner has none: use 'difficulty_probe' "
                "with a language model."
            )
        self._policy, memory = policy, self.memory
        last = memory["fitted_at"]
        if memory["recent"] and (last is None or clock.step >= last + self.parameters.every):
            self._fit()
            memory["fitted_at"] = clock.step

    def _fit(self) -> None:
        """The logistic line behind the last outcomes."""
        recent = self.memory["recent"]
        states = self._states([self.catalog.problem(arm, seed) for arm, seed, _ in recent])
        rates = np.array([rate for _, _, rate in recent])
        if self.parameters.label == "success":
            head = LogisticHead().fit(states, rates)
            weights, bias = head.weights, head.bias
        else:
            weights, bias = self._level_line()
            # A curve on top of a line is a logistic line again.
            head = curve(states @ weights + bias, rates)
            weights, bias = head.weights[0] * weights, head.weights[0] * bias + head.bias
        self.memory.update(weights=weights.tolist(), bias=float(bias))

    def _level_line(self) -> tuple[np.ndarray, float]:
        """Weights and bias that read the level off a state."""
        drawn = self.candidates(self.parameters.window)
        problems = [self.catalog.problem(pick.arm, pick.seed) for pick in drawn]
        return ridge(self._states(problems), np.array([p.level for p in problems], dtype=float))

    def _states(self, problems: Sequence[Problem]) -> np.ndarray:
        """Hidden states of the problems' prompts at the layer that is read, [problems, size]."""
        states = self._policy.hidden([problem.prompt for problem in problems])
        return states[:, round(self.parameters.depth * (states.shape[1] - 1))]

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        if not self.memory["weights"]:
            return self.candidates(n)
        candidates = self.candidates(n * self.parameters.candidates)
        problems = [self.catalog.problem(pick.arm, pick.seed) for pick in candidates]
        values = expit(self._states(problems) @ self.memory["weights"] + self.memory["bias"])
        arms = np.array([pick.arm for pick in candidates])
        self.memory["value"] = {
            str(arm): float(values[arms == arm].mean()) for arm in dict.fromkeys(arms)
        }
        # The candidates are in random order, so a stable sort breaks ties at random.
        nearest = np.argsort(np.abs(values - self.parameters.target), kind="stable")[:n]
        return [candidates[i] for i in nearest]

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        rows = [
            [group.arm, group.problem.seed, group.pass_rate]
            for group in groups
            if not group.hinted and self.item_of(group) is not None
        ]
        self.memory["recent"] = (self.memory["recent"] + rows)[-self.parameters.window :]

    def snapshot(self) -> dict[str, Any]:
        return {"value": dict(self.memory["value"])} if self.memory["value"] else {}
