"""What the TRL engine takes for granted of the pinned TRL and transformers, hook by hook.

After a bump of the pins, a failure here says which assumption no longer holds and what relies on it.
"""

import inspect
import tomllib
import warnings
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
import trl
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer
from trl_case import new_model

from currlab.models.tokenizer import build_tokenizer

PROMPTS = ["sort 21", "sort 312"]


def parameters(function) -> list[str]:
    return list(inspect.signature(function).parameters)


class Stock:
    """The pinned `GRPOTrainer`, untouched, for 2 prompts x 4 rollouts a step; it notes its calls."""

    def __init__(self, folder, change=None, steps=1, accumulation=1, base=GRPOTrainer, **options):
        self.calls, self.change, self.tokenizer = [], change, build_tokenizer()
        arguments = GRPOConfig(
            output_dir=str(folder),
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            disable_tqdm=True,
            logging_steps=1,
            max_steps=steps,
            per_device_train_batch_size=8 // accumulation,
            gradient_accumulation_steps=accumulation,
            num_generations=4,
            max_completion_length=6,
            shuffle_dataset=False,
            **{"save_strategy": "no", **options},
        )
        self.model = new_model("tiny", 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            self.trainer = base(
                model=self.model,
                reward_funcs=[self.reward],
                args=arguments,
                train_dataset=Dataset.from_dict({"prompt": PROMPTS}),
                processing_class=self.tokenizer,
                rollout_func=self.roll_out,
            )
        self.trainer.remove_callback(PrinterCallback)

    def roll_out(self, prompts, trainer):
        self.calls.append(("rollouts", list(prompts)))
        ids = [[9 + i, 10, 11 + i, 1] for i in range(len(prompts))]
        output = {
            "prompt_ids": [self.tokenizer(p)["input_ids"] for p in prompts],
            "completion_ids": ids,
            "logprobs": None,
            "env_mask": [[0, 1, 1, 1]] * len(prompts),
            "carried": [float(i % 2) for i in range(len(prompts))],
        }
        return self.change(output) if self.change else output

    def reward(self, completions, carried, **_):
        self.calls.append(("rewards", carried))
        return carried

    def batch(self):
        """What one generation gives the loss."""
        self.trainer.model.train()
        self.trainer.current_gradient_accumulation_steps = 1
        rows = [{"prompt": prompt} for prompt in PROMPTS for _ in range(4)]
        return self.trainer._generate_and_score_completions(rows)


@pytest.fixture
def stock(tmp_path):
    return Stock(tmp_path)


# ---------------------------------------------------------------- versions and signatures


def test_the_installed_trl_is_the_pinned_one():
    pins = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    pin = next(p for p in pins["project"]["dependencies"] if p.startswith("trl"))
    assert pin == f"trl=={version('trl')}" == f"trl=={trl.__version__}"


def test_the_overridden_methods_have_the_signatures_that_we_override():
    assert parameters(GRPOTrainer.get_train_dataloader) == ["self"]
    assert parameters(GRPOTrainer._generate_and_score_completions) == ["self", "inputs"]
    loss = ["self", "model", "inputs", "return_outputs", "num_items_in_batch"]
    assert parameters(GRPOTrainer.compute_loss) == loss
    resume = ["self", "resume_from_checkpoint", "trial", "ignore_keys_for_eval"]
    assert parameters(GRPOTrainer.train) == parameters(Trainer.train) == resume


# ---------------------------------------------------------------- rollout_func and rewards


def test_rollout_func_gets_repeated_prompts_and_its_extra_fields_reach_the_rewards(stock):
    stock.trainer.train()
    carried = [0.0, 1.0] * 4
    prompts = [prompt for prompt in PROMPTS for _ in range(4)]
    assert stock.calls == [("rollouts", prompts), ("rewards", carried)]


def test_env_mask_keeps_tokens_out_of_the_loss_and_of_its_normaliser(stock):
    output = stock.batch()
    assert output["completion_mask"].sum() == 32
    assert output["tool_mask"].tolist() == [[0, 1, 1, 1]] * 8
    assert output["num_items_in_batch"] == 24


def test_a_row_without_reward_and_without_mask_counts_for_nothing(tmp_path):
    def drop_last(output):
        output["env_mask"] = [*output["env_mask"][:-1], [0, 0, 0, 0]]
        output["carried"] = [*output["carried"][:-1], None]
        return output

    output = Stock(tmp_path, drop_last).batch()
    assert output["num_items_in_batch"] == 21
    assert output["advantages"][-1] == 0
    assert torch.isfinite(output["advantages"]).all()


def test_another_number_of_rows_raises(tmp_path):
    def one_more(output):
        return {k: v and [*v, v[-1]] for k, v in output.items()}

    with pytest.raises((ValueError, RuntimeError, IndexError)):
        Stock(tmp_path, one_more).trainer.train()


def test_an_empty_completion_raises(tmp_path):
    def empty(output):
        return {**output, "completion_ids": [[], *output["completion_ids"][1:]]}

    with pytest.raises((ValueError, RuntimeError, IndexError)):
        Stock(tmp_path, empty).trainer.train()


# ---------------------------------------------------------------- the loss


def test_the_generated_batch_has_the_keys_and_shapes_that_the_loss_reads(stock):
    output = stock.batch()
    two = {"prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "tool_mask"}
    assert set(output) == two | {"advantages", "num_items_in_batch"}
    assert {output[name].dim() for name in two} == {2}
    assert output["advantages"].shape == (8,)
    assert output["num_items_in_batch"].dim() == 0
    # Prompts are padded on the left, completions on the right.
    assert output["prompt_mask"][0].tolist() == [0] + [1] * len("sort 21")


def test_advantages_are_scaled_with_n_minus_1_and_ours_take_their_place(stock):
    output = stock.batch()
    rewards = torch.tensor([0.0, 1.0] * 2)
    expected = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
    torch.testing.assert_close(output["advantages"], expected.repeat(2))
    loss = stock.trainer.compute_loss(stock.model, output)
    doubled = {**output, "advantages": 2 * output["advantages"]}
    torch.testing.assert_close(stock.trainer.compute_loss(stock.model, doubled), 2 * loss)


@pytest.mark.parametrize("loss_type", ["dapo", "cispo", "vespo"])
def test_rows_of_zero_advantage_add_nothing_to_these_losses(tmp_path, loss_type):
    stock = Stock(tmp_path, loss_type=loss_type)
    output = stock.batch()
    output["advantages"][2:5] = 0.0
    keep = output["advantages"] != 0
    fewer = {k: v[keep] if v.dim() else v for k, v in output.items()}
    gradients = []
    for inputs in (output, fewer):
        stock.model.zero_grad()
        stock.trainer.compute_loss(stock.model, inputs).backward()
        gradients.append([p.grad.clone() for p in stock.model.parameters()])
    for whole, part in zip(*gradients, strict=True):
        torch.testing.assert_close(part, whole, atol=1e-6, rtol=1e-4)
    assert max(g.abs().max() for g in gradients[0]) > 1e-4


def test_the_fused_head_leaves_the_ordinary_forward_alone(stock):
    ids = torch.tensor([[9, 10, 11, 12]])
    with torch.no_grad():
        ours, plain = stock.model(ids).logits, new_model("tiny", 0)(ids).logits
    assert torch.equal(ours, plain)


# ---------------------------------------------------------------- the loop


class Notes(TrainerCallback):
    """The order of a step's events."""

    def __init__(self, events):
        self.events = events

    def on_step_begin(self, *_, **__):
        self.events.append("begin")

    def on_step_end(self, *_, **__):
        self.events.append("end")

    def on_log(self, args, state, control, logs, **_):
        self.events.append("log" if {"loss", "grad_norm"} <= logs.keys() else "summary")

    def on_save(self, args, state, control, **_):
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        assert {"model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"} <= {
            path.name for path in folder.iterdir()
        }
        self.events.append("save")


@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_plain_loader_is_read_when_the_step_begins_and_not_ahead(tmp_path, accumulation):
    events = []

    class Sampler:
        def __iter__(self):
            while True:
                events.append("batch")
                yield list(range(8))

    class OwnLoader(GRPOTrainer):
        def get_train_dataloader(self):
            rows = [{"prompt": PROMPTS[i // 4]} for i in range(8)]
            return DataLoader(rows, batch_sampler=Sampler(), collate_fn=list)

    options = {"save_strategy": "steps", "save_steps": 1}
    stock = Stock(tmp_path, None, 2, accumulation, OwnLoader, **options)
    stock.trainer.add_callback(Notes(events))
    stock.trainer.train()
    step = ["batch"] * accumulation + ["begin", "end", "log", "save"]
    assert events == [*step, *step, "summary"]
    assert [name for name, _ in stock.calls] == ["rollouts", "rewards"] * 2


def test_trls_own_loader_is_read_ahead(tmp_path):
    """The reason for a loader of ours; if this fails, it may no longer be needed."""
    events = []

    class Rows(torch.utils.data.Sampler):
        def __iter__(self):
            for _ in range(10):
                events.append("batch")
                yield from [0] * 4 + [1] * 4

    class OwnSampler(GRPOTrainer):
        def _get_train_sampler(self, dataset=None):
            return Rows()

    stock = Stock(tmp_path, None, 2, base=OwnSampler)
    stock.trainer.add_callback(Notes(events))
    stock.trainer.train()
    assert events[:3] == ["batch", "batch", "begin"]


def test_an_exhausted_loader_ends_training_without_a_step(tmp_path):
    class Nothing(GRPOTrainer):
        def get_train_dataloader(self):
            return DataLoader([{}], batch_sampler=(b for b in ()), collate_fn=list)

    stock = Stock(tmp_path, steps=3, base=Nothing)
    assert stock.trainer.train().global_step == 0
    assert stock.calls == []
