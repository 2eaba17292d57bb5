"""Explaining a known answer: who cannot find a solution may still see why one is right.

A completion that was written with the answer in view is credited as one to the plain question: its
view's `train_prompt` is the plain prompt, and the old log-probabilities are computed under it. Kept
from the guided prompt, the ratio would be ``exp(log p(y | x) - log p(y | x, guide))``: next to 0 for
just the answers that are to be learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from currlab.curricula.core import Present
from currlab.curricula.data import Clock, Group, Pick, View
from currlab.curricula.present.hints import ByPassRate, rate, thought
from currlab.curricula.registry import knob, register
from currlab.curricula.sample.filters import dropped
from currlab.curricula.sample.fixed import FixedGroup
from currlab.tasks import Problem, get_task
from currlab.tasks.base import CLOSE, END_THINK, OPEN, THINK
from currlab.tasks.variants import chunks, told


def guided(problem: Problem, solution: bool = False) -> View:
    """A look at the problem with its answer in the prompt, credited as a look without."""
    shown = told(get_task(problem.task), problem, solution)
    return View(shown.prompt, train_prompt=problem.prompt, kind="guided")


def unsolved(groups: Sequence[Group]) -> list[int]:
    """The places of plain groups without a right answer, of which nothing more was asked yet."""
    followed = {group.pick.parent for group in groups}
    return [
        i
        for i, group in enumerate(groups)
        if group.pick.parent is None
        and i not in followed
        and not (any(group.correct) or group.hinted)
    ]


@register
class EGSR(Present, FixedGroup):
    """Expert-guided self-reformulation: where all rollouts fail, retell the expert's solution.

    A group without a right answer is asked `guided` times more with the expert's answer in the prompt,
    or with its solution and answer, and these completions join the group: what the policy wrote in
    its own words is likelier under it than the expert's text, and one right completion among wrong
    ones has an advantage. Credited to the unguided prompt (Learning Like Humans, arXiv 2505.08364).
    How many are asked is ours, and so is that ratios are those of the unguided prompt.

    Name it on both dials, present and sample. The model must be able to read a guide.
    """

    name: ClassVar[str] = "egsr"
    title: ClassVar[str] = "EGSR: retell the expert where all fail"
    papers: ClassVar[tuple[str, ...]] = ("ADCL + EGSR",)
    family: ClassVar[str] = "F04"
    state: ClassVar[str] = "inspired"
    max_rounds: ClassVar[int] = 1
    growth: ClassVar[int] = 2

    @dataclass(frozen=True)
    class Parameters(FixedGroup.Parameters):
        guided: int = knob(2, "guided rollouts of a group that failed", 1, 256)
        guide: str = knob(
            "solution", "what the guide tells", choices=["answer", "solution"], paper="solution"
        )

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        if pick.view.get("guide"):
            return guided(problem, self.parameters.guide == "solution")
        return View(problem.prompt)

    def after(self, groups: Sequence[Group], clock: Clock) -> tuple[list[Group], list[Pick]]:
        # TRL has room for twice the planned rollouts.
        more = min(self.parameters.guided, self.parameters.size)
        wish = {"guide": self.parameters.guide}
        return list(groups), [
            replace(groups[i].pick, rollouts=more, view=wish, parent=i, merge=True)
            for i in unsolved(groups)
        ]


@register
class ExPO(ByPassRate):
    """Self-explanations as good examples: some rollouts of a group are written knowing the answer.

    Inspired by ExPO (arXiv 2507.02834); the rule is ours. As long as an arm's pass rate without help
    lies below `below`, a `guided` share of every group is asked with the answer in the prompt and
    credited as if it had not been. Right explanations then stand above wrong attempts.

    Unlike EGSR no group is asked twice, but solved problems are guided, too. The model must be able to
    read a guide.
    """

    name: ClassVar[str] = "expo"
    title: ClassVar[str] = "ExPO: explain the known answer"
    papers: ClassVar[tuple[str, ...]] = ("ExPO",)
    family: ClassVar[str] = "F04"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        guided: float = knob(0.25, "share of a group that is guided", 0.0, 1.0)
        below: float = knob(0.5, "pass rate from which on no guide is given", 0.0, 1.0)
        rate: float = rate()

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> list[View]:
        p, plain = self.parameters, View(problem.prompt)
        if self.memory["pass_rate"].get(problem.arm, 0.0) >= p.below:
            return [plain] * n
        # At least one plain rollout stays, from which the pass rate is read.
        told_to = min(round(p.guided * n), n - 1)
        return [plain] * (n - told_to) + [guided(problem)] * told_to


@register
class InT(Present, FixedGroup):
    """Where all rollouts fail, the best one is set right at its first mistake and goes on from there.

    1. Of a group without a right answer the rollout is taken that agrees longest with the worked
       solution. It is cut at its first mistake, and the step that belongs there is put in its place.
    2. The problem is asked once more with that as a forced start, in a group of its own; besides, its
       likelihood is raised with weight `imitation`.

    Inspired by InT (arXiv 2601.14209), in which the model proposes the repair itself by looking at a
    reference solution, imitates start and repair, and is reinforced afterwards. A tiny model cannot
    find its mistakes, so the worked solution does; and both losses act at once. Name it on both dials.
    """

    name: ClassVar[str] = "intervention"
    title: ClassVar[str] = "InT: one step repaired"
    papers: ClassVar[tuple[str, ...]] = ("InT",)
    family: ClassVar[str] = "F04"
    state: ClassVar[str] = "inspired"
    max_rounds: ClassVar[int] = 1
    growth: ClassVar[int] = 2

    @dataclass(frozen=True)
    class Parameters(FixedGroup.Parameters):
        imitation: float = knob(0.1, "weight of the likelihood of start and repair", 0.0, 10.0)
        thought: bool = thought()

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        if start := pick.view.get("repaired"):
            weight = self.parameters.imitation
            return View(problem.prompt, prefix=start, prefix_nll=weight, kind="repaired")
        return View(problem.prompt)

    def after(self, groups: Sequence[Group], clock: Clock) -> tuple[list[Group], list[Pick]]:
        return list(groups), [
            replace(groups[i].pick, view={"repaired": self.repaired(groups[i])}, parent=i)
            for i in unsolved(groups)
        ]

    def repaired(self, group: Group) -> str:
        """The right start of the group's best rollout and the step that should come next."""
        problem = group.problem
        pieces = chunks(get_task(problem.task), problem, thought=self.parameters.thought)
        worked, start = "".join(pieces), ""
        agreed = max(agreement(rollout.text, worked) for rollout in group.rollouts)
        for piece in pieces:
            start += piece
            if len(start) > agreed:
                break
        return start


@register
class EvoCoT(Present, FixedGroup):
    """EvoCoT: solutions that the model made itself, knowing the answer, are shortened step by step.

    1. A problem that no rollout solves is asked `tries` times with its answer in the prompt. The first
       verified solution is kept; these rollouts are not trained on.
    2. The problem is asked again in a group of its own, the solution without its last s steps as a
       forced start; s rises from 1 to `longest` over the budget. Solutions of at most s steps drop out.

    Steps are the lines of a thought or, without one, the characters of the answer. The paper (EvoCoT,
    arXiv 2508.07809) makes all solutions before training and goes through s in order, unshuffled;
    here they are made when they are needed, so that fresh problems have theirs. Name it on both dials.
    The model must be able to read a guide.
    """

    name: ClassVar[str] = "evocot"
    title: ClassVar[str] = "EvoCoT: own solutions, shortened"
    papers: ClassVar[tuple[str, ...]] = ("EvoCoT",)
    family: ClassVar[str] = "F04"
    max_rounds: ClassVar[int] = 2
    growth: ClassVar[int] = 2

    @dataclass(frozen=True)
    class Parameters(FixedGroup.Parameters):
        tries: int = knob(2, "attempts to explain an answer", 1, 64)
        longest: int = knob(10, "steps that are dropped at the end of the run", 1, 1000)

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        if pick.view.get("explain"):
            return guided(problem)
        if start := pick.view.get("shortened"):
            return View(problem.prompt, prefix=start, kind="shortened")
        return View(problem.prompt)

    def after(self, groups: Sequence[Group], clock: Clock) -> tuple[list[Group], list[Pick]]:
        followed = {group.pick.parent for group in groups}
        wish = {"explain": True}
        extra = [
            replace(groups[i].pick, rollouts=self.parameters.tries, view=wish, parent=i)
            for i in unsolved(groups)
        ]
        explained = {i: g for i, g in enumerate(groups) if "explain" in g.pick.view}
        starts = {i: self.shortened(g, clock) for i, g in explained.items() if i not in followed}
        size = self.parameters.size
        extra += [
            replace(groups[i].pick, rollouts=size, view={"shortened": start}, parent=i)
            for i, start in starts.items()
            if start
        ]
        return [dropped(g) if i in explained else g for i, g in enumerate(groups)], extra

    def shortened(self, group: Group, clock: Clock) -> str:
        """The first right solution without its last s steps; "" if there is none, or none is left."""
        right = (r.text for r in group.rollouts if r.score.correct)
        opening, *steps = steps_of(next(right, ""))
        s = 1 + min(int(clock.share * self.parameters.longest), self.parameters.longest - 1)
        return opening + "".join(steps[:-s]) if len(steps) > s else ""


def agreement(text: str, worked: str) -> int:
    """How many characters two texts share from their start.

    >>> agreement("<answer>0133", "<answer>0123")
    10
    """
    pairs = enumerate(zip(text, worked, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(text), len(worked)))


def steps_of(text: str) -> list[str]:
    """A completion as its opening tag and its steps: lines of its thought, or an answer's characters.

    >>> steps_of("<answer>012</answer>")
    ['<answer>', '0', '1', '2']
    """
    opening, closing = (THINK, END_THINK) if text.startswith(THINK) else (OPEN, CLOSE)
    body = text.removeprefix(opening).partition(closing)[0]
    return [opening, *(body.splitlines(keepends=True) if opening == THINK else body)]
