"""How the cost of a training step grows: with the rollouts of a group, and with their length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from currlab.benchmarks.engines import chosen_problems, configuration
from currlab.benchmarks.measure import Part, Raw, Scale, Subject, growth, spread, stopwatch
from currlab.curricula import Clock, Group, Pick, Rollout, Score, View, make_recipe
from currlab.models import load_model, prompt_ids
from currlab.training.collect import with_advantages
from currlab.training.rollouts import sample_completions
from currlab.training.scratch import ScratchTrainer

# Few prompts: how a cost grows is seen as well with them, and long completions are dear.
PROMPTS, GROUP = 8, 8
# An id that no token has: completions then end at their longest.
NEVER = -1


def group_size(scale: Scale, size: int) -> Part:
    """CPU seconds of generation and of update with this many rollouts a problem."""

    def one_turn(turn: int) -> dict[str, list[float]]:
        recipe = make_recipe("uniform", seed=turn, settings={"fixed_group": {"size": size}})
        trainer = ScratchTrainer(*load_model("tiny-warm"), recipe, configuration(scale, turn))

        def generate() -> list[Group]:
            picks = trainer.collector.choose(PROMPTS, Clock())
            return with_advantages(recipe, trainer.collector.collect(picks, Clock()))

        return generated_and_updated(trainer, generate, scale.steps)

    return one_turn


def completion_length(scale: Scale, length: int) -> Part:
    """CPU seconds of generation and of update where every rollout has this many tokens.

    Completions are forced to go on, and every other one counts as right: only the price is real.
    """

    def one_turn(turn: int) -> dict[str, list[float]]:
        recipe = make_recipe("uniform", seed=turn)
        model, tokenizer = load_model("tiny-warm")
        trainer = ScratchTrainer(model, tokenizer, recipe, configuration(scale, turn))
        problems = chosen_problems(scale, turn)[:PROMPTS]
        prompts = [prompt_ids(p.prompt, tokenizer) for p in problems for _ in range(GROUP)]

        def generate() -> list[Group]:
            rows = sample_completions(model, prompts, range(len(prompts)), length, 1.0, NEVER)
            groups = []
            for i, problem in enumerate(problems):
                rollouts = tuple(
                    Rollout(
                        View(problem.prompt), "", row.token_ids, score=Score(j % 2, bool(j % 2))
                    )
                    for j, row in enumerate(rows[i * GROUP : (i + 1) * GROUP])
                )
                groups.append(Group(problem, Pick(problem.arm, problem.seed), rollouts, 0))
            return with_advantages(recipe, groups)

        return generated_and_updated(trainer, generate, scale.steps)

    return one_turn


def generated_and_updated(
    trainer: ScratchTrainer, generate: Callable[[], list[Group]], steps: int
) -> dict[str, list[float]]:
    """CPU seconds of both halves of each step but the first."""
    halves: dict[str, list[float]] = {"generation": [], "update": []}
    for _ in range(steps):
        with stopwatch() as generation:
            groups = generate()
        with stopwatch() as update:
            trainer.update(groups)
        halves["generation"].append(generation.cpu)
        halves["update"].append(update.cpu)
    return {name: seconds[1:] for name, seconds in halves.items()}


def parts(scale: Scale) -> dict[str, Part]:
    return {f"group {size}": group_size(scale, size) for size in scale.groups} | {
        f"length {length}": completion_length(scale, length) for length in scale.lengths
    }


def summary(raw: Raw) -> dict[str, Any]:
    """Seconds by size, and the exponent b of ``seconds ~ size^b``."""
    found: dict[str, Any] = {}
    for dial, title in (("group", "group_size"), ("length", "completion_length")):
        mine = {int(name.split()[1]): raw[name] for name in raw if name.startswith(dial)}
        for half in ("generation", "update"):
            seconds = {size: spread(numbers[half]) for size, numbers in mine.items()}
            found[f"{half}_cpu_seconds_by_{title}"] = seconds
        found[f"growth_with_{title}"] = {
            half: growth(list(mine), [spread(numbers[half])["median"] for numbers in mine.values()])
            for half in ("generation", "update")
        }
    return found


SUBJECT = Subject("steps", parts, summary)
