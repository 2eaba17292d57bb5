"""GRPO under a curriculum in TRL: `GRPOTrainer` with the five dials plugged into its public hooks."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from time import perf_counter
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object
from datasets import Dataset
from peft import PeftConfig
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback
from transformers.trainer_utils import TrainOutput
from trl import GRPOTrainer

from currlab.curricula.core import Recipe
from currlab.curricula.data import Clock, Group, Pick
from currlab.errors import CurrlabError
from currlab.progress import progress as progress_bar
from currlab.runs import Run
from currlab.training import trl_data
from currlab.training.collect import Collector, with_advantages
from currlab.training.config import TrainingConfig
from currlab.training.loss_terms import (
    LikelihoodTerm,
    Sampled,
    likelihood_losses,
    likelihood_terms,
    loss_batch,
    sampled,
)
from currlab.training.policy import LanguagePolicy
from currlab.training.rows import kept_rollouts, policy_rows, token_batch
from currlab.training.trl_callback import CurriculumCallback
from currlab.training.trl_steering import TrlSteering
from currlab.training.vllm_checks import SERVER, check_vllm
from currlab.training.vllm_sampler import stored, trl_sampler, trl_settings


class CurriculumGRPOTrainer(GRPOTrainer):
    """TRL's `GRPOTrainer`, with prompts, rollouts, rewards and advantages that come from a recipe.

    In every step: `select` picks problems (after the step before was observed), our rollouts
    generate and score them inside TRL's `rollout_func`, TRL computes the loss and updates, and the
    recipe observes the groups of all processes. Under torchrun each process holds an equal share of
    the step's groups, and every process comes to the same picks.

    `skip_zero_advantage` leaves rows without advantage out of forward and backward, if the loss is
    one that this does not change. `micro_batches` splits a step's update to save memory. Logs,
    evaluations and checkpoints go to `run`, which only process 0 is given. The model is trained in
    place; with `peft_config` the adapters that TRL adds are, and `trainer.model` holds them.

    `vllm` says who samples: "off", our own rollouts; "colocate", a vLLM engine in each process;
    "server", the one at the address `vllm_server`. CurrlabError where that cannot be had.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        recipe: Recipe,
        config: TrainingConfig,
        run: Run | None = None,
        peft_config: PeftConfig | None = None,
        micro_batches: int = 1,
        skip_zero_advantage: bool = True,
        vllm: str = "off",
        vllm_server: str = SERVER,
    ) -> None:
        device = next(model.parameters()).device
        check_vllm(vllm, device, vllm_server)
        # Joins the processes that torchrun started, before anything depends on their number.
        processes = PartialState(cpu=device.type == "cpu").num_processes
        trl_data.check_recipe(recipe, config, processes, micro_batches)
        self.recipe, self.config = recipe, config
        plan = trl_data.step_plan(recipe, config)
        # Rows of a step for each of its picks: room for all rollouts that the recipe may keep.
        self.room = recipe.sample.growth * sum(plan.rollouts) // config.prompts_per_step
        self.picks_here = config.prompts_per_step // processes
        self._temporary = None if run else tempfile.TemporaryDirectory()
        folder = str(run.checkpoints) if run else self._temporary.name
        save = run is not None and config.checkpoint_every > 0
        folder, save = broadcast_object_list([folder, save])
        rows = self.picks_here * self.room
        vllm_settings = trl_settings(vllm, vllm_server)
        arguments = trl_data.grpo_config(
            recipe, config, plan, rows, micro_batches, device, folder, save, **vllm_settings
        )
        self.journal, self.steering = CurriculumCallback(self, run), TrlSteering(self)
        # TRL's vLLM loads the model from where it is stored.
        there = nullcontext() if vllm == "off" else stored(model, tokenizer)
        with there, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "You are using 'rollout_func'")
            super().__init__(
                model=model,
                reward_funcs=[trl_data.reward],
                args=arguments,
                # TRL insists on a dataset; our get_train_dataloader never reads it.
                train_dataset=Dataset.from_dict({"prompt": [""]}),
                processing_class=tokenizer,
                callbacks=[self.journal],
                peft_config=peft_config,
                rollout_func=self._roll_out,
            )
        self.remove_callback(PrinterCallback)
        common_loss = recipe.update.objective is None and not self.aux_loss_enabled
        self.sums_over_rows = common_loss and trl_data.is_sum_over_rows(arguments)
        self.skip_zero_advantage = skip_zero_advantage and self.sums_over_rows
        sampler = trl_sampler(self)
        self.policy = LanguagePolicy(self.model, tokenizer, config.max_new_tokens, sampler)
        self.policy.references.keep(recipe.references())
        self.collector = Collector(
            recipe,
            config.catalog(),
            self.policy,
            config.seed,
            self.accelerator.process_index,
            processes,
            gather_object,
        )
        self.groups: list[Group] = []
        self._picks: list[Pick] = []
        self._terms: list[LikelihoodTerm] = []
        self._factor = 1.0
        self._imitated_at = -1
        self._sampled: Sampled | None = None
        self.seconds: dict[str, float] = {}

    @property
    def clock(self) -> Clock:
        """Where the run stands; its tokens are those that all processes generated."""
        step = self.state.global_step // self.config.iterations
        costs = self.journal.costs
        tokens = self.config.spent(costs["tokens_generated"], costs["tokens_trained"])
        return Clock(step, self.config.share(step, tokens), tokens)

    # ------------------------------------------------------------ before the update

    def get_train_dataloader(self) -> DataLoader:
        """A loader that chooses a step's prompts when the step begins.

        It is not prepared by accelerate, whose loaders read one batch ahead.
        """
        repeats = self.args.gradient_accumulation_steps * self.config.iterations
        return trl_data.step_loader(trl_data.StepSampler(self._choose, self.room, repeats))

    def _choose(self) -> list[Pick] | None:
        """This process's picks of the coming step, or None once the budget is spent."""
        if not self.journal.started:
            self.journal.start()
        if self.clock.share >= 1 or self.steering.stopped:
            return None
        started = perf_counter()
        self._picks = self.collector.choose(self.config.prompts_per_step, self.clock)
        if self.accelerator.process_index:
            self.journal.skip_tokens()
        self.seconds = {"seconds_curriculum": perf_counter() - started}
        first = self.accelerator.process_index * self.picks_here
        return self._picks[first : first + self.picks_here]

    def _roll_out(self, prompts: list[str], trainer: GRPOTrainer) -> dict[str, list | None]:
        """TRL's `rollout_func`: groups generated and scored, and this process's share of their rows.

        Once advantages are known rows are independent of each other, so it does not matter which
        process trains on which.
        """
        started = perf_counter()
        groups = self.collector.collect(self._picks, self.clock)
        collected = perf_counter()
        self.groups = with_advantages(self.recipe, groups)
        kept = kept_rollouts(self.groups)
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        first, last = (len(kept) * (rank + i) // processes for i in (0, 1))
        weighed = perf_counter()
        self.seconds["seconds_generation"] = collected - started
        self.seconds["seconds_curriculum"] += weighed - collected
        self._rows = policy_rows(kept[first:last], self.processing_class, self.policy)
        self._terms = likelihood_terms(
            self.recipe,
            self.groups,
            self.collector.catalog,
            self.clock,
            self.processing_class,
            rank,
            processes,
        )
        self._sampled = None
        # Before the step's tokens are counted: both factors are those of one clock.
        self._factor, _ = self.recipe.update.weights(self.clock)
        self.journal.count_tokens(self._rows, self._terms)
        self.temperature = trl_data.common_temperature(self._rows, self.temperature)
        rewards = [rollout.score.total for rollout, _ in kept[first:last]]
        return trl_data.rollout_output(
            self._rows, rewards, len(prompts), self._tokenizer.eos_token_id
        )

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """The one private hook: TRL's own advantages give way to those of the update dial."""
        if not self.model.training:
            raise CurrlabError(
                "TRL's own evaluation would feed its problems to the curriculum; use evaluate()."
            )
        output = super()._generate_and_score_completions(inputs)
        advantages = torch.zeros_like(output["advantages"])
        advantages[: len(self._rows)] = torch.tensor([row.advantage for row in self._rows])
        return {**output, "advantages": advantages}

    # ------------------------------------------------------------ the update

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """TRL's loss, computed without needless rows and padding, or the update dial's own; and
        the likelihood that a step raises besides."""
        update = self.recipe.update
        if update.objective is not None:
            loss = self._own_objective(model)
        elif not self.sums_over_rows:
            loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        else:
            loss = torch.zeros((), device=inputs["advantages"].device)
            for batch in trl_data.row_batches(inputs, self.accelerator, self.skip_zero_advantage):
                loss = loss + super().compute_loss(model, batch, return_outputs, num_items_in_batch)
        loss = self._factor * loss
        # Once an update, in the first of its micro-batches: their gradients are added up.
        if self._imitated_at != self.state.global_step:
            self._imitated_at = self.state.global_step
            for part in likelihood_losses(model, self._terms):
                loss = loss + part
        return loss

    def _own_objective(self, model: nn.Module) -> Tensor:
        """The update dial's loss of all rows; what the sampling weights said is kept for later."""
        update, references = self.recipe.update, self.policy.references
        batch = token_batch(self._rows, self.accelerator.device)
        if self._sampled is None and (references.kept or self.config.iterations > 1):
            self._sampled = sampled(model, batch, update.needs_entropies, references)
        told = loss_batch(model, batch, update.needs_entropies, self._sampled)
        return update.objective(told, self.groups)

    # ------------------------------------------------------------ a whole run

    def train(
        self,
        resume_from_checkpoint: str | None = None,
        trial: Any = None,
        ignore_keys_for_eval: list[str] | None = None,
    ) -> TrainOutput:
        """Train until the budget is spent, from the run's newest whole checkpoint if it has one.

        CurrlabError names a checkpoint that cannot be read; then nothing has been overwritten.
        """
        # Past prompts must not be replayed: the restored curriculum has moved on from them.
        self.args.ignore_data_skip = True
        newest = resume_from_checkpoint or self.journal.newest_checkpoint()
        checkpoint = broadcast_object_list([newest and str(newest)])[0]
        if checkpoint is None:
            return super().train(None, trial, ignore_keys_for_eval)
        with self.journal.restoring(checkpoint):
            return super().train(checkpoint, trial, ignore_keys_for_eval)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Held-out accuracy of every level, logged by our own evaluation; the means over levels.

        TRL's arguments are ignored: an evaluation never touches the curriculum or the budget.
        """
        return self.journal.evaluate(sampled=True)


def train_with_trl(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
    config: TrainingConfig,
    run: Run | None = None,
    progress: bool = True,
    peft_config: PeftConfig | None = None,
    on_step: Callable[[Mapping[str, float]], None] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Train to the end with TRL; the results, as `ScratchTrainer.train` gives them.

    `options` are `CurriculumGRPOTrainer`'s `micro_batches`, `skip_zero_advantage`, `vllm` and
    `vllm_server`. Start it with
    ``torchrun --nproc_per_node N`` for several processes; only process 0 is given the `run`.
    """
    trainer = CurriculumGRPOTrainer(model, tokenizer, recipe, config, run, peft_config, **options)
    total, show = config.steps, progress and trainer.is_world_process_zero()
    with progress_bar("GRPO in TRL", total) if show else nullcontext() as advance:

        def after(metrics: Mapping[str, float]) -> None:
            if advance is not None:
                advance(round(metrics["share"] * total))
            if on_step is not None:
                on_step(metrics)

        trainer.journal.on_step = after
        trainer.train()
    results = trainer.journal.results()
    if run:
        run.finish(results)
    return results
