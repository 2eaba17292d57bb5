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
from currlab.training.collect import Collector, with_advantages
from currlab.training.config import TrainingConfig
from currlab.training.policy import (
    LanguagePolicy,
    log_probabilities,
    token_batch,
    training_rows,
)
from currlab.training.trl_callback import CurriculumCallback
from currlab.training.trl_data import (
    StepSampler,
    check_recipe,
    grpo_config,
    is_sum_over_rows,
    reward,
    rollout_output,
    row_batches,
    step_loader,
    step_plan,
)


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
    ) -> None:
        device = next(model.parameters()).device
        # Joins the processes that torchrun started, before anything depends on their number.
        processes = PartialState(cpu=device.type == "cpu").num_processes
        check_recipe(recipe, config, processes, micro_batches)
        self.recipe, self.config = recipe, config
        plan = step_plan(recipe, config)
        self.group_size = plan.rollouts[0]
        self.picks_here = config.prompts_per_step // processes
        self._temporary = None if run else tempfile.TemporaryDirectory()
        folder = str(run.checkpoints) if run else self._temporary.name
        save = run is not None and config.checkpoint_every > 0
        folder, save = broadcast_object_list([folder, save])
        rows = self.picks_here * self.group_size
        arguments = grpo_config(recipe, config, plan, rows, micro_batches, device, folder, save)
        self.journal = CurriculumCallback(self, run)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "You are using 'rollout_func'")
            super().__init__(
                model=model,
                reward_funcs=[reward],
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
        self.sums_over_rows = common_loss and is_sum_over_rows(arguments)
        self.skip_zero_advantage = skip_zero_advantage and self.sums_over_rows
        self.policy = LanguagePolicy(self.model, tokenizer, config.max_new_tokens)
        self.collector = Collector(recipe, config.catalog(), self.policy, config.seed)
        self.groups: list[Group] = []
        self.seconds: dict[str, float] = {}

    @property
    def clock(self) -> Clock:
        """Where the run stands; its tokens are those that all processes generated."""
        step, tokens = self.state.global_step, self.journal.costs["tokens_generated"]
        return Clock(step, self.config.share(step, tokens), tokens)

    # ------------------------------------------------------------ before the update

    def get_train_dataloader(self) -> DataLoader:
        """A loader that chooses a step's prompts when the step begins.

        It is not prepared by accelerate, whose loaders read one batch ahead.
        """
        repeats = self.args.gradient_accumulation_steps
        return step_loader(StepSampler(self._choose, self.group_size, repeats))

    def _choose(self) -> list[Pick] | None:
        """This process's picks of the coming step, or None once the budget is spent."""
        if not self.journal.started:
            self.journal.start()
        if self.clock.share >= 1:
            return None
        started = perf_counter()
        picks = self.collector.choose(self.config.prompts_per_step, self.clock)
        self.seconds = {"seconds_curriculum": perf_counter() - started}
        first = self.accelerator.process_index * self.picks_here
        return picks[first : first + self.picks_here]

    def _roll_out(self, prompts: list[str], trainer: GRPOTrainer) -> dict[str, list | None]:
        """TRL's `rollout_func`: this process's groups, generated and scored, with advantages."""
        started, rank = perf_counter(), self.accelerator.process_index
        groups = self.collector.collect(self._picks, self.clock, rank * self.picks_here)
        collected = perf_counter()
        # Advantages may compare groups, so every process computes those of all groups.
        self.groups = with_advantages(self.recipe, gather_object(groups))
        self._groups_here = self.groups[rank * len(groups) : (rank + 1) * len(groups)]
        weighed = perf_counter()
        self.seconds["seconds_generation"] = collected - started
        self.seconds["seconds_curriculum"] += weighed - collected
        self._rows = training_rows(self._groups_here, self.processing_class)
        self.journal.count_tokens(self._rows)
        return rollout_output(
            self._groups_here,
            self._rows,
            len(prompts),
            self.temperature,
            self._tokenizer.eos_token_id,
        )

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """The one private hook: TRL's own advantages give way to those of the update dial."""
        if not self.model.training:
            raise CurrlabError(
                "TRL's own evaluation would feed its problems to the curriculum; use evaluate()."
            )
        self._picks = [row["pick"] for row in inputs[:: self.group_size]]
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
        """TRL's loss, computed without needless rows and padding; or the update dial's own."""
        objective = self.recipe.update.objective
        if objective is not None:
            batch = token_batch(self._rows, self.accelerator.device)
            new = log_probabilities(model, batch)
            return objective(new, new.detach(), batch.advantages, batch.mask, self._groups_here)
        if not self.sums_over_rows:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        loss = torch.zeros((), device=inputs["advantages"].device)
        for batch in row_batches(inputs, self.accelerator, self.skip_zero_advantage):
            loss = loss + super().compute_loss(model, batch, return_outputs, num_items_in_batch)
        return loss

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

    `options` are `CurriculumGRPOTrainer`'s `micro_batches` and `skip_zero_advantage`. Start it with
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
