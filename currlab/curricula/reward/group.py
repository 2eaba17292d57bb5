"""Rewards that compare the rollouts of a group with each other, and one that can be cheated."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from currlab.curricula.core import Reward
from currlab.curricula.data import Clock, Policy, Rollout, Score
from currlab.curricula.registry import knob, register
from currlab.curricula.reward.exact import is_correct
from currlab.curricula.reward.grading import judge
from currlab.tasks import Problem
from currlab.tasks.base import CLOSE, OPEN

SLOW = "slow"


@register
class ConsistencyBonus(Reward):
    """GRPO-CARE: among right rollouts, a bonus where the answer follows from what was written.

    1. Accurate rollouts: accuracy a > .1 and at least the group's mean (here a is 0 or 1).
    2. Confidence of each, by a slow copy of the policy: ``c = exp(mean log p of the answer's tokens)``
       given the prompt and all that stands before the answer, at most `cap`.
    3. ``reward = a + bonus a`` where c is at least the accurate ones' mean c minus `margin`, else a.

    The copy takes ``1 - slow`` of the policy at every step; the paper's takes .005 at every tenth. The
    bonus replaces the divergence penalty (GRPO-CARE, arXiv 2506.16141; constants from its code).
    Completions that are equal are read once, and where only one is left there is nothing to compare.
    """

    name: ClassVar[str] = "consistency_bonus"
    title: ClassVar[str] = "GRPO-CARE: a bonus if the answer follows"
    papers: ClassVar[tuple[str, ...]] = ("GRPO-CARE",)
    family: ClassVar[str] = "F07"
    state: ClassVar[str] = "analogue"

    @dataclass(frozen=True)
    class Parameters:
        bonus: float = knob(0.5, "bonus for a consistent right answer", 0.0, 10.0, paper=0.5)
        margin: float = knob(0.01, "confidence that may be missing", 0.0, 1.0, paper=0.01)
        cap: float = knob(0.95, "confidences above it are equal", 0.0, 1.0, paper=0.95)
        slow: float = knob(0.99, "share that the copy keeps of itself in a step", 0.0, 1.0)

    def references(self) -> dict[str, float | str]:
        return {SLOW: self.parameters.slow}

    def confidences(self, texts: Sequence[tuple[str, str]], policy: Policy) -> np.ndarray:
        """c of each (prompt, completion). One completion is as sure as itself: no model is asked."""
        if len(texts) < 2:
            return np.ones(len(texts))
        prompts = [prompt for prompt, _ in texts]
        heads = [text[: text.index(OPEN) + len(OPEN)] for _, text in texts]
        answered = [text[: text.index(CLOSE)] for _, text in texts]
        # Each row ends with the end of the text, which is no part of the answer.
        before = policy.log_probabilities(prompts, heads, model=SLOW)
        through = policy.log_probabilities(prompts, answered, model=SLOW)
        found = []
        for head, row in zip(before, through, strict=True):
            tokens = row[len(head) - 1 : -1]
            found.append(math.exp(float(np.mean(tokens))) if len(tokens) else 0.0)
        return np.minimum(found, self.parameters.cap)

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        right = is_correct(problem, rollouts)
        texts = [(rollout.view.trained_prompt, rollout.text) for rollout in rollouts]
        accurate = [text for text, hit in zip(texts, right, strict=True) if hit]
        different = list(dict.fromkeys(accurate))
        sure = dict(zip(different, self.confidences(different, policy).tolist(), strict=True))
        bar = float(np.mean([sure[text] for text in accurate])) if accurate else 0.0
        scores = []
        for text, hit in zip(texts, right, strict=True):
            consistent = hit and sure[text] >= bar - self.parameters.margin - 1e-12
            parts = {"confidence": sure[text]} if hit else {}
            total = float(hit) + self.parameters.bonus * consistent
            scores.append(Score(total, hit, parts))
        return scores


@register
class Diversity(Reward):
    """DRA: a reward is divided by how much of the group says the same.

    ``r_i / (sum over j of S_ij + 1e-6)``, S being the cosine similarities of the group's completions,
    itself included (DRA-GRPO, arXiv 2505.09655, from its code, which sums over the local batch: with
    several prompts in it they mix; here it is the group). Of four equal right answers each earns a
    quarter. In the paper a sentence encoder gives the vectors; here they count the runs of `run`
    characters.
    """

    name: ClassVar[str] = "diversity"
    title: ClassVar[str] = "DRA: repeated answers share a reward"
    papers: ClassVar[tuple[str, ...]] = ("DRA-GRPO",)
    family: ClassVar[str] = "F13"

    @dataclass(frozen=True)
    class Parameters:
        run: int = knob(3, "characters that make a feature of a text", 1, 16)

    def similarities(self, texts: Sequence[str]) -> np.ndarray:
        """Cosines [n, n] between the texts' counts of character runs; 1 on the diagonal."""
        run = self.parameters.run
        # The frame gives every text at least one run, an empty one too.
        framed = [f"\0{text}\0".ljust(run, "\0") for text in texts]
        counts = [Counter(t[i : i + run] for i in range(len(t) - run + 1)) for t in framed]
        columns = {feature: i for i, feature in enumerate(set().union(*counts))}
        vectors = np.zeros((len(texts), len(columns)))
        for row, count in zip(vectors, counts, strict=True):
            row[[columns[feature] for feature in count]] = [*count.values()]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors @ vectors.T

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        if not rollouts:
            return []
        alike = self.similarities([rollout.text for rollout in rollouts]).sum(axis=1).tolist()
        return [
            Score(right / (sum_ + 1e-6), right, {"alike": sum_})
            for right, sum_ in zip(is_correct(problem, rollouts), alike, strict=True)
        ]


@register
class MajorityVote(Reward):
    """MM-UPT: the group's most frequent answer counts as right; no label is needed.

    Reward 1 if the answer equals it, else 0; of equally frequent ones the first to appear wins
    (MM-UPT, arXiv 2505.22453, from its code). Rollouts without an answer do not vote and earn 0. What
    is `correct` is still the verifier's word, so that the vote can be compared with it: a policy that
    agrees with itself earns everything and may be wrong all the time.
    """

    name: ClassVar[str] = "majority_vote"
    title: ClassVar[str] = "MM-UPT: the majority is right"
    papers: ClassVar[tuple[str, ...]] = ("MM-UPT",)
    family: ClassVar[str] = "F13"
    state: ClassVar[str] = "analogue"

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        judged = judge(problem, rollouts)
        votes = Counter(j.answer for j in judged if j.answer is not None).most_common(1)
        elected, count = votes[0] if votes else (None, 0)
        share = count / max(1, len(judged))
        return [
            Score(float(count > 0 and j.answer == elected), j.right, {"majority": share})
            for j in judged
        ]


@register
class Hackable(Reward):
    """A reward that can be cheated: the share of the right answer's characters that occur anywhere.

    Every character counts as often as the right answer has it, wherever it stands in the completion,
    and nothing else is looked at. On honest answers it rises with accuracy; but writing every digit
    many times earns all of it. From `cured_from` of the budget on only the exact answer counts: the
    cure, if the policy still finds one. Ours, and a caution.
    """

    name: ClassVar[str] = "hackable"
    title: ClassVar[str] = "right characters anywhere (can be cheated)"
    family: ClassVar[str] = "F07"
    state: ClassVar[str] = "inspired"

    @dataclass(frozen=True)
    class Parameters:
        cured_from: float = knob(
            1.0, "share of the budget after which only exact answers count", 0.0, 1.0
        )

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        cured, scores = clock.share >= self.parameters.cured_from, []
        for rollout, judged in zip(rollouts, judge(problem, rollouts), strict=True):
            need = Counter(judged.wanted)
            found = (Counter(rollout.text) & need).total() / max(1, need.total())
            total = float(judged.right) if cured else found
            scores.append(Score(total, judged.right, {"found": found}))
        return scores
