"""Growing context: the facts that a question needs at first, those that do not matter later.

A prompt of the task `lookup` falls into facts that are needed and others. Strategies here leave some
of the others out for a while; what is evaluated is always the whole prompt. A prompt of any other
task has no part that could go, and is shown as it is. A view with facts left out is `easier`: who
passes it has not yet passed the whole question.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from currlab.curricula.core import Present
from currlab.curricula.data import Clock, Group, Pick, View
from currlab.curricula.ladder import promoted
from currlab.curricula.present.facts import counted, in_context, others
from currlab.curricula.registry import knob, register
from currlab.tasks import Problem

# ---------------------------------------------------------------- by the budget


@register
class ContextGrowth(Present):
    """The context grows in phases of equal shares of the budget; in the last one it is whole.

    Inspired by QwenLong-L1 (arXiv 2505.17667), whose two phases take inputs of up to 20,000 and up to
    60,000 tokens. In phase k = 0 .. P - 1 a question keeps
    ``floor((first + (1 - first) k / (P - 1)) D)`` of the D facts that it does not need. There each
    phase has its own documents; here one question is shown with more and more of its facts. The
    hardest of the earlier phases are carried along by `retrospective` on the select dial.
    """

    name: ClassVar[str] = "context_growth"
    title: ClassVar[str] = "more facts in every phase"
    papers: ClassVar[tuple[str, ...]] = ("QwenLong-L1",)
    family: ClassVar[str] = "F05"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        phases: int = knob(2, "phases, of equal shares of the budget", 2, 100, paper=2)
        first: float = knob(1 / 3, "share of the other facts in the first phase", 0.0, 1.0)

    def kept(self, clock: Clock) -> float:
        """The share of the other facts that is shown now."""
        first, last = self.parameters.first, self.parameters.phases - 1
        phase = min(counted(clock.share, last + 1), last)
        return first + (1 - first) * phase / last

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        return in_context(problem, counted(self.kept(clock), others(problem)))


@register
class DistractorLevels(Present):
    """RAG-RL's levels as what they are there: numbers of distracting passages, here of facts.

    Inspired by RAG-RL (arXiv 2503.12759). Level l of K = `levels` shows ``floor((l - 1) / (K - 1) D)``
    of a question's D facts that do not matter: none at level 1, all at level K. With s the share of
    the budget, `order` "max" shows K, "linear" ``ceil(K s)``, at least 1, "min_max" 1 while s <= 1/2
    and then K. With `shuffled` every problem takes a random s. The select strategy `rag_rl` goes by
    the same orders through the levels of any task.
    """

    name: ClassVar[str] = "distractor_levels"
    title: ClassVar[str] = "RAG-RL: levels of distracting facts"
    papers: ClassVar[tuple[str, ...]] = ("RAG-RL",)
    family: ClassVar[str] = "F05"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        order: str = knob("min_max", "which level is due", choices=["max", "linear", "min_max"])
        levels: int = knob(5, "K: levels from no distracting fact to all", 2, 100)
        shuffled: bool = knob(False, "the control: the same levels in random order")

    def level(self, share: float) -> int:
        """The level that is due."""
        k = self.parameters.levels
        if self.parameters.order == "linear":
            return max(1, math.ceil(k * share - 1e-9))
        return 1 if self.parameters.order == "min_max" and share <= 0.5 else k

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        at_random = self.parameters.shuffled
        share = float(self.local_rng(problem, clock).random()) if at_random else clock.share
        kept = (self.level(share) - 1) / (self.parameters.levels - 1)
        return in_context(problem, counted(kept, others(problem)))


# ---------------------------------------------------------------- by success


@register
class WikiR1(Present):
    """The retriever brings one distracting fact more whenever the learner has got good enough.

    At gap level g < G a question comes with the facts that it needs and the g others that a retriever
    finds nearest; at level G it is whole. All problems share one level, which rises once the mean
    success of the last `window` groups exceeds `threshold`; the window is then empty again, and the
    level never falls (Wiki-R1, arXiv 2603.05256, on questions about pictures). There level g counts the
    needed passage, and at the last level the retriever is free to miss it; a question without the
    facts that it needs has no right answer here, so that this is left out. How it draws problems is
    `label_propagation` on the select dial.
    """

    name: ClassVar[str] = "wiki_r1"
    title: ClassVar[str] = "Wiki-R1: a distracting fact more by success"
    papers: ClassVar[tuple[str, ...]] = ("Wiki-R1",)
    family: ClassVar[str] = "F05"
    state: ClassVar[str] = "analogue"

    @dataclass(frozen=True)
    class Parameters:
        levels: int = knob(6, "G: the gap level at which questions are whole", 1, 50, paper=6)
        threshold: float = knob(0.55, "success that must be exceeded", 0.0, 1.0, paper=0.55)
        window: int = knob(64, "groups that the success is averaged over", 1, 10_000, paper=300)

    def fresh_memory(self) -> dict[str, Any]:
        return {"gap": 0, "recent": []}

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        gap = self.memory["gap"]
        if gap >= self.parameters.levels or not others(problem):
            return View(problem.prompt)
        return in_context(problem, gap, _gap(gap), nearest=True)

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        memory, p = self.memory, self.parameters
        for group in groups:
            # A group that was shown before the level rose does not count.
            if group.rollouts[0].view.kind != _gap(memory["gap"]):
                continue
            up, memory["recent"] = promoted(
                memory["recent"], group.pass_rate, p.window, p.threshold
            )
            memory["gap"] += up

    def snapshot(self) -> dict[str, Any]:
        return {"gap level": self.memory["gap"]}


def _gap(level: int) -> str:
    return f"gap {level}"


@register
class InputRelief(Present):
    """Hard arms come with part of their irrelevant facts hidden; less and less is hidden.

    An analogue of VideoTG-R1 (arXiv 2510.23397), which hides part of the videos that a first test found
    hard, by training step; its abstract gives no formula, and this one is ours. An arm is judged once,
    by its first `tries` rollouts of whole questions: it is hard if less than `hard` of them are right.
    Of a hard arm's D facts that do not matter, ``floor(most (1 - share / until) D)`` are hidden. The
    paper's other half, leaving out items with doubtful labels, has no use where every answer is
    verified.
    """

    name: ClassVar[str] = "input_relief"
    title: ClassVar[str] = "less to search, for hard arms, at first"
    papers: ClassVar[tuple[str, ...]] = ("VideoTG-R1",)
    family: ClassVar[str] = "F05"
    state: ClassVar[str] = "analogue"

    @dataclass(frozen=True)
    class Parameters:
        hard: float = knob(0.25, "success of an arm that counts as hard lies below this", 0.0, 1.0)
        tries: int = knob(32, "rollouts of whole questions that an arm is judged by", 1, 10_000)
        most: float = knob(1.0, "share of the other facts that is hidden at the start", 0.0, 1.0)
        until: float = knob(0.7, "share of the budget after which nothing is hidden", 0.01, 1.0)

    def fresh_memory(self) -> dict[str, Any]:
        # Rollouts that were right, and rollouts, of every arm until it is judged.
        return {"right": {}, "tries": {}}

    def hard(self, arm: str) -> bool:
        tries = self.memory["tries"].get(arm, 0)
        judged = tries >= self.parameters.tries
        return judged and self.memory["right"][arm] / tries < self.parameters.hard

    def hidden(self, clock: Clock) -> float:
        """The share of a hard arm's other facts that is hidden now."""
        return self.parameters.most * max(0.0, 1 - clock.share / self.parameters.until)

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        if not self.hard(problem.arm):
            return View(problem.prompt)
        whole = others(problem)
        return in_context(problem, whole - counted(self.hidden(clock), whole), "relief")

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        right, tries = self.memory["right"], self.memory["tries"]
        for group in groups:
            if not group.hinted and tries.get(group.arm, 0) < self.parameters.tries:
                right[group.arm] = right.get(group.arm, 0) + sum(group.correct)
                tries[group.arm] = tries.get(group.arm, 0) + len(group.correct)

    def snapshot(self) -> dict[str, Any]:
        return {"hard": {arm: float(self.hard(arm)) for arm in self.memory["tries"]}}
