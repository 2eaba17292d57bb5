"""A language model as the curriculum sees it, and rollouts as the loss sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from currlab.curricula.data import Group, Rollout, View
from currlab.errors import CurrlabError
from currlab.models.tokenizer import chat_prompt
from currlab.training.rollouts import ROWS_AT_A_TIME, sample_completions


class LanguagePolicy:
    """Samples completions from a model and counts what they cost; the dials' `core.Policy`.

    `tokens_generated` counts sampled tokens (the end-of-sequence token too), `tokens_forwarded`
    those and the prompts' and prefixes' tokens, a prompt that rows share counted once a call.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_new_tokens: int
    ) -> None:
        self.model, self.tokenizer, self.max_new_tokens = model, tokenizer, max_new_tokens
        self.tokens_generated = self.tokens_forwarded = 0

    def generate(
        self, views: Sequence[View], seeds: Sequence[int], temperature: float
    ) -> list[Rollout]:
        """One unscored rollout a view; row i depends on (view i, seed i) only. Greedy at 0."""
        if not views:
            return []
        questions = {view.prompt: prompt_ids(view.prompt, self.tokenizer) for view in set(views)}
        prefixes = {view.prefix: text_ids(view.prefix, self.tokenizer) for view in set(views)}
        prompts = [(*questions[view.prompt], *prefixes[view.prefix]) for view in views]
        completions = sample_completions(
            self.model,
            prompts,
            seeds,
            self.max_new_tokens,
            temperature,
            self.tokenizer.eos_token_id,
        )
        sampled = sum(len(completion.token_ids) for completion in completions)
        self.tokens_generated += sampled
        self.tokens_forwarded += sampled + sum(map(len, set(prompts)))
        ids = [
            (*prefixes[view.prefix], *completion.token_ids)
            for view, completion in zip(views, completions, strict=True)
        ]
        different = list(dict.fromkeys(ids))
        decoded = self.tokenizer.batch_decode(different, skip_special_tokens=True)
        texts = dict(zip(different, decoded, strict=True))
        return [
            Rollout(
                view,
                texts[row],
                row,
                len(prefixes[view.prefix]),
                entropy=completion.entropy,
                temperature=temperature,
            )
            for view, row, completion in zip(views, ids, completions, strict=True)
        ]

    def hidden(self, prompts: Sequence[str]) -> np.ndarray:
        """Hidden states of each prompt's last token, [prompts, layers + 1, hidden size].

        Entry 0 is the embedding, the last one what the next-token prediction is made from. Read in
        evaluation mode; nothing is sampled.
        """
        ids = [prompt_ids(prompt, self.tokenizer) for prompt in prompts]

        def last_states(rows: Sequence[int], padded: Tensor) -> np.ndarray:
            layers = self.model(
                input_ids=padded, use_cache=False, logits_to_keep=1, output_hidden_states=True
            ).hidden_states
            last = torch.tensor([len(ids[i]) - 1 for i in rows], device=padded.device)
            every = torch.arange(len(rows), device=padded.device)
            return torch.stack([layer[every, last] for layer in layers], 1).float().cpu().numpy()

        return np.array(self._read(ids, last_states))

    def logits(self, prompts: Sequence[str], answers: Sequence[str]) -> list[np.ndarray]:
        """Logits where each answer's tokens and the end after it are predicted.

        One array [answer tokens + 1, vocabulary] a row. Read in evaluation mode; nothing is sampled.
        """
        questions = [prompt_ids(prompt, self.tokenizer) for prompt in prompts]
        ids = [
            (*question, *text_ids(answer, self.tokenizer))
            for question, answer in zip(questions, answers, strict=True)
        ]

        def of_answers(rows: Sequence[int], padded: Tensor) -> list[np.ndarray]:
            scores = self.model(input_ids=padded, use_cache=False).logits.float().cpu().numpy()
            return [scores[at, len(questions[i]) - 1 : len(ids[i])] for at, i in enumerate(rows)]

        return self._read(ids, of_answers)

    def _read(
        self,
        ids: Sequence[tuple[int, ...]],
        forward: Callable[[Sequence[int], Tensor], Sequence[np.ndarray]],
    ) -> list[np.ndarray]:
        """What `forward` gives for each row of ids, in order; rows of like length go together.

        `forward` gets the numbers of the rows, and the rows padded on the right: a causal model does
        not look at what stands after a token, so the padding needs no mask.
        """
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        found: dict[int, np.ndarray] = {}
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                for start in range(0, len(order), ROWS_AT_A_TIME):
                    rows = order[start : start + ROWS_AT_A_TIME]
                    width = len(ids[rows[-1]])
                    padded = [[*ids[i], *[0] * (width - len(ids[i]))] for i in rows]
                    read = forward(rows, torch.tensor(padded, device=self.model.device))
                    found.update(zip(rows, read, strict=True))
        finally:
            self.model.train(was_training)
        self.tokens_forwarded += sum(map(len, ids))
        return [found[i] for i in range(len(ids))]


def text_ids(text: str, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The ids of a text as it stands, nothing added."""
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else ()


def prompt_ids(question: str, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The ids that the model continues when it is asked `question` (its chat template applied)."""
    return text_ids(chat_prompt(tokenizer, question), tokenizer)


# ---------------------------------------------------------------- from rollouts to tensors


@dataclass(frozen=True)
class Row:
    """One rollout as the update sees it; `mask` is 1 for completion tokens in the policy loss."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    mask: tuple[int, ...]
    advantage: float
    temperature: float

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.completion)


def training_rows(groups: Sequence[Group], tokenizer: PreTrainedTokenizerBase) -> list[Row]:
    """The kept rollouts of groups whose advantages are set, in order.

    The prompt is the view's `train_prompt` where it has one. CurrlabError if a group lacks its
    advantages or a view asks for more than this engine does with a forced prefix.
    """
    questions: dict[str, tuple[int, ...]] = {}
    rows = []
    for group in groups:
        if group.advantages is None:
            raise CurrlabError(f"The group of {group.problem.key} has no advantages yet.")
        for rollout, advantage in zip(group.rollouts, group.advantages, strict=True):
            if not rollout.kept:
                continue
            view = rollout.view
            question = view.prompt if view.train_prompt is None else view.train_prompt
            if question not in questions:
                questions[question] = prompt_ids(question, tokenizer)
            mask, heat = loss_mask(rollout), rollout.temperature or 1.0
            rows.append(Row(questions[question], rollout.token_ids, mask, advantage, heat))
    return rows


def loss_mask(rollout: Rollout) -> tuple[int, ...]:
    """1 for every completion token that takes part in the policy loss, 0 for the others."""
    view = rollout.view
    if view.prefix_nll or view.prefix_credit not in ("none", "all"):
        raise CurrlabError(
            "The tokens of a forced prefix get no credit ('none') or all of it ('all'), and no "
            f"likelihood term; this view asks for prefix_credit={view.prefix_credit!r}, "
            f"prefix_nll={view.prefix_nll}."
        )
    credit = int(view.prefix_credit == "all")
    return (credit,) * rollout.prefix_len + (1,) * (len(rollout.token_ids) - rollout.prefix_len)


@dataclass(frozen=True)
class TokenBatch:
    """Rows as tensors, padded on the right: a causal model then needs no attention mask.

    ===========  ==============  ==========================================================
    Symbol       Shape           Description
    ===========  ==============  ==========================================================
    ids          [R, T]          prompt, completion, padding
    first        ()              time of the earliest completion token of any row
    mask         [R, T - first]  1 where token `first + t` takes part in the policy loss
    advantages   [R]             one a row
    temperature  [R, 1]          what the row was sampled at
    ===========  ==============  ==========================================================
    """

    ids: Tensor
    first: int
    mask: Tensor
    advantages: Tensor
    temperature: Tensor


def token_batch(rows: Sequence[Row], device: torch.device | str = "cpu") -> TokenBatch:
    """Collate rows; the padding's id (0) stands after everything that counts."""
    width, first = max(row.length for row in rows), min(len(row.prompt) for row in rows)
    ids = [[*row.prompt, *row.completion] + [0] * (width - row.length) for row in rows]
    mask = [
        [0] * (len(row.prompt) - first) + list(row.mask) + [0] * (width - row.length)
        for row in rows
    ]
    return TokenBatch(
        torch.tensor(ids, device=device),
        first,
        torch.tensor(mask, device=device, dtype=torch.float32),
        torch.tensor([row.advantage for row in rows], device=device),
        torch.tensor([[row.temperature] for row in rows], device=device),
    )


def log_probabilities(model: PreTrainedModel, batch: TokenBatch) -> Tensor:
    """log pi(token `first + t`), [R, T - first], at the rows' temperatures, with gradient.

    Entries outside `batch.mask` mean nothing.
    """
    targets = batch.ids[:, batch.first :]
    logits = model(
        input_ids=batch.ids[:, :-1], use_cache=False, logits_to_keep=targets.shape[1]
    ).logits.float()
    scaled = logits / batch.temperature[:, :, None]
    return scaled.log_softmax(-1).gather(2, targets[:, :, None])[:, :, 0]
