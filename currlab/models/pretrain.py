"""Base pre-training: next-token prediction on worked problems in mixed raw formats and quality.

What comes out is a small relative of a base language model: it has seen problems and solutions, in
many notations and not all of them right, but no chat template and no answer tags. It knows how to
sort and yet earns no reward, because it does not know how to answer.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from currlab.errors import CurrlabError
from currlab.progress import progress
from currlab.tasks import Problem, get_task

FORMATS = (
    "{prompt} -> {answer}",
    "{prompt} = {answer}",
    "{prompt}: {answer}",
    "Q: {prompt}\nA: {answer}",
    "Problem: {prompt}\nAnswer: {answer}",
)
STEP_FORMATS = (
    "{prompt} -> {steps} -> {answer}",
    "Q: {prompt}\n{steps}\nA: {answer}",
)


@dataclass(frozen=True)
class Corpus:
    """An endless corpus of worked problems; document `index` depends on (corpus, seed, index) only.

    `mixture` gives each arm ("task/level") its share of the documents; shares need not sum to 1.
    `good[level - 1]` is the share of right documents at a level. Of the others a share `slips` has
    one wrong or missing character, and the rest are guesses: the answer to another problem of the
    arm. `written` is the share with written steps, where a task has any.

    >>> Corpus({"sorting/1": 1.0}).document(seed=0, index=2)
    'sort 05 = 05'
    """

    mixture: Mapping[str, float]
    good: tuple[float, ...] = (0.95, 0.9, 0.85, 0.7, 0.5)
    slips: float = 0.7
    written: float = 0.1

    def __post_init__(self) -> None:
        weights = self.mixture.values()
        if min(weights, default=0) < 0 or sum(weights) <= 0:
            raise CurrlabError("Weights of a mixture must be 0 or more, and at least one above 0.")
        for share in (*self.good, self.slips, self.written):
            if not 0 <= share <= 1:
                raise CurrlabError(f"'good', 'slips' and 'written' are shares; got {share}.")
        for arm in self.mixture:
            name, _, level = arm.rpartition("/")
            if not (level.isdigit() and 1 <= int(level) <= len(self.good)):
                raise CurrlabError(
                    f"Arm '{arm}' of the corpus must be 'task/level' with a level from 1 to "
                    f"{len(self.good)}, for which 'good' has a share."
                )
            get_task(name).make(int(level), 0)

    def document(self, seed: int, index: int) -> str:
        """The worked problem number `index` of the corpus with this seed."""
        rng = random.Random(f"corpus/{seed}/{index}")
        (arm,) = rng.choices(list(self.mixture), weights=list(self.mixture.values()))
        name, _, digits = arm.rpartition("/")
        task, level = get_task(name), int(digits)
        problem = task.make(level, rng.randrange(2**31))
        steps = task.steps(problem) if rng.random() < self.written else []
        answer = problem.answer
        if rng.random() >= self.good[level - 1]:
            other = task.make(level, rng.randrange(2**31)).answer
            answer = slip(problem, rng) if rng.random() < self.slips else other
        return rng.choice(STEP_FORMATS if steps else FORMATS).format(
            prompt=problem.prompt, answer=answer, steps="\n".join(steps)
        )


def slip(problem: Problem, rng: random.Random) -> str:
    """The answer as a careless writer puts it down: one character left out, or another one."""
    at = rng.randrange(len(problem.answer))
    instead = rng.choice(["", rng.choice(sorted(set(problem.prompt + problem.answer)))])
    return problem.answer[:at] + instead + problem.answer[at + 1 :]


def encode_documents(
    documents: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> dict[str, torch.Tensor]:
    """Documents as a right-padded batch of shape [documents, tokens], each ended by ``<eos>``.

    Padding is no target: its labels are -100. Documents are not packed behind each other, although
    that would waste less: then every kind of problem would be met at every position, and what the
    model learns of short problems would reach longer ones that it has never seen.
    """
    rows = [
        torch.tensor([*tokenizer.encode(d, add_special_tokens=False), tokenizer.eos_token_id])
        for d in documents
    ]
    ids = pad_sequence(rows, batch_first=True, padding_value=tokenizer.pad_token_id)
    mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}


def pretrain(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    *,
    steps: int = 800,
    batch: int = 64,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> list[float]:
    """Train `model` in place on `steps` batches of `batch` documents; returns each step's loss.

    Losses are in nats per token; every token is a target, the problem's own included. The learning
    rate rises over the first twentieth of the steps and then falls linearly to a tenth.
    """
    for name, value in (("steps", steps), ("batch", batch)):
        if value < 1:
            raise CurrlabError(f"'{name}' must be at least 1; got {value}.")
    if not 0 < learning_rate < 1:
        raise CurrlabError(f"'learning_rate' must lie in (0, 1); got {learning_rate}.")
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.95))
    rise = max(1, steps // 20)
    schedule = LambdaLR(optimizer, lambda s: min((s + 1) / rise, 1 - 0.9 * s / steps))
    losses = []
    model.train()
    with progress("base pre-training", steps) as advance:
        for step in range(steps):
            documents = [corpus.document(seed, step * batch + i) for i in range(batch)]
            inputs = encode_documents(documents, tokenizer)
            loss = model(**{name: ids.to(model.device) for name, ids in inputs.items()}).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            advance(step + 1)
    model.eval()
    return losses
