"""What the tests of the reward dial share: one small problem, completions of it, and their scores."""

import numpy as np

from currlab.curricula import Clock, Rollout, View, make_strategy
from currlab.tasks import Problem

PROBLEM = Problem("sorting", 3, 0, "sort 4132", "1234")
# The reward strategies of these tests.
REWARDS = [
    "tarot",
    "capability_tiers",
    "graded",
    "vision_r1",
    "rising_threshold",
    "harsh_penalty",
    "tool_parts",
    "hero",
    "rubric",
    "consistency_bonus",
    "diversity",
    "majority_vote",
    "hackable",
    "overlong",
    "concise",
    "length_levels",
    "exit_group",
]
# Completions of PROBLEM that no reward may stumble over, and whether they are right.
HOSTILE = {
    "": False,
    "1234": False,
    "<answer></answer>": False,
    "<answer>1234": False,
    "</answer>1234<answer>": False,
    "<answer>1234</answer>": True,
    "<answer> 1234\n</answer>": True,
    "<answer>1234</answer><answer>1234</answer>": False,
    "<think>4312</think><answer>1234</answer>": True,
    "<answer>1234</answer> and more": True,
    "<answer>\N{FULLWIDTH DIGIT ONE}234</answer>": False,
    "<answer>\0</answer>": False,
    f"<answer>{'9' * 100_000}</answer>": False,
    "0123456789" * 10_000: False,
}


def answered(*answers: str) -> list[str]:
    return [f"<answer>{answer}</answer>" for answer in answers]


def rows(texts, tokens=None, prompt=PROBLEM.prompt) -> list[Rollout]:
    """Rollouts of these texts; `tokens` are their lengths, by default those of the texts."""
    lengths = tokens or [max(1, len(text)) for text in texts]
    return [Rollout(View(prompt), text, (7,) * n) for text, n in zip(texts, lengths, strict=True)]


def scores(name, texts, share=0.0, tokens=None, policy=None, problem=PROBLEM, **parameters):
    """What a fresh strategy makes of these completions once `share` of the budget is spent."""
    rollouts = rows(texts, tokens, problem.prompt)
    reward = make_strategy(name, **parameters)
    return reward.score(problem, rollouts, policy, Clock(0, share))


def totals(name, texts, share=0.0, **options) -> list[float]:
    return [score.total for score in scores(name, texts, share, **options)]


class LetterPolicy:
    """Log-probabilities that anybody can compute again: of the k-th character, -(code of it + k) / 100.

    Tags are single tokens, as the project's tokenizer has them; each row ends with the end of the text.
    """

    TAGS = ("<think>", "</think>", "<answer>", "</answer>")

    def __init__(self):
        self.asked = []

    def log_probabilities(self, prompts, answers, model="self"):
        self.asked.append((list(answers), model))
        return [np.array([*self.of(text), -0.5]) for text in answers]

    def of(self, text):
        for i, tag in enumerate(self.TAGS):
            text = text.replace(tag, chr(1 + i))
        return [-(ord(letter) + k) / 100 for k, letter in enumerate(text)]
