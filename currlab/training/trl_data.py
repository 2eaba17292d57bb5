"""What goes into TRL and comes back: its settings, the rows of a step, rollouts as TRL wants them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import parse_flag_from_env, patch_environment
from torch.utils.data import DataLoader, Dataset
from trl import GRPOConfig

from currlab.curricula.core import Plan, Recipe
from currlab.curricula.data import Clock, Pick
from currlab.errors import CurrlabError
from currlab.training.config import TrainingConfig
from currlab.training.rows import Row

# Losses divided by the token count of the whole generation batch: leaving rows out changes nothing.
TOKEN_NORMALISED = ("dapo", "cispo", "vespo")
# On a CPU, rows of similar length go together: one long row then does not pad all the others.
CPU_ROWS_AT_A_TIME = 64


def step_plan(recipe: Recipe, config: TrainingConfig) -> Plan:
    """The sample dial's plan of a first step, asked of a copy so that the dial stays untouched.

    TRL has one number of rows for all steps; CurrlabError if they are no multiple of the prompts.
    """
    picks = [Pick(config.catalog().arms[0])] * config.prompts_per_step
    plan = copy.deepcopy(recipe.sample).plan(picks, Clock())
    rows = sum(plan.rollouts)
    if rows % config.prompts_per_step or rows < 2 * config.prompts_per_step:
        raise CurrlabError(
            f"The TRL engine needs the same number of rows for every prompt, at least 2, and sample "
            f"strategy '{recipe.sample.name}' plans {rows} rollouts for {config.prompts_per_step} "
            "prompts; use the from-scratch engine."
        )
    return plan


def grpo_config(
    recipe: Recipe,
    config: TrainingConfig,
    plan: Plan,
    rows: int,
    micro_batches: int,
    device: torch.device,
    folder: str,
    save: bool,
    **vllm: Any,
) -> GRPOConfig:
    """TRL's settings for the same loss, optimiser and step as the from-scratch loop's.

    `rows` is this process's share of the step; `micro_batches` splits its forward and backward and
    changes nothing else. Device and dtype are the model's own: there is no autocast. `vllm` is what
    `vllm_sampler.trl_settings` gives.
    """
    if rows % micro_batches:
        raise CurrlabError(f"{rows} rows cannot be split into {micro_batches} micro-batches.")
    # Among several processes accelerate names the CPU "cpu:0", which torch.load does not know.
    cpu = {"ACCELERATE_TORCH_DEVICE": "cpu"} if device.type == "cpu" else {}
    with patch_environment(**cpu):
        return GRPOConfig(
            output_dir=folder,
            save_strategy="steps" if save else "no",
            save_steps=max(1, config.checkpoint_every) * config.iterations,
            seed=config.seed,
            use_cpu=device.type == "cpu",
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            ddp_find_unused_parameters=False,
            disable_tqdm=True,
            logging_steps=1,
            # Off: a loss that is not a number must show, not be replaced by an average.
            logging_nan_inf_filter=False,
            max_steps=config.steps * config.iterations,
            num_iterations=config.iterations,
            per_device_train_batch_size=rows // micro_batches,
            gradient_accumulation_steps=micro_batches,
            # TRL groups rows for its own statistics only; advantages are ours.
            num_generations=recipe.sample.growth * sum(plan.rollouts) // config.prompts_per_step,
            max_completion_length=config.max_new_tokens,
            temperature=plan.temperature,
            optim="adamw_torch_fused",
            learning_rate=config.learning_rate,
            lr_scheduler_type="constant",
            adam_beta1=config.adam_betas[0],
            adam_beta2=config.adam_betas[1],
            weight_decay=0.0,
            max_grad_norm=config.max_grad_norm,
            **vllm,
            **{"loss_type": "dapo", "beta": 0.0, **recipe.update.trainer_settings()},
        )


class StepSampler:
    """A batch sampler that asks for a step's picks only when the trainer pulls that step's batch.

    By then the step before has been observed. TRL pulls one batch a micro-batch and generates from
    the first, so each step's rows are handed out `micro_batches` times.
    """

    def __init__(
        self, choose: Callable[[], list[Pick] | None], rows_per_pick: int, repeats: int
    ) -> None:
        self.choose, self.rows_per_pick, self.repeats = choose, rows_per_pick, repeats

    def __iter__(self) -> Iterator[list[Pick]]:
        while (picks := self.choose()) is not None:
            rows = [pick for pick in picks for _ in range(self.rows_per_pick)]
            for _ in range(self.repeats):
                yield rows


class PickRows(Dataset):
    """Turns the sampler's picks into TRL's rows; `prompt` only labels them in TRL's own tables."""

    def __getitem__(self, pick: Pick) -> dict[str, Any]:
        return {"prompt": f"{pick.arm}#{pick.seed}", "pick": pick}


def step_loader(sampler: StepSampler) -> DataLoader:
    """The plain loader of the rows; its own generator leaves torch's global one, which a resumed
    run restores, alone."""
    return DataLoader(
        PickRows(),
        batch_sampler=sampler,
        collate_fn=list,
        num_workers=0,
        generator=torch.Generator(),
    )


def common_temperature(rows: Sequence[Row], before: float) -> float:
    """The temperature of a step's rows, at which TRL's loss computes log-probabilities.

    CurrlabError if they differ; without rows, as before.
    """
    heats = {row.temperature for row in rows} or {before}
    if len(heats) > 1:
        raise CurrlabError(
            f"The TRL engine has one temperature a step and this one has {sorted(heats)}; use the "
            "from-scratch engine."
        )
    return heats.pop()


def rollout_output(
    rows: Sequence[Row], rewards: Sequence[float], wanted: int, end_id: int
) -> dict[str, list | None]:
    """Exactly `wanted` rows as TRL's `rollout_func` must return them.

    `env_mask` 0 keeps forced prefix tokens out of the loss. Where rollouts were dropped, rows
    without a reward and without a token in the loss fill the rest. CurrlabError if there are more.
    """
    if len(rows) > wanted:
        raise CurrlabError(
            f"The recipe keeps {len(rows)} rollouts where TRL has room for {wanted}; its sample "
            "strategy must say by how much a step can grow."
        )
    missing = wanted - len(rows)
    return {
        "prompt_ids": [list(row.prompt) for row in rows] + [[end_id]] * missing,
        "completion_ids": [list(row.completion) for row in rows] + [[end_id]] * missing,
        "env_mask": [list(row.mask) for row in rows] + [[0]] * missing,
        "carried": [*rewards, *[None] * missing],
        "logprobs": None,
    }


def reward(carried: list[float | None], **_: Any) -> list[float | None]:
    """TRL's reward function: what the recipe's reward dial already gave, never computed twice."""
    return carried


def is_sum_over_rows(settings: GRPOConfig) -> bool:
    """Is the loss a plain sum of terms in proportion to advantages, however rows are batched?"""
    other_terms = settings.beta or settings.entropy_coef or settings.use_adaptive_entropy
    sums = settings.loss_type in TOKEN_NORMALISED and settings.top_entropy_quantile == 1.0
    return sums and not other_terms


def row_batches(
    inputs: dict[str, Any], accelerator: Accelerator, leave_out: bool
) -> Iterator[dict[str, Any]]:
    """TRL's inputs in batches of rows of similar length, without padding that no row of them needs.

    With `leave_out`, rows of zero advantage are left out; `num_items_in_batch`, which divides the
    loss, stays as it was. TRL gathers numbers of every row, so all processes keep as many rows as
    the one with most; and at least one, so that the loss is always tied to the parameters.
    """
    lengths = inputs["prompt_mask"].sum(1) + inputs["completion_mask"].sum(1)
    rows = lengths.argsort(stable=True)
    if leave_out:
        silent = inputs["advantages"] == 0
        wanted = int(accelerator.gather((~silent).sum()).max().clamp(min=1))
        kept = silent.int().argsort(stable=True)[:wanted]
        rows = kept[lengths[kept].argsort(stable=True)]
    # One batch on a GPU, where many rows cost little more than few.
    size = CPU_ROWS_AT_A_TIME if rows.device.type == "cpu" else len(rows)
    for part in rows.split(size):
        yield _rows_of(inputs, part)


def _rows_of(inputs: dict[str, Any], rows: torch.Tensor) -> dict[str, Any]:
    """Some rows; prompts are padded on the left, everything about completions on the right."""
    first = int(inputs["prompt_mask"][rows].any(0).int().argmax())
    end = int(inputs["completion_mask"][rows].sum(1).max())

    def part(name: str, value: Any) -> Any:
        if not torch.is_tensor(value) or value.dim() == 0:
            return value
        if value.dim() == 1:
            return value[rows]
        return value[rows, first:] if name.startswith("prompt_") else value[rows, :end]

    return {name: part(name, value) for name, value in inputs.items()}


def check_recipe(
    recipe: Recipe, config: TrainingConfig, processes: int, micro_batches: int
) -> None:
    """CurrlabError, in one sentence, for what TRL's fixed rows, or shared weights, cannot do."""
    if parse_flag_from_env("ACCELERATE_USE_FSDP"):
        raise CurrlabError(
            "The rollouts read whole weights and FSDP gives every process a share of them; start "
            "with DDP (`torchrun`, or accelerate with ddp.yaml)."
        )
    if config.prompts_per_step % processes:
        raise CurrlabError(
            f"{config.prompts_per_step} prompts a step cannot be shared equally by {processes} "
            "processes; make prompts_per_step a multiple of their number."
        )
    if recipe.update.objective is not None and processes * micro_batches > 1:
        raise CurrlabError(
            f"Update strategy '{recipe.update.name}' has a loss of its own over whole steps, which "
            "the TRL engine runs in one process and one micro-batch only."
        )
