"""Hints: the first part of a worked solution as a forced start of the completion.

Only what follows is sampled, and only that is in the policy loss unless a paper says otherwise. A
hinted success is no ability: the views that hold a hint are `hinted`, and what is learnt of a
problem's difficulty is read from rollouts without one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from currlab.curricula.core import Present
from currlab.curricula.data import Clock, Group, Pick, View
from currlab.curricula.ladder import promoted
from currlab.curricula.registry import knob, register
from currlab.curricula.update.grpo import GRPO
from currlab.tasks import Problem, get_task
from currlab.tasks.text import HIDDEN
from currlab.tasks.variants import chunks, prefix


def cosine(share: float, until: float, low: float, high: float) -> float:
    """From `high` at the start to `low` once `share` of the budget reaches `until`, as a cosine.

    ``low + (high - low) (1 + cos(pi share / until)) / 2``; `low` afterwards.

    >>> cosine(0.3, 0.6, low=0.0, high=1.0)
    0.5
    """
    done = min(1.0, share / until) if until else 1.0
    return round(low + 0.5 * (high - low) * (1 + math.cos(math.pi * done)), 12)


def thought() -> Any:
    """The parameter of every strategy that shows parts of a worked solution."""
    return knob(False, "whether the worked solutions have a written thought")


def rate() -> Any:
    """The parameter of every `ByPassRate` strategy."""
    return knob(0.1, "weight of a new group in an arm's pass rate", 0.01, 1.0)


def plain_pass_rate(group: Group) -> float | None:
    """The share of right ones among the group's rollouts without any help; None if all had some."""
    right = [r.score.correct for r in group.rollouts if not r.view.hinted]
    return sum(right) / len(right) if right else None


@register
class UFT(Present):
    """UFT: a hint of random length that shrinks over training, and is itself imitated.

    The worked solution is cut into at most S = `chunks` pieces. While ``share < until``, the first l
    of them are given, with ``l ~ Binomial(S, p)`` and

        p = low + (high - low) (1 + cos(pi share / until)) / 2,

    afterwards none. The loss is the clipped policy gradient on what follows the hint plus `imitation`
    times the negative log-likelihood of the hint's tokens (UFT, arXiv 2505.16984; constants and the
    other schedules from its code). `schedule` "stage": ``l = S - floor(share (S + 1) / until)``, the
    same for all problems; "uniform": l is drawn evenly from 0 to S all the time, as in R3.
    """

    name: ClassVar[str] = "uft"
    title: ClassVar[str] = "UFT: shrinking hints, imitated"
    papers: ClassVar[tuple[str, ...]] = ("UFT",)
    family: ClassVar[str] = "F04"

    @dataclass(frozen=True)
    class Parameters:
        schedule: str = knob(
            "cosine", "how the hint's length goes", choices=["cosine", "stage", "uniform"]
        )
        chunks: int = knob(5, "pieces of a worked solution at most", 1, 100, paper=5)
        low: float = knob(0.05, "chance of a piece at the end of the hints", 0.0, 1.0, paper=0.05)
        high: float = knob(0.95, "chance of a piece at the start", 0.0, 1.0, paper=0.95)
        until: float = knob(0.6, "share of the budget with hints", 0.0, 1.0, paper=0.6)
        imitation: float = knob(0.001, "weight of the likelihood of hints", 0.0, 10.0, paper=0.001)
        thought: bool = thought()

    def pieces_shown(self, size: int, clock: Clock, rng: np.random.Generator) -> int:
        """How many of `size` pieces are given now."""
        p, share = self.parameters, clock.share
        if p.schedule == "uniform":
            return int(rng.integers(size + 1))
        if share >= p.until:
            return 0
        if p.schedule == "stage":
            return size - int(share * (size + 1) / p.until + 1e-9)
        return int(rng.binomial(size, cosine(share, p.until, p.low, p.high)))

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        p = self.parameters
        pieces = chunks(get_task(problem.task), problem, p.chunks, p.thought)
        given = self.pieces_shown(len(pieces), clock, self.local_rng(problem, clock))
        if not given:
            return View(problem.prompt)
        # R3 does not imitate.
        imitation = 0.0 if p.schedule == "uniform" else p.imitation
        hint = "".join(pieces[:given])
        return View(problem.prompt, prefix=hint, prefix_nll=imitation, kind="hint")


@register
class PrefixRFT(Present):
    """Prefix-RFT: one rollout of a group begins with part of a demonstration.

    n - 1 rollouts are plain. The last is a hybrid: the first ``floor(l |y|)`` characters of the worked
    solution y, then the policy's own continuation, with ``l ~ U(low, high)``; `low` falls as a cosine
    from `high` to 0 while ``share < until``. All n share one group, so that the prefix gets the
    hybrid's advantage; of its tokens only the `credit` with the highest entropy keep their gradient
    (Prefix-RFT, arXiv 2507.01679). `high` and `until` are ours.
    """

    name: ClassVar[str] = "prefix_rft"
    title: ClassVar[str] = "Prefix-RFT: one hybrid a group"
    papers: ClassVar[tuple[str, ...]] = ("Prefix-RFT",)
    family: ClassVar[str] = "F04"

    @dataclass(frozen=True)
    class Parameters:
        high: float = knob(0.95, "largest share that is given", 0.0, 1.0)
        until: float = knob(1.0, "budget over which the least share falls to 0", 0.0, 1.0)
        credit: float = knob(
            0.2, "share of the prefix's tokens that are credited", 0.0, 1.0, paper=0.2
        )
        thought: bool = thought()

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> list[View]:
        p, plain = self.parameters, View(problem.prompt)
        low = cosine(clock.share, p.until, 0.0, p.high)
        share = float(self.local_rng(problem, clock).uniform(low, p.high))
        given = prefix(get_task(problem.task), problem, share, p.thought)
        # The hybrid is one of several: alone it would have nothing to be compared with.
        if n < 2 or not given:
            return [plain] * n
        hybrid = View(problem.prompt, prefix=given, prefix_credit=p.credit, kind="hybrid")
        return [plain] * (n - 1) + [hybrid]


class ByPassRate(Present):
    """Knows the pass rate of every arm: a running mean over its rollouts without help.

    A new group weighs `parameters.rate`; an arm that was never tried without help has no number.
    """

    def fresh_memory(self) -> dict[str, Any]:
        return {"pass_rate": {}}

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        known, weight = self.memory["pass_rate"], self.parameters.rate
        for group in groups:
            if (new := plain_pass_rate(group)) is not None:
                known[group.arm] = (1 - weight) * known.get(group.arm, new) + weight * new

    def snapshot(self) -> dict[str, Any]:
        return {"pass rate without help": dict(self.memory["pass_rate"])}


@register
class ADHint(ByPassRate, GRPO):
    """Longer hints for harder problems; rollouts with and without are compared apart.

    Inspired by ADHint (arXiv 2512.13095), whose abstract gives no formula; these are ours. An arm's
    pass rate p is a running mean over rollouts without a hint, one half before the first. Of every
    group a `hinted` share begins with the first ``u (1 - p)`` of the worked solution, u ~ U(0, 1)
    drawn for the group: on a hopeless arm hints of all lengths, on a mastered one none. Advantages
    are GRPO's, once within the hinted and once within the plain rollouts of a group: a hint must not
    look like merit, nor its lack like failure. The paper's masking of hint tokens by gradient is not
    here; no hint token is in the loss.
    """

    name: ClassVar[str] = "adhint"
    title: ClassVar[str] = "hints by difficulty, compared apart"
    papers: ClassVar[tuple[str, ...]] = ("ADHint",)
    family: ClassVar[str] = "F04"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters(GRPO.Parameters):
        hinted: float = knob(0.5, "share of a group that gets the hint", 0.0, 1.0)
        rate: float = rate()
        thought: bool = thought()

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> list[View]:
        p, plain = self.parameters, View(problem.prompt)
        difficulty = 1 - self.memory["pass_rate"].get(problem.arm, 0.5)
        share = difficulty * float(self.local_rng(problem, clock).random())
        given = prefix(get_task(problem.task), problem, share, p.thought)
        if not given:
            return [plain] * n
        hinted = round(p.hinted * n)
        return [plain] * (n - hinted) + [View(problem.prompt, prefix=given, kind="hint")] * hinted

    def advantages(self, groups: Sequence[Group]) -> list[tuple[float, ...]]:
        return [self._apart(group) for group in groups]

    def _apart(self, group: Group) -> tuple[float, ...]:
        """The advantages of a group, normalised within its hinted and within its other rollouts."""
        row = [0.0] * len(group.rollouts)
        for kind in {rollout.view.hinted for rollout in group.rollouts}:
            places = [i for i, r in enumerate(group.rollouts) if r.view.hinted == kind]
            found = self.group_advantages([group.rewards[i] for i in places])
            for place, advantage in zip(places, found, strict=True):
                row[place] = advantage
        return tuple(row)


@register
class Mirage(Present):
    """Much help at first, less after every success, none at the end; each arm at its own pace.

    Inspired by MIRAGE (arXiv 2505.24238), where hard questions about images start with a lot of help;
    the abstract gives no rule, so this one is ours. Help is the first part of the worked answer: the
    share `most` at first, in `steps` equal steps down to nothing. An arm takes the next step once its
    last `window` groups are right more often than `threshold`. `place` "prefix" forces it as the start
    of the completion; "prompt" shows it as an answer with blanks to fill in, which a model must
    have learnt to read.
    """

    name: ClassVar[str] = "mirage"
    title: ClassVar[str] = "less help after every success"
    papers: ClassVar[tuple[str, ...]] = ("MIRAGE",)
    family: ClassVar[str] = "F04"
    state: ClassVar[str] = "analogue"

    @dataclass(frozen=True)
    class Parameters:
        most: float = knob(0.9, "share of the worked answer that is given at first", 0.0, 1.0)
        steps: int = knob(8, "steps from the most help to none", 1, 100)
        threshold: float = knob(0.4, "success that must be exceeded", 0.0, 1.0)
        window: int = knob(16, "groups that the success is averaged over", 1, 1000)
        place: str = knob("prefix", "where the help stands", choices=["prefix", "prompt"])
        thought: bool = thought()

    def fresh_memory(self) -> dict[str, Any]:
        return {"rungs": {}, "visits": {}}

    def help(self, arm: str) -> float:
        """The share of the worked answer that the arm's problems come with now."""
        p = self.parameters
        return p.most * max(0.0, 1 - self.memory["rungs"].get(arm, 0) / p.steps)

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        share, kind = self.help(problem.arm), self._kind(problem.arm)
        if self.parameters.place == "prefix":
            given = prefix(get_task(problem.task), problem, share, self.parameters.thought)
            return View(problem.prompt, prefix=given, kind=kind)
        shown = int(share * len(problem.answer))
        if not shown:
            return View(problem.prompt, kind=kind)
        blanks = HIDDEN * (len(problem.answer) - shown)
        filled = f"{problem.prompt}\nfill in: {problem.answer[:shown]}{blanks}"
        return View(filled, kind=kind, easier=True)

    def _kind(self, arm: str) -> str:
        return f"help {self.memory['rungs'].get(arm, 0)}"

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        rungs, visits, p = self.memory["rungs"], self.memory["visits"], self.parameters
        for group in groups:
            arm = group.arm
            # Groups that were shown with more help than now do not count.
            if group.rollouts[0].view.kind != self._kind(arm) or not self.help(arm):
                continue
            learnt, visits[arm] = promoted(
                visits.get(arm, []), group.pass_rate, p.window, p.threshold
            )
            rungs[arm] = rungs.get(arm, 0) + learnt

    def snapshot(self) -> dict[str, Any]:
        return {"help": {arm: self.help(arm) for arm in self.memory["visits"]}}
