"""Rewards that price the length of a completion: penalties, stages, levels, exits.

Thought dropout (TON), the empty thoughts of its warm-up, is no reward: what follows it is plain
GRPO on the outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from currlab.curricula.core import Plan, Present, Reward
from currlab.curricula.data import Clock, Group, Pick, Policy, Rollout, Score, View
from currlab.curricula.registry import knob, register
from currlab.curricula.reward.exact import is_correct
from currlab.curricula.sample.filters import dropped
from currlab.curricula.sample.fixed import FixedGroup
from currlab.tasks import Problem
from currlab.tasks.base import END_THINK, THINK

# Samples of a problem from which an exit group takes its thought.
PATHS = 2


def sampled(rollout: Rollout) -> int:
    """Tokens that the policy wrote, a forced prefix not counted."""
    return len(rollout.token_ids) - rollout.prefix_len


def closed_thought(text: str) -> str:
    """What stands between the tags of a completion that begins with a thought; else nothing."""
    thought, closed, _ = text.removeprefix(THINK).partition(END_THINK)
    return thought if closed and text.startswith(THINK) else ""


@register
class Overlong(Reward):
    """DAPO's soft overlong punishment, added to 1 for a right and -1 for a wrong answer.

        0                                     if L <= longest - margin
        ((longest - margin) - L) / margin     if longest - margin < L <= longest
        -1                                    if L > longest

    L being the tokens of the completion (DAPO, arXiv 2503.14476, equation 13; `longest` 20480 and
    `margin` 4096 there). It costs nothing where completions are short anyway, and warns before they
    are cut off.
    """

    name: ClassVar[str] = "overlong"
    title: ClassVar[str] = "DAPO: soft overlong punishment"
    family: ClassVar[str] = "F08"

    @dataclass(frozen=True)
    class Parameters:
        longest: int = knob(64, "tokens that a completion may have", 1, 1_000_000)
        margin: int = knob(32, "tokens before that at which the penalty begins", 1, 1_000_000)

    def penalty(self, length: int) -> float:
        """Between 0 and -1.

        >>> Overlong(Overlong.Parameters(longest=64, margin=32)).penalty(40)
        -0.25
        """
        p = self.parameters
        if length > p.longest:
            return -1.0
        return min(0.0, (p.longest - p.margin - length) / p.margin)

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        scores = []
        for rollout, right in zip(rollouts, is_correct(problem, rollouts), strict=True):
            length = self.penalty(sampled(rollout))
            scores.append(Score((1.0 if right else -1.0) + length, right, {"length": length}))
        return scores


@register
class Concise(Reward):
    """ConciseR: first right, then short, and short only where every rollout is right.

    1. Until `switch` of the budget the reward is 1 for a right answer, else 0. (The paper adds a higher
       upper clip and dynamic sampling, which are the update and the sample dial's.)
    2. From then on (L-GRPO) a group whose rollouts are all right, which would teach nothing, earns
       ``1 + weight (L_max - L) / L_max``, L_max being its longest; other groups as before.

    Walk before you run (ConciseR, arXiv 2505.21178): length never competes with being right. The paper's
    term for the length was not found; this one is ours. `switch` 0 is the second stage alone.
    """

    name: ClassVar[str] = "concise"
    title: ClassVar[str] = "ConciseR: right first, then short"
    papers: ClassVar[tuple[str, ...]] = ("ConciseR",)
    family: ClassVar[str] = "F08"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        switch: float = knob(0.6, "share of the budget before length counts", 0.0, 1.0)
        weight: float = knob(0.5, "largest reward for being short", 0.0, 10.0)

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        right, lengths = is_correct(problem, rollouts), [sampled(r) for r in rollouts]
        longest = max([1, *lengths])
        weight = self.parameters.weight if all(right) else 0.0
        if clock.share < self.parameters.switch:
            weight = 0.0
        saved = [weight * (longest - length) / longest for length in lengths]
        return [
            Score(float(hit) + short, hit, {"short": short})
            for hit, short in zip(right, saved, strict=True)
        ]


@register
class LengthLevels(Present, Reward):
    """TLDR: one policy, several lengths, asked for in the prompt.

    Each problem is shown at one level, drawn evenly: "short: ...", "medium: ..." or, for long, the plain
    prompt. A right answer of L tokens earns

        1 - weight min(1, max(0, L - budget) / budget)

    with a quarter, a half or all of `longest` as its budget; a wrong one 0. The idea of several levels
    is TLDR's (arXiv 2505.07961); formula and words are ours. Stands on the present and the reward dial.
    """

    name: ClassVar[str] = "length_levels"
    title: ClassVar[str] = "TLDR: short, medium, long on request"
    papers: ClassVar[tuple[str, ...]] = ("TLDR + TS",)
    family: ClassVar[str] = "F08"
    state: ClassVar[str] = "inspired"
    levels: ClassVar[dict[str, float]] = {"short": 0.25, "medium": 0.5, "long": 1.0}

    @dataclass(frozen=True)
    class Parameters:
        longest: int = knob(64, "tokens that a long answer may have", 4, 1_000_000)
        weight: float = knob(0.5, "what twice the budget costs a right answer", 0.0, 1.0)

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        names = [*self.levels]
        level = names[self.local_rng(problem, clock).integers(len(names))]
        prompt = problem.prompt if level == "long" else f"{level}: {problem.prompt}"
        return View(prompt, kind=level)

    def budget(self, view: View) -> float:
        """Tokens at the level that a view asks for; views of other strategies are long."""
        return self.levels.get(view.kind, 1.0) * self.parameters.longest

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        scores = []
        for rollout, right in zip(rollouts, is_correct(problem, rollouts), strict=True):
            budget = self.budget(rollout.view)
            over = min(1.0, max(0.0, sampled(rollout) - budget) / budget)
            total = 1 - self.parameters.weight * over if right else 0.0
            scores.append(Score(total, right, {"over": over}))
        return scores


@register
class ExitGroup(FixedGroup, Present, Reward):
    """S-GRPO: one thought, cut off at several points; the earlier a right exit, the more it earns.

    1. Each problem is sampled (twice, so that a right thought is more often at hand; once in the
       paper), and one thought is taken: the first that led to a right answer, else the first.
    2. It is cut at ``size - 1`` random places and closed there; these and the whole thought are forced,
       and only an answer is sampled after each: a serial group, in place of the first samples.
    3. In the order of the cuts, the k-th right answer earns ``1 / 2^(k - 1)``, a wrong one 0.

    All tokens of an exit are credited, its thought and the tag that ends it, for it is there that the
    policy learns to stop (S-GRPO, arXiv 2505.07686, from secondary sources; advantages there are not
    divided by the deviation: set the update's `scale` to "none"). The answer after the whole thought is
    sampled anew, so that the group is scored at once. Samples without a thought have no exits and stay
    as they are. Stands on the sample, the present and the reward dial; on the reward dial alone the
    order is that of the lengths.
    """

    name: ClassVar[str] = "exit_group"
    title: ClassVar[str] = "S-GRPO: early exits of one thought"
    papers: ClassVar[tuple[str, ...]] = ("S-GRPO",)
    family: ClassVar[str] = "F08"
    state: ClassVar[str] = "inspired"
    max_rounds: ClassVar[int] = 1

    @property
    def growth(self) -> int:
        return -(-self.parameters.size // PATHS)

    def plan(self, picks: Sequence[Pick], clock: Clock) -> Plan:
        return Plan(tuple(pick.rollouts or PATHS for pick in picks), self.parameters.temperature)

    def after(self, groups: Sequence[Group], clock: Clock) -> tuple[list[Group], list[Pick]]:
        """Samples with a thought give way to its exits; once a step."""
        if any(group.pick.parent is not None for group in groups):
            return list(groups), []
        flagged, extra = [], []
        for i, group in enumerate(groups):
            exits = self.exits(group)
            flagged.append(dropped(group) if exits else group)
            if exits:
                view = {"exits": exits}
                extra.append(Pick(group.arm, group.problem.seed, view, len(exits), parent=i))
        return flagged, extra

    def exits(self, group: Group) -> list[str]:
        """The starts that completions are forced to begin with, shortest first; [] without a thought."""
        thoughts = [
            (r.score.correct, thought)
            for r in group.rollouts
            if (thought := closed_thought(r.text))
        ]
        if not thoughts:
            return []
        _, thought = max(thoughts, key=lambda pair: pair[0])
        cuts = sorted(self.rng.integers(1, len(thought) + 1, self.parameters.size - 1).tolist())
        return [f"{THINK}{thought[:cut]}{END_THINK}" for cut in (*cuts, len(thought))]

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View | list[View]:
        if "exits" not in pick.view:
            return View(problem.prompt)
        starts = pick.view["exits"]
        return [View(problem.prompt, prefix=s, prefix_credit="all", kind="exit") for s in starts]

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        right = is_correct(problem, rollouts)
        place = [(r.prefix_len, 0 if r.prefix_len else len(r.token_ids)) for r in rollouts]
        hits = [at for at, hit in zip(place, right, strict=True) if hit]
        return [
            Score(0.5 ** sum(other < at for other in hits) if hit else 0.0, hit)
            for at, hit in zip(place, right, strict=True)
        ]
