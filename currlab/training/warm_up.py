"""SFT warm-up: worked solutions in the chat template, through TRL's SFTTrainer.

GRPO learns from differences between rollouts. A base model never writes the answer tags, so that
every rollout earns 0 and there is nothing to learn from; a short warm-up on easy levels buys the
format, and leaves the hard levels to reinforcement learning.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from datasets import Dataset, disable_progress_bars, enable_progress_bars, is_progress_bar_enabled
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
)
from trl import SFTConfig

from currlab.curricula.core import Select
from currlab.curricula.data import Catalog
from currlab.errors import CurrlabError
from currlab.progress import progress
from currlab.tasks.text import check_share
from currlab.training.policy import LanguagePolicy
from currlab.training.references import References
from currlab.training.warm_up_chains import make_chains
from currlab.training.warm_up_losses import Likelihood, make_loss
from currlab.training.warm_up_rows import Row, check_template, chosen_batches, worked_messages
from currlab.training.warm_up_trainer import MaskedThought, WarmUpTrainer

# The lead example: sorting, mostly the easy levels, a few glimpses of the hard ones.
LEAD_MIXTURE: Mapping[str, float] = {
    "sorting/1": 1.0,
    "sorting/2": 1.0,
    "sorting/3": 0.6,
    "sorting/4": 0.2,
    "sorting/5": 0.05,
}
# The longest answer that a strategy may ask the model for before it chooses.
ANSWER_TOKENS = 64


def warm_up(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    mixture: Mapping[str, float] = LEAD_MIXTURE,
    *,
    steps: int = 400,
    batch: int = 64,
    learning_rate: float = 3e-3,
    seed: int = 0,
    thought: bool = False,
    log_every: int = 10,
    select: Select | None = None,
    rows: Sequence[Row] | None = None,
    chains: Mapping[str, Any] | None = None,
    loss: str = "nll",
    loss_settings: Mapping[str, Any] | None = None,
    hidden: float = 0.0,
) -> list[dict[str, float]]:
    """Fine-tune `model` in place on fresh worked problems, drawn from the arms of `mixture`.

    `mixture` gives each arm ("task/level") its weight; with `thought` the written steps come
    first. A `select` strategy decides instead which problems make up each batch (the weights then do
    not count). Before each batch it may ask the model as it is then; it is never told how often the
    learner succeeds, so a strategy that waits for pass rates learns nothing here.
    The loss is on the completion only, ``<eos>`` included; the learning rate falls linearly to 0.
    The defaults suit a model that starts from random weights or meets a new task; a base that knows
    the task needs less (`make_weights.making`).

    What a recipe may change:

    - `rows` are imitated in place of the mixture's problems, in random order, as often as `steps`
      and `batch` ask for (`warm_up_data.self_answers`);
    - `chains`, such as ``{"backtracks": 2}``, are the planted behaviours of `warm_up_chains.Chains`;
    - `loss` is one of `warm_up_losses.LOSSES`, with `loss_settings` for its parameters;
    - `hidden` is the share of each answer's tokens that the model cannot read (Masked Thought).

    Returns one record every `log_every` steps: the means since the last one of ``loss`` (nats per
    completion token, or what `loss` has in their place) and ``token_accuracy`` (share of completion
    tokens whose likeliest value is right).

    >>> records = warm_up(model, tokenizer, {"sorting/1": 1.0}, steps=100)  # doctest: +SKIP
    >>> records[-1]["loss"] < records[0]["loss"]  # doctest: +SKIP
    True
    """
    check_at_least_1(steps=steps, batch=batch, log_every=log_every)
    if not 0 < learning_rate < 1:
        raise CurrlabError(f"'learning_rate' must lie in (0, 1); got {learning_rate}.")
    check_share(hidden)
    planted = None if chains is None else make_chains(**chains)
    if rows is not None and (select or planted or not rows):
        raise CurrlabError(
            "Rows of your own must not be empty, and go with no 'select' or 'chains'."
        )
    token_loss = make_loss(loss, **(loss_settings or {}))
    # A strategy chooses its rows step by step; the data set is then only what the trainer asks for.
    n = batch if select else steps * batch
    messages = rows or worked_messages(mixture, n, seed, thought, planted)
    check_template(model, tokenizer, messages)
    references = References(model)
    references.keep(token_loss.references())
    with side_effects_undone(model), tempfile.TemporaryDirectory() as folder:
        settings = _trainer_settings(
            model, folder, steps, batch, learning_rate, seed, min(log_every, steps)
        )
        data = Dataset.from_list(list(messages))
        trainer = WarmUpTrainer(model, settings, train_dataset=data, processing_class=tokenizer)
        if select:
            policy = LanguagePolicy(model, tokenizer, ANSWER_TOKENS)
            numbers = {"steps": steps, "batch": batch, "seed": seed}
            trainer.batches = chosen_batches(
                select, Catalog(tuple(mixture)), policy, **numbers, thought=thought, chains=planted
            )
        if loss != Likelihood.name:  # TRL computes that one without all the logits
            trainer.minimise(token_loss, references, seed)
        if hidden:
            trainer.hiding = MaskedThought(tokenizer, hidden, seed)
        return _records(trainer, steps)


def _records(trainer: WarmUpTrainer, steps: int) -> list[dict[str, float]]:
    """Train, and what was logged meanwhile."""
    trainer.remove_callback(PrinterCallback)
    with progress("SFT warm-up", steps) as advance:
        trainer.add_callback(ShowProgress(advance))
        trainer.train()
    trainer.model.eval()
    return [
        {"step": r["step"], "loss": r["loss"], "token_accuracy": r["mean_token_accuracy"]}
        for r in trainer.state.log_history
        if "loss" in r
    ]


def _trainer_settings(
    model: PreTrainedModel,
    folder: str,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
    log_every: int,
) -> SFTConfig:
    """TRL's settings of a warm-up that leaves nothing on disk."""
    return SFTConfig(
        output_dir=folder,
        max_steps=steps,
        per_device_train_batch_size=batch,
        learning_rate=learning_rate,
        adam_beta2=0.95,
        lr_scheduler_type="linear",
        seed=seed,
        use_cpu=model.device.type == "cpu",
        bf16=False,
        gradient_checkpointing=False,
        max_length=None,
        logging_steps=log_every,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=model.device.type != "cpu",
    )


def check_at_least_1(**numbers: int) -> None:
    for name, value in numbers.items():
        if value < 1:
            raise CurrlabError(f"'{name}' must be at least 1; got {value}.")


class ShowProgress(TrainerCallback):
    """Tells our own progress display how far the trainer is."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.advance = advance

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.advance(state.global_step)


@contextmanager
def side_effects_undone(model: PreTrainedModel) -> Iterator[None]:
    """Leave no trace but the trained weights.

    The trainer seeds the global generators, and replaces `model.forward` on the instance: a copy
    of the model would then silently compute with the original's weights.
    """
    python, numpy, bars = random.getstate(), np.random.get_state(), is_progress_bar_enabled()
    forward = vars(model).get("forward")
    disable_progress_bars()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        if bars:
            enable_progress_bars()
        vars(model).pop("forward", None)
        if forward is not None:
            model.forward = forward
