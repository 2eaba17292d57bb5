"""GRPO from scratch: the loop that notebook 04 derives, and the fast engine on a CPU.

What is simplified: by default one optimiser step a batch of rollouts, so that the weights that
sample are the weights that learn (the ratio in the loss is 1, its gradient the policy gradient); no
KL term; a constant learning rate; one process. TRL's trainer does the rest, and a test holds both together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from currlab.curricula.core import Recipe
from currlab.curricula.data import Catalog, Clock, Group
from currlab.evaluation import evaluate
from currlab.progress import progress as progress_bar
from currlab.runs import Run
from currlab.training.checkpoints import read_checkpoint, read_references, write_checkpoint
from currlab.training.collect import Collector, with_advantages
from currlab.training.config import TrainingConfig
from currlab.training.loss import grpo_loss
from currlab.training.loss_terms import (
    LikelihoodTerm,
    Sampled,
    batches,
    likelihood_losses,
    likelihood_terms,
    loss_batch,
    sampled,
)
from currlab.training.policy import LanguagePolicy
from currlab.training.records import group_metrics, group_record, learner_record, run_results
from currlab.training.rows import TokenBatch, log_probabilities, token_batch, training_rows
from currlab.training.steering import Change, rebuilt, steered


@dataclass(frozen=True)
class StepBatch:
    """What one step learns from: batches of rows, each with what the weights that sampled it say of
    it (None: they are the present ones), the tokens that the loss is averaged over, and terms of
    likelihood."""

    groups: Sequence[Group]
    parts: Sequence[tuple[TokenBatch, Sampled | None]]
    tokens: int
    terms: Sequence[LikelihoodTerm]


class ScratchTrainer:
    """Trains `model` in place under a recipe; `step()` by `step()`, or `train()` to the end.

    `history` holds everything logged, by stream; with a `run` it is on disk, too, and a run that
    holds a checkpoint is gone on with, bit for bit on a CPU. `planned` are changes of the recipe
    that `train` makes at their steps: those of a run that is repeated, or that was killed after
    them.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        recipe: Recipe,
        config: TrainingConfig,
        run: Run | None = None,
    ) -> None:
        self.model, self.tokenizer, self.recipe = model, tokenizer, recipe
        self.config, self.run = config, run
        self.policy = LanguagePolicy(model, tokenizer, config.max_new_tokens)
        self.policy.references.keep(recipe.references())
        self.collector = Collector(recipe, config.catalog(), self.policy, config.seed)
        self.weights = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.weights,
            lr=config.learning_rate,
            betas=config.adam_betas,
            weight_decay=0.0,
            fused=True,
        )
        self.clock = Clock()
        self.tokens_trained = 0
        streams = ("metrics", "groups", "eval", "steering")
        self.history: dict[str, list[dict[str, Any]]] = {stream: [] for stream in streams}
        self.planned: list[Change] = []
        self.stopped = False
        if run:
            run.note_learner(learner_record(tokenizer))
            self._resume(run)

    # ------------------------------------------------------------ one step

    def step(self) -> dict[str, float]:
        """One GRPO step; its metrics, which are also logged."""
        times = [perf_counter()]
        picks = self.collector.choose(self.config.prompts_per_step, self.clock)
        times.append(perf_counter())
        groups = with_advantages(self.recipe, self.collector.collect(picks, self.clock))
        times.append(perf_counter())
        metrics = {"step": self.clock.step + 1, **group_metrics(groups), **self.update(groups)}
        times.append(perf_counter())
        tokens = self.config.spent(self.policy.tokens_generated, self.tokens_trained)
        share = self.config.share(self.clock.step + 1, tokens)
        self.clock = Clock(self.clock.step + 1, share, tokens)
        metrics |= self._costs()
        self.recipe.observe(groups, metrics)
        chosen, collected, updated, observed = np.diff([*times, perf_counter()]).tolist()
        metrics["seconds_generation"] = collected
        metrics["seconds_update"] = updated
        metrics["seconds_curriculum"] = chosen + observed
        self._log("metrics", metrics)
        for group in groups:
            self._log("groups", group_record(group))
        return metrics

    def update(self, groups: Sequence[Group]) -> dict[str, float]:
        """Move the weights once, or `iterations` times; the first loss, and its gradient's norm
        before clipping.

        A step without any advantage still steps the optimiser with a zero gradient: its momentum
        goes on moving the weights, exactly as in TRL.
        """
        self.model.train()
        batch = self._batch(groups)
        told = []
        for _ in range(self.config.iterations):
            for weight in self.weights:
                weight.grad = torch.zeros_like(weight)
            loss = self._backward(batch)
            norm = torch.nn.utils.clip_grad_norm_(self.weights, self.config.max_grad_norm)
            self.optimizer.step()
            told.append({"loss": loss, "grad_norm": norm.item()})
        self.policy.references.follow()
        return told[0]

    def backward(self, groups: Sequence[Group]) -> float:
        """Add the gradient of the groups' loss to the weights' gradients; the loss."""
        return self._backward(self._batch(groups))

    def _batch(self, groups: Sequence[Group]) -> StepBatch:
        """A step's rows as tensors, with what the weights that sampled them say of them.

        Rows without advantage have no gradient: they are left out of forward and backward, and
        count in the loss's average only. An objective of the update dial's own gets every row.
        """
        rows = training_rows(groups, self.tokenizer, self.policy)
        update, device = self.recipe.update, self.model.device
        tokens = sum(sum(row.mask) for row in rows)
        if update.objective is None:
            rows = [row for row in rows if row.advantage != 0]
            parts = list(batches(rows, self.model))
        else:
            parts = [token_batch(rows, device)]
        terms = likelihood_terms(
            self.recipe, groups, self.collector.catalog, self.clock, self.tokenizer
        )
        references, old = self.policy.references, [None] * len(parts)
        compares = update.objective is not None and references.kept
        if compares or self.config.iterations > 1:
            old = [sampled(self.model, part, update.needs_entropies, references) for part in parts]
        trained = [*rows, *(row for term in terms for row in term.rows)]
        self.tokens_trained += self.config.iterations * sum(sum(row.mask) for row in trained)
        return StepBatch(groups, list(zip(parts, old, strict=True)), tokens, terms)

    def _backward(self, batch: StepBatch) -> float:
        update, total = self.recipe.update, 0.0
        factor, _ = update.weights(self.clock)
        for part, old in batch.parts:
            if update.objective is not None:
                told = loss_batch(self.model, part, update.needs_entropies, old)
                loss = update.objective(told, batch.groups)
            else:
                new = log_probabilities(self.model, part)
                sampling = new.detach() if old is None else old.log_probabilities
                loss = grpo_loss(new, sampling, part.advantages, part.mask, tokens=batch.tokens)
            loss = factor * loss
            loss.backward()
            total += loss.item()
        for loss in likelihood_losses(self.model, batch.terms):
            loss.backward()
            total += loss.item()
        return total

    # ------------------------------------------------------------ a whole run

    def train(
        self,
        progress: bool = True,
        on_step: Callable[[Mapping[str, float]], None] | None = None,
        before_step: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """Steps until the budget is spent, evaluations and checkpoints in between; the results.

        `on_step` is called with every step's metrics, after the evaluation that may follow it;
        `before_step` before every step, where it may `steer`.
        """
        total = self.config.token_budget or self.config.steps
        if self.clock.step == 0 and self.config.eval_every:
            self.evaluate(sampled=True)
        with progress_bar("GRPO", total) if progress else nullcontext() as advance:
            while self._goes_on(before_step):
                metrics = self.step()
                self._evaluate_and_save()
                if advance is not None:
                    advance(self.clock.tokens if self.config.token_budget else self.clock.step)
                if on_step is not None:
                    on_step(metrics)
        if self.stopped:
            self._end_early()
        results = self.results()
        if self.run:
            self.run.finish(results)
        return results

    def _goes_on(self, before_step: Callable[[], None] | None) -> bool:
        """Is there another step? What is to change before it is changed here."""
        while self.planned and self.planned[0].step <= self.clock.step:
            self.steer(self.planned.pop(0))
        if before_step is not None and not self.stopped and self.clock.share < 1:
            before_step()
        return not self.stopped and self.clock.share < 1

    def steer(self, change: Change) -> None:
        """Make a change between two steps, and log it. Nothing is changed if it is refused."""
        if change.change == "stop":
            self.stopped = True
        else:
            recipe, catalog = steered(self.recipe, self.collector.catalog, change)
            self._adopt(recipe, catalog)
        self._log("steering", asdict(change))

    def _adopt(self, recipe: Recipe, catalog: Catalog) -> None:
        """Go on under this recipe and catalog, whose select strategy is bound already."""
        self.recipe = self.collector.recipe = recipe
        self.collector.catalog = catalog
        self.policy.references.keep(recipe.references())

    def _evaluate_and_save(self) -> None:
        """What is due after this step; at the end of the run both are."""
        step, last = self.clock.step, self.clock.share >= 1
        every = self.config.eval_every
        if every and (last or step % every == 0):
            self.evaluate(sampled=last)
        every = self.config.checkpoint_every
        if self.run and every and (last or step % every == 0):
            self.save(self.run.checkpoints / f"checkpoint-{step}")

    def _end_early(self) -> None:
        """What the end of a run has, for a run that was stopped, unless its last step had it."""
        if self.config.eval_every and self.clock.step not in {
            r["step"] for r in self.history["eval"]
        }:
            self.evaluate(sampled=True)
        folder = self.run and self.run.checkpoints / f"checkpoint-{self.clock.step}"
        if folder and self.config.checkpoint_every and not folder.exists():
            self.save(folder)

    def evaluate(self, sampled: bool = True) -> list[dict[str, Any]]:
        """Accuracy on held-out problems now, logged. Costs no budget, reaches no curriculum."""
        judge = LanguagePolicy(self.model, self.tokenizer, self.config.max_new_tokens)
        rows = evaluate(judge, self.config.levels, self.config.eval_problems, sampled)
        rows = [{"step": self.clock.step, "tokens": self.clock.tokens, **row} for row in rows]
        for row in rows:
            self._log("eval", row)
        return rows

    def results(self) -> dict[str, Any]:
        """The run in short: recipe, costs and the last evaluation."""
        return run_results("scratch", self.recipe, self._costs(), self.history, self.clock.step)

    def _costs(self) -> dict[str, float]:
        """What the run has cost so far."""
        return {
            "share": self.clock.share,
            "tokens_generated": self.policy.tokens_generated,
            "tokens_forwarded": self.policy.tokens_forwarded,
            "tokens_trained": self.tokens_trained,
        }

    def _log(self, stream: str, record: Mapping[str, Any]) -> None:
        self.history[stream].append(dict(record))
        if self.run:
            self.run.log(stream, record)

    # ------------------------------------------------------------ checkpoints

    def save(self, folder: str | Path) -> None:
        """Write a checkpoint: weights and optimiser as safetensors, currlab.json last."""
        record = {
            "engine": "scratch",
            "step": self.clock.step,
            "tokens": self.policy.tokens_generated,
            "tokens_forwarded": self.policy.tokens_forwarded,
            "tokens_trained": self.tokens_trained,
            "recipe": self.recipe.state_dict(),
            "dials": self.recipe.describe(),
            "arms": self.collector.catalog.arms,
            "offsets": self.run.offsets() if self.run else {},
        }
        references = self.policy.references.tensors()
        write_checkpoint(folder, self.model, self.tokenizer, self.optimizer, record, references)

    def load(self, folder: str | Path) -> dict[str, Any]:
        """Go on from a checkpoint; its currlab.json. CurrlabError if it is damaged or foreign."""
        record = read_checkpoint(folder, self.model, self.optimizer, engine="scratch")
        catalog = self.collector.catalog
        self._adopt(*rebuilt(self.recipe, catalog, record["dials"], record["arms"]))
        self.recipe.load_state_dict(record["recipe"])
        self.policy.references.load(read_references(folder))
        self.policy.tokens_generated = record["tokens"]
        self.policy.tokens_forwarded = record["tokens_forwarded"]
        self.tokens_trained = record["tokens_trained"]
        step = record["step"]
        tokens = self.config.spent(self.policy.tokens_generated, self.tokens_trained)
        self.clock = Clock(step, self.config.share(step, tokens), tokens)
        return record

    def _resume(self, run: Run) -> None:
        """Stand where the newest checkpoint stands, the logs cut back to it; or at the start."""
        newest, steering = run.newest_checkpoint(), run.records("steering")
        run.cut(self.load(newest)["offsets"] if newest else {})
        self.history = {stream: run.records(stream) for stream in self.history}
        # What was changed after that checkpoint is changed again when its step comes.
        again = steering[len(self.history["steering"]) :]
        self.planned = [Change.read(record) for record in again]
