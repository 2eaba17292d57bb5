"""How fast the training engines are, against TRL's own trainer, and what a curriculum adds.

All engines train the same model from the same weights on the same prompts (sorting, levels 1 to 12,
8 rollouts each) on one thread.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOTrainer

from currlab.benchmarks.measure import Part, Raw, Scale, Seconds, Subject, ratios, spread, stopwatch
from currlab.curricula import Clock, make_recipe
from currlab.models import chat_prompt, load_model
from currlab.tasks import Problem, get_task
from currlab.training.collect import Collector
from currlab.training.config import TrainingConfig
from currlab.training.grpo_trainer import CurriculumGRPOTrainer
from currlab.training.scratch import ScratchTrainer
from currlab.training.trl_data import grpo_config, step_plan

KEY = ("task", "level", "seed")
# The strategy whose bookkeeping is measured, and what a step consists of.
CURRICULUM, SHARES = "sec", ("generation", "update", "curriculum")


class StepClock(TrainerCallback):
    """The CPU and wall seconds of every step of a TRL trainer but the first."""

    def __init__(self) -> None:
        self.marks: list[Seconds] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.marks.append(Seconds(process_time(), perf_counter()))

    def steps(self) -> list[Seconds]:
        pairs = zip(self.marks, self.marks[1:], strict=False)
        return [
            Seconds(after.cpu - before.cpu, after.wall - before.wall) for before, after in pairs
        ]


def configuration(scale: Scale, turn: int) -> TrainingConfig:
    return TrainingConfig(
        steps=scale.steps,
        prompts_per_step=scale.prompts,
        seed=turn,
        eval_every=0,
        checkpoint_every=0,
    )


# ---------------------------------------------------------------- the engines


def scratch_steps(scale: Scale, turn: int) -> list[Seconds]:
    """Each step of the from-scratch loop."""
    recipe = make_recipe("uniform", seed=turn)
    trainer = ScratchTrainer(*load_model("tiny-warm"), recipe, configuration(scale, turn))
    steps = []
    for _ in range(scale.steps):
        with stopwatch() as seconds:
            trainer.step()
        steps.append(seconds)
    return steps[1:]


def subclass_steps(scale: Scale, turn: int, leave_out: bool) -> list[Seconds]:
    """Each step of our TRL subclass, with its fast rollouts."""
    trainer = CurriculumGRPOTrainer(
        *load_model("tiny-warm"),
        make_recipe("uniform", seed=turn),
        configuration(scale, turn),
        skip_zero_advantage=leave_out,
    )
    return timed(trainer)


def stock_steps(scale: Scale, turn: int) -> list[Seconds]:
    """Each step of TRL's own `GRPOTrainer` on the prompts that uniform chooses."""
    model, tokenizer = load_model("tiny-warm")
    config, recipe = configuration(scale, turn), make_recipe("uniform", seed=turn)
    problems = chosen_problems(scale, turn)
    rows = [
        {"prompt": chat_prompt(tokenizer, p.prompt), **dict(zip(KEY, p.key, strict=True))}
        for p in problems
    ]
    plan = step_plan(recipe, config)
    with tempfile.TemporaryDirectory() as folder:
        arguments = grpo_config(
            recipe, config, plan, sum(plan.rollouts), 1, torch.device("cpu"), folder, save=False
        )
        arguments.shuffle_dataset = False
        trainer = GRPOTrainer(
            model=model,
            reward_funcs=[exact],
            args=arguments,
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
        )
        return timed(trainer)


def chosen_problems(scale: Scale, turn: int) -> list[Problem]:
    """What uniform, seeded with `turn`, trains on in all steps of a turn, step after step."""
    config = configuration(scale, turn)
    collector = Collector(make_recipe("uniform", seed=turn), config.catalog(), None, config.seed)
    picks = [
        pick
        for step in range(scale.steps)
        for pick in collector.choose(config.prompts_per_step, Clock(step))
    ]
    return [collector.catalog.problem(pick.arm, pick.seed) for pick in picks]


def exact(
    completions: list[str], task: list[str], level: list[int], seed: list[int], **_: Any
) -> list[float]:
    """The exact reward as TRL calls it."""
    rows = zip(completions, task, level, seed, strict=True)
    return [float(get_task(t).verify(get_task(t).make(n, s), text)) for text, t, n, s in rows]


def timed(trainer: GRPOTrainer) -> list[Seconds]:
    """Train, and the seconds of every step but the first."""
    clock = StepClock()
    trainer.add_callback(clock)
    trainer.remove_callback(PrinterCallback)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.train()
    return clock.steps()


ENGINES: Mapping[str, Callable[[Scale, int], list[Seconds]]] = {
    "stock": stock_steps,
    "subclass": partial(subclass_steps, leave_out=False),
    "subclass_rows_left_out": partial(subclass_steps, leave_out=True),
    "scratch": scratch_steps,
}


# ---------------------------------------------------------------- the subject


def shares(scale: Scale, turn: int) -> dict[str, list[float]]:
    """The share of each step's seconds that goes to generation, update and curriculum, from scratch.

    The curriculum's is what SEC takes for choosing and observing.
    """
    recipe = make_recipe(CURRICULUM, seed=turn)
    trainer = ScratchTrainer(*load_model("tiny-warm"), recipe, configuration(scale, turn))
    steps = [trainer.step() for _ in range(scale.steps)][1:]
    seconds = {part: [step[f"seconds_{part}"] for step in steps] for part in SHARES}
    totals = [sum(one) for one in zip(*seconds.values(), strict=True)]
    return {part: ratios(mine, totals) for part, mine in seconds.items()}


def parts(scale: Scale) -> dict[str, Part]:
    def of(engine: Callable[[Scale, int], list[Seconds]]) -> Part:
        def one_turn(turn: int) -> dict[str, list[float]]:
            steps = engine(scale, turn)
            return {kind: [median(getattr(s, kind) for s in steps)] for kind in ("cpu", "wall")}

        return one_turn

    return {name: of(engine) for name, engine in ENGINES.items()} | {
        "shares": partial(shares, scale)
    }


def summary(raw: Raw) -> dict[str, Any]:
    """A turn's number is its median step; ratios are of CPU seconds, turn by turn."""
    return {
        "cpu_seconds_a_step": {name: spread(raw[name]["cpu"]) for name in ENGINES},
        "wall_seconds_a_step": {name: spread(raw[name]["wall"]) for name in ENGINES},
        "times_as_fast_as_stock": {
            name: spread(ratios(raw["stock"]["cpu"], raw[name]["cpu"]))
            for name in ENGINES
            if name != "stock"
        },
        "share_of_a_step": {part: spread(raw["shares"][part]) for part in SHARES},
    }


SUBJECT = Subject("engines", parts, summary)
