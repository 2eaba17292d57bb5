"""A reward without a verifier: how much likelier a thought makes what is known to come after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from currlab.curricula.core import Reward
from currlab.curricula.data import Clock, Policy, Rollout, Score
from currlab.curricula.registry import knob, register
from currlab.curricula.reward.exact import is_correct
from currlab.errors import CurrlabError
from currlab.tasks import Problem
from currlab.tasks.base import CLOSE, END_THINK, OPEN, THINK

NO_THOUGHT = "no thought"


def thought_of(text: str) -> str:
    """The completion's thought with its tags, closed where the completion was cut; "" without one.

    >>> thought_of("<think>3|12</think><answer>123</answer>")
    '<think>3|12</think>'
    """
    if not text.startswith(THINK):
        return ""
    return text.partition(END_THINK)[0] + END_THINK


@register
class LikelihoodGain(Reward):
    """RLP: a thought earns what it adds to the log-likelihood of the answer.

        r = mean_t [log p(a_t | question, thought, a_<t) - log q(a_t | question, a_<t)],

    over the tokens a_t of the worked answer and of the end after it, in nats. p is the policy, q a slow
    copy of it that answers without a thought and keeps `slow` of itself in every step (RLP, arXiv
    2510.01265). No verifier is asked; `correct` is its word all the same, for who reads ability.

    Inspired only: there the text to predict is ordinary text, a thought stands before one of its
    tokens, and nothing but the thought is updated. Here the answer that is sampled after the thought is
    in the loss, too: since the reward does not depend on it, its expected gradient is 0. A completion
    without a thought earns 0.
    """

    name: ClassVar[str] = "rlp"
    title: ClassVar[str] = "RLP: how much a thought helps"
    papers: ClassVar[tuple[str, ...]] = ("RLP",)
    family: ClassVar[str] = "F06"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        slow: float = knob(
            0.999, "share of itself that the slow copy keeps in a step", 0.0, 1.0, paper=0.999
        )

    def references(self) -> dict[str, float | str]:
        return {NO_THOUGHT: self.parameters.slow}

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        asked = [(r.view.prompt, thought_of(r.text), _answer(problem, r)) for r in rollouts]
        gains = _gains([row for row in dict.fromkeys(asked) if row[1]], policy)
        return [
            Score(gains.get(row, 0.0), right, {"gain": gains.get(row, 0.0)})
            for row, right in zip(asked, is_correct(problem, rollouts), strict=True)
        ]


def _answer(problem: Problem, rollout: Rollout) -> str:
    """What is right in the form that the problem was shown in, as the model should write it."""
    return f"{OPEN}{rollout.view.wanted(problem)}{CLOSE}"


def _gains(
    rows: Sequence[tuple[str, str, str]], policy: Policy
) -> dict[tuple[str, str, str], float]:
    """The gain of each (prompt, thought, answer), in nats per token of the answer."""
    if not rows:
        return {}
    if not hasattr(policy, "log_probabilities"):
        raise CurrlabError(
            "The gain of a thought needs a learner with log-probabilities: use 'rlp' with a language "
            "model."
        )
    bare = list(dict.fromkeys((prompt, answer) for prompt, _, answer in rows))
    without = policy.log_probabilities(*zip(*bare, strict=True), model=NO_THOUGHT)
    baseline = dict(zip(bare, without, strict=True))
    prompts = [prompt for prompt, _, _ in rows]
    read = policy.log_probabilities(prompts, [thought + answer for _, thought, answer in rows])
    gains = {}
    for row, with_thought in zip(rows, read, strict=True):
        before = baseline[row[0], row[2]]
        # The last tokens are the answer's: what stands before them is the thought.
        gains[row] = float(with_thought[-len(before) :].mean() - before.mean())
    return gains
