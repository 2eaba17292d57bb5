"""Answer formats as a ladder: from choices and blanks, which can be guessed, to the open question.

An open question that no rollout answers teaches nothing. The same question with four options is
right one time in four by chance alone: rollouts differ, and there is something to learn from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from currlab.curricula.core import Present
from currlab.curricula.data import Clock, Group, Pick, View
from currlab.curricula.ladder import above_chance, promoted
from currlab.curricula.registry import knob, register
from currlab.tasks import Problem, extract_answer, get_task
from currlab.tasks.variants import Variant, problem_rng, variant

OPEN_FORM = "open"
# What the released code of Cog-DRIFT adds to the reward for an answer in the asked form.
FORMAT_CREDIT = 0.2


@lru_cache(maxsize=65_536)
def in_form(problem: Problem, form: str) -> Variant | None:
    """The problem in this form, the same at every visit; None if it does not have it."""
    return variant(get_task(problem.task), problem, form, problem_rng(problem, form))


class FormatLadder(Present):
    """What format strategies share: rungs from easy to open, and one rule of promotion.

    A problem that does not have the form of its rung is shown in the next harder one that it has.
    Groups count for the rung they were shown in only, by verified answers; what they tell of a form
    is no evidence of the open question, so all views but the open one are `easier`.
    """

    forms: ClassVar[tuple[str, ...]]

    def fresh_memory(self) -> dict[str, Any]:
        return {"rungs": {}, "visits": {}}

    def ladder(self, problem: Problem) -> str:
        """The name of the ladder that the problem stands on."""
        raise NotImplementedError

    def rung(self, problem: Problem, clock: Clock) -> int:
        return self.memory["rungs"].get(self.ladder(problem), 0)

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        for form in self.forms[self.rung(problem, clock) :]:
            if form != OPEN_FORM and (shown := in_form(problem, form)):
                return View(shown.prompt, answer=shown.answer, kind=form, easier=True)
        return View(problem.prompt, kind=OPEN_FORM)

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        rungs, visits = self.memory["rungs"], self.memory["visits"]
        for group in groups:
            form, ladder = group.rollouts[0].view.kind, self.ladder(group.problem)
            # The last rung is never left, and a group shown before a promotion counts no more.
            if form not in self.forms[rungs.get(ladder, 0) : -1]:
                continue
            threshold = self.threshold(group.problem, form)
            learnt, visits[ladder] = promoted(
                visits.get(ladder, []), self.success(group), self.parameters.window, threshold
            )
            if learnt:
                rungs[ladder] = self.forms.index(form) + 1

    def success(self, group: Group) -> float:
        """What is averaged over visits."""
        return group.pass_rate

    def threshold(self, problem: Problem, form: str) -> float:
        """The success that must be exceeded: `threshold` of the way from guessing to certainty."""
        shown = in_form(problem, form)
        return above_chance(self.parameters.threshold, shown.chance if shown else 0.0)

    def snapshot(self) -> dict[str, Any]:
        """How many of the ladders that were visited stand on each form."""
        rungs = self.memory["rungs"]
        standing = [rungs.get(ladder, 0) for ladder in {**self.memory["visits"], **rungs}]
        return {f"ladders at {form}": standing.count(i) for i, form in enumerate(self.forms)}


@register
class CogDrift(FormatLadder):
    """Cog-DRIFT: every problem climbs from four choices to the open question, never down.

    1. A problem begins as a question with four options, then ten, then with blanks in its answer,
       at last in the open form; options and blanks are the same at every visit.
    2. After each visit its success goes into a window of its last visits. If the window is full and
       its mean is above a threshold, the problem moves to the next form for good.

    The released code (Cog-DRIFT, arXiv 2604.04767) averages *rewards*, .2 of which are for the form
    of the answer, over a window of 1, and asks for more than .5: with eight rollouts a guesser among
    four options passes 32 % of all visits. `rule` "paper" is that rule. "above chance", the default,
    counts verified answers only, and its threshold lies `threshold` of the way from the chance of a
    guess to certainty. Where problems are fresh for ever none would be met twice, so the default
    ladder is one an arm; with a fixed pool, `ladder` "problem" is the paper's. Our options and blanks
    are answered by writing the open answer; the paper's by a letter.
    """

    name: ClassVar[str] = "cog_drift"
    title: ClassVar[str] = "Cog-DRIFT: choices, blanks, open"
    papers: ClassVar[tuple[str, ...]] = ("Cog-DRIFT",)
    family: ClassVar[str] = "F03"
    forms: ClassVar[tuple[str, ...]] = ("choice4", "choice10", "cloze", OPEN_FORM)

    @dataclass(frozen=True)
    class Parameters:
        rule: str = knob(
            "above chance", "what promotes", choices=["above chance", "paper"], paper="paper"
        )
        threshold: float = knob(0.5, "success that must be exceeded", 0.0, 1.0, paper=0.5)
        window: int = knob(3, "visits that the success is averaged over", 1, 6, paper=1)
        ladder: str = knob(
            "arm", "who climbs: an arm, or each problem of a pool", choices=["arm", "problem"],
            paper="problem",
        )  # fmt: skip

    def ladder(self, problem: Problem) -> str:
        if self.parameters.ladder == "arm":
            return problem.arm
        return "/".join(map(str, problem.key))

    def success(self, group: Group) -> float:
        if self.parameters.rule == "above chance":
            return group.pass_rate
        formed = [extract_answer(rollout.text) is not None for rollout in group.rollouts]
        return group.pass_rate + FORMAT_CREDIT * sum(formed) / len(formed)

    def threshold(self, problem: Problem, form: str) -> float:
        if self.parameters.rule == "above chance":
            return super().threshold(problem, form)
        return self.parameters.threshold


class FormatStages(FormatLadder):
    """All problems in one form at a time; the next stage begins by budget or by success.

    `advance` "share": stage ``floor(share * S)`` of S. "pass_rate": the next stage begins once the
    last `window` groups of this one succeed, on average, more than `threshold` of the way from
    guessing to certainty. It is never left if that is never so.
    """

    @dataclass(frozen=True)
    class Parameters:
        advance: str = knob(
            "share", "what begins the next stage", choices=["share", "pass_rate"], paper="share"
        )
        threshold: float = knob(0.5, "success that must be exceeded", 0.0, 1.0)
        window: int = knob(64, "groups that the success is averaged over", 1, 10_000)

    def ladder(self, problem: Problem) -> str:
        return "all"

    def rung(self, problem: Problem, clock: Clock) -> int:
        if self.parameters.advance == "pass_rate":
            return super().rung(problem, clock)
        return min(int(clock.share * len(self.forms) + 1e-9), len(self.forms) - 1)

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        if self.parameters.advance == "pass_rate":
            super().observe(groups, metrics)
            return
        # Remembered, so that a change of rule in mid-run goes on from the present stage.
        kinds = {group.rollouts[0].view.kind for group in groups}.intersection(self.forms)
        rungs = self.memory["rungs"]
        rungs["all"] = max([rungs.get("all", 0), *map(self.forms.index, kinds)])


@register
class MedCCO(FormatStages):
    """Closed questions first, open ones after: inspired by MedCCO (arXiv 2505.19213).

    The abstract names the two stages; where the first ends is ours: half of the budget, or a success
    well above chance. A closed question is one with four options.
    """

    name: ClassVar[str] = "medcco"
    title: ClassVar[str] = "closed questions, then open ones"
    papers: ClassVar[tuple[str, ...]] = ("MedCCO",)
    family: ClassVar[str] = "F03"
    state: ClassVar[str] = "analogue"
    forms: ClassVar[tuple[str, ...]] = ("choice4", OPEN_FORM)


@register
class CurrReFT(FormatStages):
    """Yes or no, then four options, then open: the three stages of Curr-ReFT (arXiv 2503.07065).

    There each stage is a run that goes on from the last checkpoint; here each has an equal share of
    the budget, or begins by success. Its last step, fine-tuning on the model's own good answers, is
    a stage of another kind and not here.
    """

    name: ClassVar[str] = "curr_reft"
    title: ClassVar[str] = "judge, choose, answer"
    papers: ClassVar[tuple[str, ...]] = ("Curr-ReFT",)
    family: ClassVar[str] = "F03"
    state: ClassVar[str] = "analogue"
    forms: ClassVar[tuple[str, ...]] = ("judge", "choice4", OPEN_FORM)
