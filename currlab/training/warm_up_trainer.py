"""TRL's SFTTrainer with rows that are chosen when they are due, hidden tokens and losses of its own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase
from trl import SFTTrainer

from currlab.errors import CurrlabError
from currlab.training.references import References
from currlab.training.warm_up_losses import Imitated, WarmUpLoss
from currlab.training.warm_up_rows import Row, check_template


class WarmUpTrainer(SFTTrainer):
    """Trains on the next of `batches`, if there are any, in place of a batch of its data set.

    A data loader fetches one batch ahead; a strategy that asks the model must be asked after the
    last update. With `hiding`, part of what the model reads of the answers is hidden from it.
    """

    batches: Iterator[list[Row]] | None = None
    hiding: MaskedThought | None = None

    def minimise(self, loss: WarmUpLoss, references: References, seed: int) -> None:
        """Train by `loss` in place of TRL's own; `references` are the models that it reads."""
        self.token_loss, self.read = loss, references
        self.generator = torch.Generator(self.model.device).manual_seed(seed)
        self.compute_loss_func = self._mean_loss

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        if self.batches is not None:
            rows = next(self.batches)
            check_template(self.model, self.processing_class, rows)
            inputs = self.data_collator([self._features(row) for row in rows])
            num_items_in_batch = (inputs["labels"] != -100).sum()
        if self.hiding is not None:
            inputs["input_ids"] = self.hiding(inputs["input_ids"], inputs["labels"])
        return super().training_step(model, inputs, num_items_in_batch)

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        # A loss function of TRL's sees outputs and labels only; other models must read the inputs.
        self.inputs = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        return super().compute_loss(model, inputs, *args, **kwargs)

    def _mean_loss(self, outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        """The loss averaged over the imitated tokens, as TRL averages its own."""
        targets = labels[:, 1:]
        mask = targets != -100
        logits = outputs.logits[:, :-1].float()
        with torch.no_grad():
            others = {name: self._logits_of(name, logits) for name in self.read.kept}
        batch = Imitated(logits, targets.clamp(min=0), mask, others, self.generator)
        tokens = mask.sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch)
        return (self.token_loss.token_losses(batch) * mask).sum() / tokens.clamp(min=1)

    def _logits_of(self, name: str, own: Tensor) -> Tensor:
        logits = self.read[name](**self.inputs, use_cache=False).logits[:, :-1].float()
        if logits.shape != own.shape:
            raise CurrlabError(
                f"The model '{name}' has a vocabulary of {logits.shape[-1]} tokens and the model "
                f"that is trained one of {own.shape[-1]}; they must share their tokenizer."
            )
        return logits

    def _features(self, row: Row) -> dict[str, list[int]]:
        """Token ids of a row, and labels that leave its prompt out."""
        encode = partial(self.processing_class.apply_chat_template, return_dict=False)
        prompt = encode(row["prompt"], add_generation_prompt=True)
        ids = encode(row["prompt"] + row["completion"])
        return {"input_ids": ids, "labels": [-100] * len(prompt) + ids[len(prompt) :]}


class MaskedThought:
    """Hides random tokens of a worked solution from the model that imitates it.

    The model must still predict every token, but cannot lean on all that stands before it: labels
    stay as they are, and a share of the answer's tokens is replaced in the input by the mask token (by
    the padding token where there is none). Source: Masked Thought (arXiv 2403.02178). That tokens of
    the worked solution are hidden and labels stay is the paper's; that the share is constant, and
    that special and added tokens (the tags, the end of the text) are never hidden, is ours.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, share: float, seed: int) -> None:
        known = tokenizer.mask_token_id
        self.replacement = tokenizer.pad_token_id if known is None else known
        kept = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
        self.kept = torch.tensor(sorted(kept))
        self.share = share
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, ids: Tensor, labels: Tensor) -> Tensor:
        """The ids [R, T] with about `share` of the completions' ordinary tokens replaced."""
        drawn = torch.rand(ids.shape, generator=self.generator).to(ids.device) < self.share
        ordinary = (labels != -100) & ~torch.isin(ids, self.kept.to(ids.device))
        return ids.masked_fill(drawn & ordinary, self.replacement)
