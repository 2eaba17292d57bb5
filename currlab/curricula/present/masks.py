"""Masked spans: the answer stands behind the question with more and more of it hidden.

What was hidden is known, so that any text with its spans masked is a question whose answer can be
verified. The whole answer is to be written, and the problem's own verifier judges it; with every span
hidden little is left of the help, and after that the question is open. A model must have learnt to
read an answer with blanks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from currlab.curricula.core import Present
from currlab.curricula.data import Clock, Group, Pick, View
from currlab.curricula.registry import knob, register
from currlab.tasks import Problem
from currlab.tasks.text import HIDDEN, pieces
from currlab.tasks.variants import problem_rng

MASK = "mask "
# The success to expect of a span that was never hidden.
UNKNOWN = 0.5


def spans_of(answer: str, n: int) -> list[Sequence[int]]:
    """The places of the answer's characters in at most `n` consecutive spans; blanks do not count.

    None where a mask would tell everything or nothing: answers of one character or with ``_``.

    >>> spans_of("01 23", 2)
    [[0, 1], [3, 4]]
    """
    places = [i for i, character in enumerate(answer) if not character.isspace()]
    return pieces(places, n) if len(places) > 1 and HIDDEN not in answer else []


def with_masks(problem: Problem, spans: Sequence[Sequence[int]], hidden: Collection[int]) -> View:
    """The problem with its answer behind it, the spans of these numbers hidden."""
    places = {place for number in hidden for place in spans[number]}
    answer = problem.answer.strip()
    text = "".join(HIDDEN if i in places else c for i, c in enumerate(answer))
    kind = MASK + ",".join(map(str, sorted(hidden)))
    return View(f"{problem.prompt}\nfill in: {text}", kind=kind, easier=True)


@register
class MaskRamp(Present):
    """One span of the answer is hidden at first, then two, at last all; then the question is open.

    Inspired by MaskSearch (arXiv 2505.20285), which masks one to four spans of a text and trains on
    few masks before many, and by MPCC (arXiv 2510.21807), which hides parts of pictures. An answer has
    at most `spans` spans of about equal length, S of them. While ``share < until``,
    ``1 + floor(S share / until)`` are hidden, the same ones at every visit. There the model searches
    for what is hidden, or sees the rest of the picture; here it works it out from the question.
    """

    name: ClassVar[str] = "mask_ramp"
    title: ClassVar[str] = "more and more spans hidden"
    papers: ClassVar[tuple[str, ...]] = ("MaskSearch", "MPCC prior sampling")
    family: ClassVar[str] = "F06"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        spans: int = knob(4, "spans of an answer at most", 1, 100, paper=4)
        until: float = knob(0.75, "share of the budget with masks", 0.01, 1.0)

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        p = self.parameters
        spans = spans_of(problem.answer.strip(), p.spans)
        if not spans or clock.share >= p.until:
            return View(problem.prompt)
        count = 1 + int(len(spans) * clock.share / p.until + 1e-9)
        count = min(count, len(spans))
        return with_masks(problem, spans, self.hidden(problem, len(spans), count, clock))

    def hidden(self, problem: Problem, spans: int, count: int, clock: Clock) -> list[int]:
        """The numbers of the `count` spans, of so many, that are hidden."""
        return problem_rng(problem, "mask", count).sample(range(spans), count)


@register
class ActiveMasks(MaskRamp):
    """The spans that are hidden are those that are hard to fill in, but not hopeless.

    Inspired by PretrainZero (arXiv 2512.03442), where the policy itself proposes a span and earns more
    the less often it is then predicted; a tiny model cannot propose, so success rates choose, and the
    rule is ours. Each span of an arm has a running success rate r, over the groups in which it was
    hidden: one half before the first. As many spans as in `mask_ramp` are drawn one after the other,
    with weight ``1 - r + floor``, or `floor` where r is below `hopeless`: what nobody fills in teaches
    nothing. At `hopeless` 0 no span counts as such, since a running mean never gets there.
    """

    name: ClassVar[str] = "active_masks"
    title: ClassVar[str] = "hard spans hidden, but not hopeless ones"
    papers: ClassVar[tuple[str, ...]] = ("PretrainZero",)

    @dataclass(frozen=True)
    class Parameters(MaskRamp.Parameters):
        hopeless: float = knob(0.05, "success below which a span is hopeless", 0.0, 1.0)
        floor: float = knob(0.05, "least weight of a span", 0.001, 1.0)
        rate: float = knob(0.1, "weight of a new group in a span's success rate", 0.01, 1.0)

    def fresh_memory(self) -> dict[str, Any]:
        # Success rates by arm, then by number of the span, in words as JSON has them.
        return {"success": {}}

    def weight(self, arm: str, span: int) -> float:
        """How much the span is worth hiding."""
        known = self.memory["success"].get(arm, {}).get(str(span), UNKNOWN)
        return self.parameters.floor + (1 - known if known >= self.parameters.hopeless else 0.0)

    def hidden(self, problem: Problem, spans: int, count: int, clock: Clock) -> list[int]:
        weights = [self.weight(problem.arm, span) for span in range(spans)]
        chances = [weight / sum(weights) for weight in weights]
        rng = self.local_rng(problem, clock)
        return rng.choice(spans, size=count, replace=False, p=chances).tolist()

    def observe(self, groups: Sequence[Group], metrics: Mapping[str, float]) -> None:
        weight = self.parameters.rate
        for group in groups:
            kind = group.rollouts[0].view.kind
            if not kind.startswith(MASK):
                continue
            known = self.memory["success"].setdefault(group.arm, {})
            for span in kind.removeprefix(MASK).split(","):
                old = known.get(span, UNKNOWN)
                known[span] = (1 - weight) * old + weight * group.pass_rate

    def snapshot(self) -> dict[str, Any]:
        """The success with each span hidden, by arm."""
        every = self.memory["success"]
        numbers = sorted({span for known in every.values() for span in known}, key=int)
        return {
            f"success, span {int(span) + 1} hidden": {
                arm: known[span] for arm, known in every.items() if span in known
            }
            for span in numbers
        }
