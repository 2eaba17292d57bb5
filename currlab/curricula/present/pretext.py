"""Pretext tasks as curricula: order to restore, and single tokens of a text to predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import log_softmax

from currlab.curricula.core import Present, Reward
from currlab.curricula.data import Clock, Pick, Policy, Rollout, Score, View
from currlab.curricula.registry import knob, register
from currlab.curricula.reward.exact import is_correct
from currlab.curricula.select.items import ItemSelect, window
from currlab.errors import CurrlabError
from currlab.tasks import Problem, extract_answer, get_task
from currlab.tasks.base import OPEN
from currlab.tasks.pretext import Unshuffle
from currlab.tasks.variants import problem_rng, simpler

# ---------------------------------------------------------------- order to restore


def pieces_of(text: str) -> list[str]:
    """The pairs of letters that a text of the task `unshuffle` is made of."""
    return [text[i : i + 2] for i in range(0, len(text), 2)]


def in_place(answer: str, right: str) -> float | None:
    """The share of pieces at their right place; None if the pieces are not all there, each once.

    >>> in_place("abefcd", "abcdef")
    0.3333333333333333
    """
    given, wanted = pieces_of(answer), pieces_of(right)
    if sorted(given) != sorted(wanted):
        return None
    return sum(a == b for a, b in zip(given, wanted, strict=True)) / len(wanted)


@register
class VisualJigsaw(Present, Reward):
    """Shuffled pieces go back in order: two out of order at first, more later; partly right earns a bit.

    An analogue of Visual Jigsaw (arXiv 2509.25190), whose pieces are those of pictures and videos, on
    the task `unshuffle`. A problem of K pieces has its first ones in order already, so that at most
    ``2 + floor((K - 1) share / until)`` are out of order; the ramp is ours. The reward is the paper's:
    1 for the right order, else ``partial / K`` for each piece at its place if all pieces are there once
    and K > `more_than`, else 0. Its reward for the form of the answer, .2, is left out.

    Name it on both dials, present and reward. Problems of other tasks are shown as they are and earn 1
    or 0.
    """

    name: ClassVar[str] = "visual_jigsaw"
    title: ClassVar[str] = "restore the order of more and more pieces"
    papers: ClassVar[tuple[str, ...]] = ("Visual Jigsaw",)
    family: ClassVar[str] = "F06"
    state: ClassVar[str] = "analogue"

    @dataclass(frozen=True)
    class Parameters:
        until: float = knob(0.7, "share of the budget until all pieces are shuffled", 0.01, 1.0)
        partial: float = knob(0.2, "reward for a right piece in a wrong order", 0.0, 1.0, paper=0.2)
        more_than: int = knob(4, "pieces without partial rewards", 0, 100, paper=4)

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        if problem.task != Unshuffle.name:
            return View(problem.prompt)
        count = len(pieces_of(problem.answer))
        loose = 2 + int((count - 1) * clock.share / self.parameters.until + 1e-9)
        if loose >= count:
            return View(problem.prompt)
        rng = problem_rng(problem, "loose", loose)
        shown = simpler(get_task(problem.task), problem, (count - loose) / count, rng)
        return View(shown.prompt, kind="loose", easier=True) if shown else View(problem.prompt)

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        verdicts = is_correct(problem, rollouts)
        return [self._score(problem, r, right) for r, right in zip(rollouts, verdicts, strict=True)]

    def _score(self, problem: Problem, rollout: Rollout, right: bool) -> Score:
        whole = len(pieces_of(problem.answer))
        if right or problem.task != Unshuffle.name or whole <= self.parameters.more_than:
            return Score(float(right), right)
        placed = in_place((extract_answer(rollout.text) or "").strip(), problem.answer) or 0.0
        return Score(self.parameters.partial * placed, right, {"in place": placed})


# ---------------------------------------------------------------- tokens to predict


def next_entropies(policy: Policy, prompts: Sequence[str], starts: Sequence[str]) -> np.ndarray:
    """Entropy of what comes after each start of an answer, in nats."""
    if not hasattr(policy, "logits"):
        raise CurrlabError(
            "Entropies of tokens need a learner with logits: use 'token_curriculum' with a language "
            "model."
        )
    after = np.array([read[-1] for read in policy.logits(prompts, starts)], dtype=float)
    log_p = log_softmax(after, -1)
    return -(np.exp(log_p) * log_p).sum(-1)


@register
class TokenCurriculum(ItemSelect, Present):
    """Predict the next token of a worked answer: tokens the model is sure of first, unsure ones later.

    Inspired by RMT (arXiv 2509.24375), which reinforces on tokens of ordinary text, from low entropy to
    high, beside the usual loss; its formulas are not known here.

    1. For a batch of n draw k n problems, and for each a place in its worked answer.
    2. Read the entropy H of the policy's next token there. In the order of H, train on the n that are
       due when `share` of one pass over them is done.
    3. The answer up to the place is a forced start, whose likelihood is raised with weight `imitation`;
       what follows is sampled and reinforced.

    There the next token alone is rewarded, here the whole rest of the answer, as the verifier has it;
    and RMT's falling limit on the length of a thought is not here. Name it on both dials, select and
    present. Until the policy was seen problems are random and shown plainly.
    """

    name: ClassVar[str] = "token_curriculum"
    title: ClassVar[str] = "tokens to predict, by entropy"
    papers: ClassVar[tuple[str, ...]] = ("RMT",)
    family: ClassVar[str] = "F06"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        candidates: int = knob(4, "k: candidates for each prompt that is kept", 1, 64)
        imitation: float = knob(0.1, "weight of the likelihood of the given tokens", 0.0, 10.0)

    def __init__(self, parameters: Any = None, seed: int = 0) -> None:
        super().__init__(parameters, seed)
        self._policy: Policy | None = None  # the learner, new each step

    def fresh_memory(self) -> dict[str, Any]:
        return {"entropy": 0.0}

    def probe(self, policy: Policy, clock: Clock) -> None:
        self._policy = policy

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        picks = self.candidates(self.parameters.candidates * n)
        if self._policy is None:
            return picks[:n]
        problems = [self.catalog.problem(pick.arm, pick.seed) for pick in picks]
        places = [int(self.rng.integers(len(problem.answer) or 1)) for problem in problems]
        starts = [start_of(*pair) for pair in zip(problems, places, strict=True)]
        entropies = next_entropies(self._policy, [problem.prompt for problem in problems], starts)
        due = window(np.argsort(entropies, kind="stable"), clock.share, n)
        self.memory["entropy"] = float(entropies[due].mean())
        return [Pick(picks[i].arm, picks[i].seed, {"given": places[i]}) for i in due.tolist()]

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        if (given := pick.view.get("given")) is None:
            return View(problem.prompt)
        weight, start = self.parameters.imitation, start_of(problem, given)
        return View(problem.prompt, prefix=start, prefix_nll=weight, kind="token")

    def snapshot(self) -> dict[str, Any]:
        return {"entropy of the tokens to predict": self.memory["entropy"]}


def start_of(problem: Problem, place: int) -> str:
    """The worked answer up to the character at this place, with its opening tag."""
    return OPEN + problem.answer[:place]
