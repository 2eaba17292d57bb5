"""A language model as the curriculum sees it: it answers, is read, and counts what that costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from currlab.curricula.data import Rollout, View
from currlab.models.tokenizer import prompt_ids, text_ids
from currlab.training.references import References
from currlab.training.rollouts import ROWS_AT_A_TIME, Completion, sample_completions

# (model, prompts' ids, seeds, max_new_tokens, temperature, end_id), as `sample_completions`.
Sampler = Callable[
    [PreTrainedModel, Sequence[Sequence[int]], Sequence[int], int, float, int], list[Completion]
]


class LanguagePolicy:
    """Samples completions from a model and counts what they cost; the dials' `core.Policy`.

    `tokens_generated` counts sampled tokens (the end-of-sequence token too), `tokens_forwarded`
    those and the prompts' and prefixes' tokens, a prompt that rows share counted once a call.
    `sampler` makes the completions; `vllm_sampler` has others.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        max_new_tokens: int,
        sampler: Sampler = sample_completions,
    ) -> None:
        self.model, self.tokenizer, self.max_new_tokens = model, tokenizer, max_new_tokens
        self.sampler = sampler
        self.references = References(model)
        self.tokens_generated = self.tokens_forwarded = 0

    def generate(
        self, views: Sequence[View], seeds: Sequence[int], temperature: float
    ) -> list[Rollout]:
        """One unscored rollout a view. Greedy at 0.

        Row i depends on (view i, seed i) only, as far as the sampler keeps that (vLLM's does not).
        """
        if not views:
            return []
        questions = {view.prompt: prompt_ids(view.prompt, self.tokenizer) for view in set(views)}
        prefixes = {view.prefix: text_ids(view.prefix, self.tokenizer) for view in set(views)}
        prompts = [(*questions[view.prompt], *prefixes[view.prefix]) for view in views]
        completions = self.sampler(
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

    def logits(
        self, prompts: Sequence[str], answers: Sequence[str], model: str = "self"
    ) -> list[np.ndarray]:
        """Logits where each answer's tokens and the end after it are predicted.

        One array [answer tokens + 1, vocabulary] a row. Read in evaluation mode; nothing is sampled.
        `model` is "self" or one of the recipe's references.
        """
        questions = [prompt_ids(prompt, self.tokenizer) for prompt in prompts]
        answered = [text_ids(answer, self.tokenizer) for answer in answers]
        return self._read_answers(questions, answered, lambda scores, _: scores, model)

    def log_probabilities(
        self, prompts: Sequence[str], answers: Sequence[str], model: str = "self"
    ) -> list[np.ndarray]:
        """log p of each answer's tokens and of the end after it, [answer tokens + 1] a row, in nats.

        As `logits`, at temperature 1, without the memory that a large vocabulary takes.
        """
        questions = [prompt_ids(prompt, self.tokenizer) for prompt in prompts]
        answered = [text_ids(answer, self.tokenizer) for answer in answers]

        def of_next(scores: Tensor, ids: Sequence[int]) -> Tensor:
            after = torch.tensor([*ids, self.tokenizer.eos_token_id], device=scores.device)
            return scores.log_softmax(-1).gather(1, after[:, None])[:, 0]

        return self._read_answers(questions, answered, of_next, model)

    def prefix_entropies(self, rollouts: Sequence[Rollout]) -> list[np.ndarray]:
        """Entropy of the policy where it predicts each token of a forced prefix, in nats.

        One array [prefix tokens] a rollout, given the prompt that the update conditions on.
        """
        questions = [prompt_ids(r.view.trained_prompt, self.tokenizer) for r in rollouts]
        prefixes = [r.token_ids[: r.prefix_len] for r in rollouts]

        def entropy(scores: Tensor, ids: Sequence[int]) -> Tensor:
            return torch.distributions.Categorical(logits=scores[: len(ids)]).entropy()

        return self._read_answers(questions, prefixes, entropy)

    def _read_answers(
        self,
        questions: Sequence[tuple[int, ...]],
        answers: Sequence[tuple[int, ...]],
        what: Callable[[Tensor, Sequence[int]], Tensor],
        model: str = "self",
    ) -> list[np.ndarray]:
        """`what` is made of (logits [answer tokens + 1, V], answer's ids) of each row."""
        ids = [(*q, *a) for q, a in zip(questions, answers, strict=True)]
        network = self.references[model]

        def of_answers(rows: Sequence[int], padded: Tensor) -> list[np.ndarray]:
            scores = network(input_ids=padded, use_cache=False).logits.float()
            return [
                what(scores[at, len(questions[i]) - 1 : len(ids[i])], answers[i]).cpu().numpy()
                for at, i in enumerate(rows)
            ]

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
