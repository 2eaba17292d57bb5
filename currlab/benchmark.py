"""How fast the engines are: ratios against stock TRL, measured in one run, engine after engine.

A ratio from one run on one machine is worth quoting; a time in seconds is not. All engines train
the same model from the same weights on the same prompts (32 a step, 8 rollouts each, levels 1 to
12 of sorting) on one thread, taking turns, so that a busy moment of the machine hits all of them.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOTrainer

from currlab.curricula import Clock, make_recipe
from currlab.files import write_json_atomic
from currlab.models import chat_prompt, load_model, prompt_ids
from currlab.progress import progress
from currlab.runs import package_versions
from currlab.sandbox.pool import Pool
from currlab.tasks import Problem, get_task
from currlab.tasks.program_tests import program
from currlab.training.collect import Collector
from currlab.training.config import TrainingConfig
from currlab.training.decoders import left_pad
from currlab.training.grpo_trainer import CurriculumGRPOTrainer
from currlab.training.rollouts import sample_completions
from currlab.training.scratch import ScratchTrainer
from currlab.training.trl_data import grpo_config, step_plan

# The first step of every turn warms caches up and is not counted.
STEPS_A_TURN = 5
KEY = ("task", "level", "seed")
Seconds = tuple[float, float]  # CPU, wall


class StepClock(TrainerCallback):
    """The CPU and wall seconds of every step of a TRL trainer."""

    def __init__(self) -> None:
        self.marks: list[Seconds] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.marks.append((process_time(), perf_counter()))

    def steps(self) -> list[Seconds]:
        pairs = zip(self.marks, self.marks[1:], strict=False)
        return [(after[0] - before[0], after[1] - before[1]) for before, after in pairs]


def configuration(turn: int) -> TrainingConfig:
    return TrainingConfig(steps=STEPS_A_TURN, seed=turn, eval_every=0, checkpoint_every=0)


def scratch_steps(turn: int) -> list[Seconds]:
    """Seconds of each step of the from-scratch loop."""
    recipe = make_recipe("uniform", seed=turn)
    trainer = ScratchTrainer(*load_model("tiny-warm"), recipe, configuration(turn))
    seconds = []
    for _ in range(STEPS_A_TURN):
        started = process_time(), perf_counter()
        trainer.step()
        seconds.append((process_time() - started[0], perf_counter() - started[1]))
    return seconds[1:]


def curriculum_shares(turn: int) -> list[float]:
    """SEC's share of each step's wall seconds: choosing and observing, in the from-scratch loop."""
    recipe = make_recipe("sec", seed=turn)
    trainer = ScratchTrainer(*load_model("tiny-warm"), recipe, configuration(turn))
    steps = [trainer.step() for _ in range(STEPS_A_TURN)][1:]
    parts = ("seconds_generation", "seconds_update", "seconds_curriculum")
    return [step["seconds_curriculum"] / sum(step[part] for part in parts) for step in steps]


def subclass_steps(turn: int, leave_out: bool) -> list[Seconds]:
    """Seconds of each step of our TRL subclass, with its fast rollouts."""
    trainer = CurriculumGRPOTrainer(
        *load_model("tiny-warm"),
        make_recipe("uniform", seed=turn),
        configuration(turn),
        skip_zero_advantage=leave_out,
    )
    return timed(trainer)


def stock_steps(turn: int) -> list[Seconds]:
    """Seconds of each step of TRL's own `GRPOTrainer` on the prompts that uniform chooses."""
    model, tokenizer = load_model("tiny-warm")
    config, recipe = configuration(turn), make_recipe("uniform", seed=turn)
    problems = [p for step in range(STEPS_A_TURN) for p in chosen_problems(turn, step)]
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
            train_dataset=Dataset.from_list(
                [
                    {
                        "prompt": chat_prompt(tokenizer, p.prompt),
                        **dict(zip(KEY, p.key, strict=True)),
                    }
                    for p in problems
                ]
            ),
            processing_class=tokenizer,
        )
        return timed(trainer)


def chosen_problems(turn: int, step: int) -> list[Problem]:
    """What uniform, seeded with `turn`, trains on in this step: 32 problems."""
    config = configuration(turn)
    recipe = make_recipe("uniform", seed=turn)
    collector = Collector(recipe, config.catalog(), None, config.seed)
    for earlier in range(step):
        collector.choose(config.prompts_per_step, Clock(earlier))
    picks = collector.choose(config.prompts_per_step, Clock(step))
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
    trainer.train()
    return clock.steps()


# ---------------------------------------------------------------- rollouts alone


def rollout_speeds(turn: int) -> dict[str, float]:
    """Sampled tokens per CPU second: our rollouts and `model.generate`, on one step's prompts."""
    model, tokenizer = load_model("tiny-warm")
    end, length = tokenizer.eos_token_id, configuration(turn).max_new_tokens
    prompts = [
        prompt_ids(problem.prompt, tokenizer)
        for problem in chosen_problems(turn, 0)
        for _ in range(8)
    ]

    def fast() -> int:
        rows = sample_completions(model, prompts, range(len(prompts)), length, 1.0, end)
        return sum(len(row.token_ids) for row in rows)

    def generate() -> int:
        ids, mask = left_pad(prompts, model.device)
        new = model.generate(
            ids,
            attention_mask=mask,
            do_sample=True,
            top_k=0,
            max_new_tokens=length,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=end,
        )[:, ids.shape[1] :]
        before_end = (new == end).cumsum(1) - (new == end).int() == 0
        return int(before_end.sum())

    speeds = {}
    for name, function in {"fast": fast, "generate": generate}.items():
        function()
        started = process_time()
        speeds[name] = function() / (process_time() - started)
    return speeds


# ---------------------------------------------------------------- programs


def programs_a_second(turn: int) -> float:
    """Worked solutions of the task `programs` that two workers of the sandbox run in a second.

    Each is run on the sixteen tests of its problem; of all levels equally many.
    """
    task = get_task("programs")
    problems = [task.make(level, turn * 1000 + i) for i in range(50) for level in task.levels]
    honest = [program(problem.answer, task.tests(problem)) for problem in problems]
    with Pool(workers=2) as pool:
        pool.run(honest[:10])
        started = perf_counter()
        pool.run(honest)
        return len(honest) / (perf_counter() - started)


# ---------------------------------------------------------------- the comparison


def benchmark(turns: int = 5) -> dict[str, Any]:
    """Each engine in turn, `turns` times over; medians and spreads of the ratios to stock TRL.

    A turn trains every engine for 5 steps from the same weights on the same prompts; the first step
    is not counted. One turn's ratio is that of the two engines' median CPU seconds a step.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds: dict[str, list[list[Seconds]]] = {name: [] for name in ENGINES}
    shares: list[float] = []
    rollouts: list[dict[str, float]] = []
    programs: list[float] = []
    try:
        with progress("benchmark", turns) as advance, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for turn in range(turns):
                for name, engine in ENGINES.items():
                    seconds[name].append(engine(turn))
                shares += curriculum_shares(turn)
                rollouts.append(rollout_speeds(turn))
                programs.append(programs_a_second(turn))
                advance(turn + 1)
    finally:
        torch.set_num_threads(threads)
    return {
        "turns": turns,
        "cpu_seconds_a_step": {name: spread(medians(seconds[name], 0)) for name in ENGINES},
        "wall_seconds_a_step": {name: spread(medians(seconds[name], 1)) for name in ENGINES},
        "times_as_fast_as_stock": {
            name: spread(ratios(medians(seconds["stock"], 0), medians(seconds[name], 0)))
            for name in ENGINES
            if name != "stock"
        },
        "curriculum_share_of_a_step": spread(shares),
        "rollout_tokens_per_cpu_second": {
            name: spread([speeds[name] for speeds in rollouts]) for name in ("fast", "generate")
        },
        "rollouts_times_as_fast_as_generate": spread(
            [speeds["fast"] / speeds["generate"] for speeds in rollouts]
        ),
        "programs_a_second": spread(programs),
        "versions": package_versions(),
    }


def medians(turns: Sequence[Sequence[Seconds]], kind: int) -> list[float]:
    """Each turn's median step, in CPU (0) or wall (1) seconds."""
    return [median(step[kind] for step in steps) for steps in turns]


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Turn by turn, so that both come from the same minute."""
    return [a / b for a, b in zip(above, below, strict=True)]


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": median(values), "lowest": min(values), "highest": max(values)}


ENGINES: dict[str, Callable[[int], list[Seconds]]] = {
    "stock": stock_steps,
    "subclass": lambda turn: subclass_steps(turn, leave_out=False),
    "subclass_rows_left_out": lambda turn: subclass_steps(turn, leave_out=True),
    "scratch": scratch_steps,
}


def main(turns: int = 5, out: Path = Path("runs/benchmark.json")) -> None:
    """Run the benchmark, print its medians and spreads, and write them to `out`."""
    results = benchmark(turns)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json_atomic(out, results)
    for line in lines(results):
        print(line)
    print(f"Written to {out}")


def lines(results: Mapping[str, Any]) -> Iterator[str]:
    """The results as text: median, and the lowest and highest of all turns."""
    for title, values in results.items():
        if not isinstance(values, dict) or title == "versions":
            continue
        rows = {"": values} if "median" in values else values
        yield title.replace("_", " ")
        for name, v in rows.items():
            numbers = f"{v['median']:.4g} ({v['lowest']:.4g} to {v['highest']:.4g})"
            yield f"  {name.replace('_', ' '):24}{numbers}"
