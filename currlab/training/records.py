"""What a step leaves in the logs, the same whichever engine ran it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from currlab.curricula.core import Recipe
from currlab.curricula.data import Group
from currlab.models.tokenizer import chat_prompt, text_ids
from currlab.tasks.base import CLOSE, OPEN


def group_record(group: Group) -> dict[str, Any]:
    """One line of groups.jsonl. `step` counts as in metrics.jsonl: the first step is 1.

    Completions are what the model wrote: hostile text, to be escaped wherever it is shown.
    """
    entropies = [rollout.entropy for rollout in group.rollouts]
    return {
        "step": group.step + 1,
        "arm": group.arm,
        "seed": group.problem.seed,
        "view": dict(group.pick.view),
        "prompt": group.rollouts[0].view.prompt,
        "completions": [rollout.text for rollout in group.rollouts],
        "rewards": list(group.rewards),
        "correct": list(group.correct),
        "advantages": list(group.advantages or ()),
        "entropy": sum(entropies) / len(entropies),
        "lengths": list(group.lengths),
    }


def learner_record(tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """What the model reads when it is asked a question, and what a verifier reads when it answers.

    Constant in a run, so it stands in config.json. A chat template that adds nothing, and tags that
    are stripped because they are special tokens, can be seen nowhere else in a run's files.
    """
    question, answer = "1 + 1", f"{OPEN}2{CLOSE}"
    decoded = tokenizer.decode(text_ids(answer, tokenizer), skip_special_tokens=True)
    return {
        "question": question,
        "model_reads": chat_prompt(tokenizer, question),
        "answer": answer,
        "verifier_reads": decoded,
    }


def group_metrics(groups: Sequence[Group]) -> dict[str, float]:
    """Means over the rollouts of a step, and the share of groups that taught nothing.

    `reward`, `pass_rate` (verified, no bonus), `entropy` (nats), `length` (sampled tokens),
    `zero_variance` (share of groups whose rewards are all equal).
    """
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    lengths = [length for group in groups for length in group.lengths]
    return {
        "reward": sum(r.score.total for r in rollouts) / len(rollouts),
        "pass_rate": sum(r.score.correct for r in rollouts) / len(rollouts),
        "zero_variance": sum(not group.informative for group in groups) / len(groups),
        "entropy": sum(r.entropy for r in rollouts) / len(rollouts),
        "length": sum(lengths) / len(lengths),
    }


def run_results(
    engine: str,
    recipe: Recipe,
    costs: Mapping[str, float],
    history: Mapping[str, Sequence[Mapping[str, Any]]],
    step: int,
) -> dict[str, Any]:
    """A run in short, for results.json: recipe, steps, costs, seconds and the last evaluation."""
    seconds = ("seconds_generation", "seconds_update", "seconds_curriculum")
    return {
        "engine": engine,
        "recipe": recipe.describe(),
        "steps": step,
        **costs,
        **{name: sum(line[name] for line in history["metrics"]) for name in seconds},
        "evaluation": [row for row in history["eval"] if row["step"] == step],
    }
