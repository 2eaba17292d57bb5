"""Sampled tokens per second: our rollouts against `model.generate`, on one step's prompts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from currlab.benchmarks.engines import chosen_problems, configuration
from currlab.benchmarks.measure import Part, Raw, Scale, Subject, ratios, spread, stopwatch
from currlab.models import load_model, prompt_ids
from currlab.training.decoders import left_pad
from currlab.training.rollouts import sample_completions

GROUP = 8


def samplers(scale: Scale, turn: int) -> dict[str, Callable[[], int]]:
    """Both ways to sample a completion for every row of one step; the tokens they have sampled."""
    model, tokenizer = load_model("tiny-warm")
    end, length = tokenizer.eos_token_id, configuration(scale, turn).max_new_tokens
    problems = chosen_problems(scale, turn)[: scale.prompts]
    prompts = [prompt_ids(p.prompt, tokenizer) for p in problems for _ in range(GROUP)]

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

    return {"fast": fast, "generate": generate}


def parts(scale: Scale) -> dict[str, Part]:
    def of(name: str) -> Part:
        def one_turn(turn: int) -> dict[str, list[float]]:
            sample = samplers(scale, turn)[name]
            sample()  # warms up
            with stopwatch() as seconds:
                tokens = sample()
            return {"cpu": [tokens / seconds.cpu], "wall": [tokens / seconds.wall]}

        return one_turn

    return {name: of(name) for name in ("fast", "generate")}


def summary(raw: Raw) -> dict[str, Any]:
    return {
        "tokens_per_cpu_second": {name: spread(raw[name]["cpu"]) for name in raw},
        "tokens_per_wall_second": {name: spread(raw[name]["wall"]) for name in raw},
        "times_as_fast_as_generate": spread(ratios(raw["fast"]["cpu"], raw["generate"]["cpu"])),
    }


SUBJECT = Subject("rollouts", parts, summary)
