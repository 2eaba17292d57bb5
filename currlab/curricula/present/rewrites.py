"""Other words for the same question: hard ones made simpler, medium ones varied, notes added."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from currlab.curricula.core import Present
from currlab.curricula.data import Clock, Group, Pick, View
from currlab.curricula.present.hints import cosine
from currlab.curricula.registry import knob, register
from currlab.curricula.sample.filters import dropped
from currlab.curricula.sample.fixed import FixedGroup
from currlab.tasks import Problem, get_task
from currlab.tasks.text import HIDDEN
from currlab.tasks.variants import Variant, reworded, simpler

SIMPLIFY, DIVERSIFY = "simplify", "diversify"


@register
class CLPORewrites(Present, FixedGroup):
    """CLPO: hard problems are asked again in a simpler form, medium ones in other words.

    1. A problem is hard if at most `hard_up_to` of its rollouts are right, medium up to
       `medium_up_to`, else easy.
    2. A hard one is rewritten to a simpler problem with the same answer, a medium one to another
       wording; `mode` says which. The rewrites are rolled out as groups of their own.
    3. Trained on are the groups, original or rewritten, with right and wrong rollouts; if there is
       none, all.

    (CLPO, arXiv 2509.25004; thresholds and rules from its code.) The policy itself rewrites there,
    the answer in view; a tiny model cannot, so the task does, and the answer is kept by construction.
    Name it on both dials.
    """

    name: ClassVar[str] = "clpo_rewrites"
    title: ClassVar[str] = "CLPO: hard ones simpler, medium ones varied"
    papers: ClassVar[tuple[str, ...]] = ("CLPO",)
    family: ClassVar[str] = "F03"
    max_rounds: ClassVar[int] = 1
    growth: ClassVar[int] = 2

    @dataclass(frozen=True)
    class Parameters(FixedGroup.Parameters):
        hard_up_to: float = knob(0.3, "highest pass rate of a hard problem", 0.0, 1.0, paper=0.3)
        medium_up_to: float = knob(0.7, "highest pass rate of a medium one", 0.0, 1.0, paper=0.7)
        mode: str = knob(
            "both", "what is rewritten", choices=["both", "hard_only", "medium_only"], paper="both"
        )
        share: float = knob(0.5, "share of the work that a simpler problem has done", 0.0, 1.0)

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        if not (prompt := pick.view.get("prompt")):
            return View(problem.prompt)
        kind = pick.view["rewrite"]
        return View(prompt, kind=kind, easier=kind == SIMPLIFY)

    def after(self, groups: Sequence[Group], clock: Clock) -> tuple[list[Group], list[Pick]]:
        extra = []
        # Rewrites come once: as soon as there is one, this is the round after.
        if all(group.pick.parent is None for group in groups):
            for i, group in enumerate(groups):
                kind = self.wanted(group.pass_rate)
                if rewrite := kind and self.rewrite(group.problem, kind):
                    wish = {"rewrite": kind, "prompt": rewrite.prompt}
                    extra.append(replace(group.pick, view=wish, parent=i))
        useful = [group.informative for group in groups]
        if not any(useful):
            return list(groups), extra
        return [g if ok else dropped(g) for g, ok in zip(groups, useful, strict=True)], extra

    def wanted(self, pass_rate: float) -> str:
        """How a problem of this pass rate is to be rewritten; "" if it is not."""
        p = self.parameters
        if pass_rate <= p.hard_up_to:
            return SIMPLIFY if p.mode != "medium_only" else ""
        return DIVERSIFY if pass_rate <= p.medium_up_to and p.mode != "hard_only" else ""

    def rewrite(self, problem: Problem, kind: str) -> Variant | None:
        """The rewritten problem; None if the task has none for it."""
        task, rng = get_task(problem.task), random.Random(int(self.rng.integers(2**62)))
        if kind == SIMPLIFY:
            return simpler(task, problem, self.parameters.share, rng)
        return reworded(task, problem, rng)


@register
class SubgoalNotes(Present):
    """Subgoals in the prompt, in training only: some characters of the answer, evenly spaced.

    An analogue of Words as Beacons (arXiv 2410.08632), where a language model names subgoals for an
    agent, and of Metacognitive Reuse (arXiv 2509.13237), where notes on steps that return are given as
    hints. A group gets notes with a chance that falls from `chance` to 0 as a cosine while
    ``share < until``. `credit` "unguided": the update conditions on the prompt without notes, as if
    the model had not seen them; "guided": on the prompt with them. The model must have learnt to read
    an answer with blanks.
    """

    name: ClassVar[str] = "subgoal_notes"
    title: ClassVar[str] = "subgoals in the prompt, for a while"
    papers: ClassVar[tuple[str, ...]] = ("Words as Beacons", "Metacognitive Reuse")
    family: ClassVar[str] = "F04"
    state: ClassVar[str] = "analogue"

    @dataclass(frozen=True)
    class Parameters:
        goals: int = knob(3, "characters of the answer that are told", 1, 100)
        chance: float = knob(1.0, "chance of notes at the start", 0.0, 1.0)
        until: float = knob(0.6, "share of the budget with notes", 0.0, 1.0)
        credit: str = knob(
            "unguided", "prompt that the update conditions on", choices=["unguided", "guided"]
        )

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        p = self.parameters
        chance = cosine(clock.share, p.until, 0.0, p.chance)
        if self.local_rng(problem, clock).random() >= chance:
            return View(problem.prompt)
        noted = f"{problem.prompt}\nfill in: {waypoints(problem.answer, p.goals)}"
        unguided = problem.prompt if p.credit == "unguided" else None
        return View(noted, train_prompt=unguided, kind="notes", easier=True)


def waypoints(answer: str, goals: int) -> str:
    """`goals` evenly spaced characters of the answer, blanks for the others; the last is told.

    >>> waypoints("012345", 2)
    '__2__5'
    """
    goals = min(goals, len(answer))
    told = {round((i + 1) * len(answer) / goals) - 1 for i in range(goals)}
    return "".join(c if i in told or c.isspace() else HIDDEN for i, c in enumerate(answer))
