"""What a GRPO step costs, and what becomes of the cost when several processes share the step.

A decode is a loop over positions, so the longest completion counts as well as the number of tokens:

    generation = position x positions + token x tokens + prompt_token x prompt tokens + row x rows
    update     = update + trained_token x tokens that go forward and back

Processes that share a step wait for each other twice: when the groups are gathered and when the
gradients are. So a step lasts as long as its slowest process, plus what nobody can share: the
optimiser, the exchange of gradients, and the curriculum's decision, which every process repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from scipy.optimize import nnls

from currlab.errors import CurrlabError
from currlab.training.rollouts import ROWS_AT_A_TIME

GENERATION = ("position", "token", "prompt_token", "row")
UPDATE = ("update", "trained_token")
PARTS = ("generation", "update", "exchange", "curriculum", "waiting")


@dataclass(frozen=True)
class Work:
    """What a step, or one process's part of it, has to do.

    `lengths` [prompts, rollouts] are sampled tokens, `prompt_tokens` [prompts] those of each prompt,
    `taught` [prompts] says whose groups have advantages: the others are left out of the update.
    """

    lengths: np.ndarray
    prompt_tokens: np.ndarray
    taught: np.ndarray

    def __post_init__(self) -> None:
        prompts = len(self.lengths)
        if np.ndim(self.lengths) != 2 or np.size(self.lengths) == 0 or np.min(self.lengths) < 1:
            raise CurrlabError("'lengths' must be [prompts, rollouts] of at least 1 token each.")
        if np.shape(self.prompt_tokens) != (prompts,) or np.shape(self.taught) != (prompts,):
            raise CurrlabError(
                f"'prompt_tokens' and 'taught' must have one value for each of {prompts} prompts."
            )

    def part(self, rank: int, processes: int) -> Work:
        """The prompts of one process, cut as `Collector` cuts them."""
        first, last = (len(self.lengths) * (rank + i) // processes for i in (0, 1))
        return Work(
            self.lengths[first:last], self.prompt_tokens[first:last], self.taught[first:last]
        )

    def amounts(self) -> dict[str, float]:
        """How much there is of whatever a cost is charged for."""
        loops = -(-self.lengths.size // ROWS_AT_A_TIME)
        rows = self.lengths + self.prompt_tokens[:, None]
        return {
            "position": float(loops * self.lengths.max()),
            "token": float(self.lengths.sum()),
            "prompt_token": float(self.prompt_tokens.sum()),
            "row": float(self.lengths.size),
            "update": 1.0,
            "trained_token": float(rows[self.taught].sum()),
        }


@dataclass(frozen=True)
class Costs:
    """Seconds of each thing that a step does; `curriculum` is a step's choosing and observing."""

    position: float
    token: float
    prompt_token: float
    row: float
    update: float
    trained_token: float
    curriculum: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) >= 0:  # a NaN fails too
                raise CurrlabError(
                    f"'{field.name}' must be 0 seconds or more; got {getattr(self, field.name)}."
                )

    def generation(self, work: Work) -> float:
        """Seconds until every completion is sampled and scored."""
        amounts = work.amounts()
        return sum(getattr(self, name) * amounts[name] for name in GENERATION)

    def updating(self, work: Work) -> float:
        """Seconds of forward, backward and optimiser."""
        amounts = work.amounts()
        return sum(getattr(self, name) * amounts[name] for name in UPDATE)


@dataclass(frozen=True)
class Link:
    """What joins the processes: bytes a second one way, and seconds until a message arrives."""

    bytes_per_second: float
    latency: float = 0.0

    def __post_init__(self) -> None:
        if not (self.bytes_per_second > 0 and self.latency >= 0):
            raise CurrlabError(
                "A link needs more than 0 bytes a second and a latency of 0 or more."
            )

    def all_reduce(self, size: float, processes: int) -> float:
        """Seconds of a ring all-reduce of `size` bytes: 2 (n - 1) messages of size / n bytes each.

        Source: Patarasuk & Yuan, "Bandwidth optimal all-reduce algorithms for clusters of
        workstations", Journal of Parallel and Distributed Computing, 2009.

        >>> Link(1e9).all_reduce(1e9, 2), Link(1e9).all_reduce(1e9, 1)
        (1.0, 0.0)
        """
        return 2 * (processes - 1) * (size / processes / self.bytes_per_second + self.latency)


def work_of(
    records: Iterable[Mapping[str, Any]], prompt_tokens: Callable[[str], int]
) -> dict[int, Work]:
    """The work of every step, by its number, from the lines of a run's groups.jsonl.

    Rollouts of a step must be as many for every prompt; `prompt_tokens` counts a prompt's tokens.
    """
    steps: dict[int, list[Mapping[str, Any]]] = {}
    for record in records:
        steps.setdefault(record["step"], []).append(record)
    found = {}
    for step, groups in steps.items():
        if len({len(group["lengths"]) for group in groups}) > 1:
            raise CurrlabError(f"The groups of step {step} have different numbers of rollouts.")
        found[step] = Work(
            np.array([group["lengths"] for group in groups]),
            np.array([prompt_tokens(group["prompt"]) for group in groups]),
            np.array([any(group["advantages"]) for group in groups]),
        )
    return found


def fit(steps: Sequence[tuple[Work, Mapping[str, float]]]) -> Costs:
    """The costs that explain measured steps best: non-negative least squares of relative errors.

    Beside its work a step has `seconds_generation`, `seconds_update` and `seconds_curriculum`, as
    metrics.jsonl has them. Needs more steps than there are costs of generation.
    """
    if len(steps) <= len(GENERATION):
        raise CurrlabError(
            f"A fit needs at least {len(GENERATION) + 1} measured steps; got {len(steps)}."
        )
    amounts = [work.amounts() for work, _ in steps]
    found: dict[str, float] = {}
    for names, part in ((GENERATION, "generation"), (UPDATE, "update")):
        seconds = np.array([told[f"seconds_{part}"] for _, told in steps])
        if not (seconds > 0).all():
            raise CurrlabError(f"Every measured step needs more than 0 seconds of {part}.")
        table = np.array([[row[name] for name in names] for row in amounts]) / seconds[:, None]
        # Columns of one size: tokens are counted by thousands, updates one by one.
        size = np.maximum(np.linalg.norm(table, axis=0), 1e-300)
        solution, _ = nnls(table / size, np.ones(len(steps)))
        found |= dict(zip(names, (solution / size).tolist(), strict=True))
    curriculum = float(np.median([told["seconds_curriculum"] for _, told in steps]))
    return Costs(**found, curriculum=curriculum)


def step_seconds(
    costs: Costs, work: Work, processes: int = 1, link: Link | None = None, size: float = 0.0
) -> dict[str, float]:
    """The seconds of each of `PARTS` in a step that `processes` share; their sum is the step.

    `generation` and `update` are the mean over processes, `waiting` is what the slowest one adds to
    either; `size` are the bytes of gradients that are exchanged over the `link`.
    """
    if not 1 <= processes <= len(work.lengths):
        raise CurrlabError(
            f"A step of {len(work.lengths)} prompts can be shared by 1 to {len(work.lengths)} "
            f"processes, each with a prompt at least; got {processes}."
        )
    if processes > 1 and link is None:
        raise CurrlabError("Several processes exchange gradients: give the link between them.")
    parts = [work.part(rank, processes) for rank in range(processes)]
    sampling = np.array([costs.generation(part) for part in parts])
    updating = np.array([costs.updating(part) for part in parts])
    return {
        "generation": float(sampling.mean()),
        "update": float(updating.mean()),
        "exchange": link.all_reduce(size, processes) if processes > 1 else 0.0,
        "curriculum": costs.curriculum,
        "waiting": float(sampling.max() - sampling.mean() + updating.max() - updating.mean()),
    }


def datasheet_costs(
    weights: int, trained: int, tflops: float, memory_gb_s: float, utilisation: float
) -> Costs:
    """The least that a GPU can take, from its datasheet: a prediction, with nothing measured.

    Every decoded position reads all weights (2 bytes each) from memory; a token takes 2 operations a
    weight forward and 4 back (Kaplan et al., arXiv 2001.08361), 2 of them for the gradients of
    weights, which an adapter hardly has. `utilisation` is the share of `tflops` that is reached. The
    optimiser reads or writes weight, gradient and two moments some 8 times. Python, kernel launches
    and attention are left out.
    """
    if min(weights, trained, tflops, memory_gb_s) <= 0 or not 0 < utilisation <= 1:
        raise CurrlabError(
            "Weights, trained weights, tflops and memory_gb_s must be more than 0, and utilisation "
            "at most 1."
        )
    operation = 1 / (utilisation * tflops * 1e12)
    memory = 1 / (memory_gb_s * 1e9)
    return Costs(
        position=2 * weights * memory,
        token=2 * weights * operation,
        prompt_token=2 * weights * operation,
        row=0.0,
        update=8 * 2 * trained * memory,
        trained_token=(4 * weights + 2 * trained) * operation,
    )


def faster_generation(costs: Costs, factor: float) -> Costs:
    """The costs with generation `factor` times as fast, as another engine for sampling may have it."""
    if not factor > 0:
        raise CurrlabError(f"'factor' must be more than 0; got {factor}.")
    return replace(costs, **{name: getattr(costs, name) / factor for name in GENERATION})
