"""SFT warm-up: worked solutions in the chat template, through TRL's SFTTrainer.

GRPO learns from differences between rollouts. A base model never writes the answer tags, so that
every rollout earns 0 and there is nothing to learn from; a short warm-up on easy levels buys the
format, and leaves the hard levels to reinforcement learning.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from datasets import Dataset, disable_progress_bars, enable_progress_bars, is_progress_bar_enabled
from torch import Tensor
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
)
from trl import SFTConfig, SFTTrainer

from currlab.curricula.core import Select
from currlab.curricula.data import Catalog, Clock, Policy
from currlab.errors import CurrlabError
from currlab.progress import progress
from currlab.training.policy import LanguagePolicy

# The lead example: sorting, mostly the easy levels, a few glimpses of the hard ones.
LEAD_MIXTURE: Mapping[str, float] = {
    "sorting/1": 1.0,
    "sorting/2": 1.0,
    "sorting/3": 0.6,
    "sorting/4": 0.2,
    "sorting/5": 0.05,
}


# One row in TRL's conversational prompt-completion format.
Row = dict[str, list[dict[str, str]]]
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
) -> list[dict[str, float]]:
    """Fine-tune `model` in place on fresh worked problems, drawn from the arms of `mixture`.

    `mixture` gives each arm ("task/level") its weight; with `thought` the written steps come
    first. A `select` strategy decides instead which problems make up each batch (the weights then do
    not count). Before each batch it may ask the model as it is then; it is never told how often the
    learner succeeds, so a strategy that waits for pass rates learns nothing here.
    The loss is on the completion only, ``<eos>`` included; the learning rate falls linearly to 0.
    The defaults suit a model that starts from random weights or meets a new task; a base that knows
    the task needs less (`make_weights.WARM_UP`).

    Returns one record every `log_every` steps: the means since the last one of ``loss`` (nats per
    completion token) and ``token_accuracy`` (share of completion tokens whose likeliest value is
    right).

    >>> records = warm_up(model, tokenizer, {"sorting/1": 1.0}, steps=100)  # doctest: +SKIP
    >>> records[-1]["loss"] < records[0]["loss"]  # doctest: +SKIP
    True
    """
    _check_numbers(steps=steps, batch=batch, log_every=log_every)
    if not 0 < learning_rate < 1:
        raise CurrlabError(f"'learning_rate' must lie in (0, 1); got {learning_rate}.")
    # A strategy chooses its rows step by step; the data set is then only what the trainer asks for.
    messages = worked_messages(mixture, batch if select else steps * batch, seed, thought)
    check_template(model, tokenizer, messages)
    with _side_effects_undone(model), tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
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
            logging_steps=min(log_every, steps),
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=model.device.type != "cpu",
        )
        trainer = _ChosenRowsTrainer(
            model, settings, train_dataset=Dataset.from_list(messages), processing_class=tokenizer
        )
        if select:
            policy = LanguagePolicy(model, tokenizer, ANSWER_TOKENS)
            catalog = Catalog(tuple(mixture))
            trainer.batches = chosen_batches(
                select, catalog, policy, steps=steps, batch=batch, seed=seed, thought=thought
            )
        trainer.remove_callback(PrinterCallback)
        with progress("SFT warm-up", steps) as advance:
            trainer.add_callback(_Progress(advance))
            trainer.train()
    model.eval()
    return [
        {"step": r["step"], "loss": r["loss"], "token_accuracy": r["mean_token_accuracy"]}
        for r in trainer.state.log_history
        if "loss" in r
    ]


def worked_messages(mixture: Mapping[str, float], n: int, seed: int, thought: bool) -> list[Row]:
    """`n` rows of TRL's conversational prompt-completion format; equal seeds give equal rows."""
    catalog = Catalog(tuple(mixture))
    if min(mixture.values()) < 0 or sum(mixture.values()) <= 0:
        raise CurrlabError("Weights of a mixture must be 0 or more, and at least one above 0.")
    rng = random.Random(f"warm-up/{seed}")
    arms = rng.choices(catalog.arms, weights=list(mixture.values()), k=n)
    return [_worked_row(catalog, arm, rng.randrange(2**31), thought) for arm in arms]


def chosen_batches(
    select: Select,
    catalog: Catalog,
    policy: Policy,
    *,
    steps: int,
    batch: int,
    seed: int,
    thought: bool = False,
) -> Iterator[list[Row]]:
    """Rows as in `worked_messages`: the `steps` batches of `select`, each chosen when it is due."""
    select.bind(catalog)
    rng = random.Random(f"warm-up/{seed}")
    for step in range(steps):
        clock = Clock(step, step / steps)
        select.probe(policy, clock)
        yield [
            _worked_row(
                catalog, pick.arm, rng.randrange(2**31) if pick.seed is None else pick.seed, thought
            )
            for pick in select.choose(batch, clock)
        ]


def _worked_row(catalog: Catalog, arm: str, seed: int, thought: bool) -> Row:
    problem = catalog.problem(arm, seed)
    return {
        "prompt": [{"role": "user", "content": problem.prompt}],
        "completion": [{"role": "assistant", "content": catalog.worked(problem, thought)}],
    }


def check_template(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: list[Row]
) -> None:
    """Refuse a tokenizer that would lose what is to be learnt, or a problem that does not fit.

    The longest row must come back whole from its ids as a verifier will see it, which is without
    special tokens: tags that are special would vanish, and every reward would be 0.
    """
    if tokenizer.chat_template is None:
        raise CurrlabError(
            "The tokenizer has no chat template; an instruct model's tokenizer does."
        )
    row = max(rows, key=lambda r: len(r["prompt"][0]["content"] + r["completion"][0]["content"]))
    ids = tokenizer.apply_chat_template(row["prompt"] + row["completion"], return_dict=False)
    answer = row["completion"][0]["content"]
    if answer not in tokenizer.decode(ids, skip_special_tokens=True):
        raise CurrlabError(
            f"The tokenizer does not give back the worked solution {answer!r}: its characters and "
            "the tags must be ordinary tokens, not unknown or special ones."
        )
    if tokenizer.eos_token_id not in ids:
        raise CurrlabError(
            "The chat template does not end the answer with the tokenizer's end-of-text token, so "
            "the model would never learn to stop."
        )
    if len(ids) > model.config.max_position_embeddings:
        raise CurrlabError(
            f"A worked problem takes {len(ids)} tokens, but the model's context holds only "
            f"{model.config.max_position_embeddings}; choose lower levels."
        )


def _check_numbers(**numbers: int) -> None:
    for name, value in numbers.items():
        if value < 1:
            raise CurrlabError(f"'{name}' must be at least 1; got {value}.")


class _ChosenRowsTrainer(SFTTrainer):
    """Trains on the next of `batches`, if there are any, in place of a batch of its data set.

    A data loader fetches one batch ahead; a strategy that asks the model must be asked after the
    last update.
    """

    batches: Iterator[list[Row]] | None = None

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        if self.batches is not None:
            rows = next(self.batches)
            check_template(self.model, self.processing_class, rows)
            inputs = self.data_collator([self._features(row) for row in rows])
            num_items_in_batch = (inputs["labels"] != -100).sum()
        return super().training_step(model, inputs, num_items_in_batch)

    def _features(self, row: Row) -> dict[str, list[int]]:
        """Token ids of a row, and labels that leave its prompt out."""
        encode = partial(self.processing_class.apply_chat_template, return_dict=False)
        prompt = encode(row["prompt"], add_generation_prompt=True)
        ids = encode(row["prompt"] + row["completion"])
        return {"input_ids": ids, "labels": [-100] * len(prompt) + ids[len(prompt) :]}


class _Progress(TrainerCallback):
    """Tells our own progress display how far the trainer is."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.advance = advance

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.advance(state.global_step)


@contextmanager
def _side_effects_undone(model: PreTrainedModel) -> Iterator[None]:
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
