"""Eight ways to ruin a GRPO run, each on a switch, and healthy runs to compare them with.

Nothing is painted: a switch changes one thing about a real run of the tiny model, which then takes
real steps and leaves a run folder. `currlab.diagnose` is asked what went wrong; it looks at what the run
did, and never at the recipe or the model's name, which would tell the switch.

>>> session = lab.Session(start("length_runaway", seed=3), "runs/sick")  # doctest: +SKIP
>>> session.run()  # doctest: +SKIP
>>> diagnose(session.kept)[0].name  # doctest: +SKIP
'length_runaway'
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import numpy as np
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from currlab.curricula import make_recipe
from currlab.curricula.core import Recipe, Reward
from currlab.curricula.data import Clock, Group, Policy, Rollout, Score
from currlab.curricula.reward.exact import is_correct
from currlab.curricula.update.grpo import GRPO
from currlab.errors import CurrlabError
from currlab.models import build_tokenizer, load_model
from currlab.models.tokenizer import TAGS
from currlab.tasks import Problem, extract_answer, get_task
from currlab.training.config import TrainingConfig
from currlab.training.loss import LossBatch, grpo_loss
from currlab.training.scratch import ScratchTrainer
from currlab.training.warm_up import warm_up

STEPS = 40
WARM_UP_STEPS = 60
LATE_STEPS = 60


@dataclass(frozen=True)
class Ladder:
    """Levels in reach of the warmed-up model, and levels it never samples a right answer to."""

    reach: tuple[int, ...]
    beyond: tuple[int, ...]


# Measured: the first levels in reach are often solved, the last ones hardly ever.
LADDERS: Mapping[str, Ladder] = {
    "sorting": Ladder((3, 4, 5, 6, 7), (8, 9, 10)),
    "brackets": Ladder((1, 2, 3, 4, 5), (8, 9, 10, 11)),
    "dedupe": Ladder((1, 2, 3, 4), (6, 7, 8)),
}


@dataclass
class Setup:
    """All that a run is made of; a switch changes one part of it in place."""

    ladder: Ladder
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    recipe: Recipe
    config: TrainingConfig


# ---------------------------------------------------------------- what a switch puts on a dial


class LongIsGood(GRPO):
    """A term for length in the advantage: meant as a penalty, written with the wrong sign."""

    name: ClassVar[str] = "grpo_with_length_term"
    title: ClassVar[str] = "GRPO with a term for length"
    WEIGHT: ClassVar[float] = 0.5

    def advantages(self, groups: Sequence[Group]) -> list[tuple[float, ...]]:
        rows = []
        for group, advantages in zip(groups, super().advantages(groups), strict=True):
            lengths = np.array(group.lengths, dtype=float)
            z = (lengths - lengths.mean()) / (lengths.std() + 1e-4)
            rows.append(tuple((np.array(advantages) + self.WEIGHT * z).tolist()))
        return rows


class CertainIsGood(GRPO):
    """A bonus for entropy in the loss: it should be subtracted, and is added."""

    name: ClassVar[str] = "grpo_with_entropy_term"
    title: ClassVar[str] = "GRPO with a term for entropy"
    needs_entropies: ClassVar[bool] = True
    WEIGHT: ClassVar[float] = 1.0

    def objective(self, batch: LossBatch, groups: Sequence[Group]) -> Tensor:
        policy_loss = grpo_loss(
            batch.log_probabilities, batch.old_log_probabilities, batch.advantages, batch.mask
        )
        entropy = (batch.entropies * batch.mask).sum() / batch.mask.sum()
        return policy_loss + self.WEIGHT * entropy


class ContainedIsGood(Reward):
    """A verifier written in a hurry: ``answer in solution`` where it should say ``==``."""

    name: ClassVar[str] = "answer_in_solution"
    title: ClassVar[str] = "1 if the solution contains the answer"

    def score(
        self, problem: Problem, rollouts: Sequence[Rollout], policy: Policy, clock: Clock
    ) -> list[Score]:
        answers = [extract_answer(rollout.text) for rollout in rollouts]
        paid = [answer is not None and answer in problem.answer for answer in answers]
        right = is_correct(problem, rollouts)
        return [Score(float(pay), verdict) for pay, verdict in zip(paid, right, strict=True)]


# ---------------------------------------------------------------- the switches


def no_warm_up(setup: Setup) -> None:
    """The base model goes straight into GRPO; it has never seen an answer tag."""
    setup.model, _ = load_model("tiny-base")


def vanishing_tags(setup: Setup) -> None:
    """The tags are special tokens, and decoding strips those before the verifier reads."""
    setup.tokenizer.add_special_tokens({"extra_special_tokens": list(TAGS)})


def no_chat_template(setup: Setup) -> None:
    """The model reads the bare question, and not the template it was warmed up with."""
    setup.tokenizer.chat_template = "{{ messages[0]['content'] }}"


def learning_rate_too_high(setup: Setup) -> None:
    """Ten times the learning rate."""
    setup.config = replace(setup.config, learning_rate=10 * setup.config.learning_rate)


def zero_variance(setup: Setup) -> None:
    """Only levels beyond reach: every rollout of every group is wrong."""
    levels = dict.fromkeys(setup.config.levels, setup.ladder.beyond)
    setup.config = replace(setup.config, levels=levels)


def entropy_collapse(setup: Setup) -> None:
    """An entropy bonus with the wrong sign in the loss."""
    setup.recipe = setup.recipe.with_dial("update", CertainIsGood(seed=setup.config.seed))


def length_runaway(setup: Setup) -> None:
    """A length penalty with the wrong sign in the advantage."""
    setup.recipe = setup.recipe.with_dial("update", LongIsGood(seed=setup.config.seed))


def hackable_verifier(setup: Setup) -> None:
    """The reward is paid for any answer that the solution contains."""
    setup.recipe = setup.recipe.with_dial("reward", ContainedIsGood(seed=setup.config.seed))


def uniform(setup: Setup) -> None:
    """Nothing is changed: levels in reach, chosen evenly."""


def bandit(setup: Setup) -> None:
    """A curriculum chooses the levels: it asks harder ones as the learner gets better."""
    setup.recipe = make_recipe("sec", seed=setup.config.seed)


def late_stage(setup: Setup) -> None:
    """Trained before on the three easiest levels; the others that it meets are beyond reach.

    Most groups are all right or all wrong, which is what the end of a good uniform run looks like.
    """
    (task,) = setup.config.levels
    easy = (1, 2, 3)
    before = replace(setup.config, levels={task: easy}, steps=LATE_STEPS, eval_every=0)
    recipe = make_recipe("uniform", seed=setup.config.seed + 1_000_000)
    ScratchTrainer(setup.model, setup.tokenizer, recipe, before).train(progress=False)
    levels = {task: (*easy, *setup.ladder.beyond)}
    setup.config = replace(setup.config, levels=levels)


Switch = Callable[[Setup], None]
FAILURES: Mapping[str, Switch] = {
    switch.__name__: switch
    for switch in (
        no_warm_up,
        vanishing_tags,
        no_chat_template,
        learning_rate_too_high,
        zero_variance,
        entropy_collapse,
        length_runaway,
        hackable_verifier,
    )
}
HEALTHY: Mapping[str, Switch] = {
    switch.__name__: switch for switch in (uniform, bandit, late_stage)
}


# ---------------------------------------------------------------- a run with one switch on


@cache
def learner(task: str) -> tuple[str, PreTrainedModel]:
    """The tiny model after a warm-up on the task, and its name: shipped, or made here."""
    if task == "sorting":
        return "tiny-warm", load_model("tiny-warm")[0]
    model, tokenizer = load_model("tiny-base")
    mixture = {f"{task}/{level}": 1 / level for level in ladder(task).reach}
    warm_up(model, tokenizer, mixture, steps=WARM_UP_STEPS)
    return f"tiny-base, warmed up on {task} for {WARM_UP_STEPS} steps", model


def ladder(task: str) -> Ladder:
    """The task's levels in and beyond reach; for a task that nobody measured, a guess."""
    levels = tuple(get_task(task).levels)
    return LADDERS.get(task, Ladder(levels[:5], levels[5:][-4:] or levels[-1:]))


def start(
    case: str = "uniform", task: str = "sorting", seed: int = 0, steps: int = STEPS
) -> ScratchTrainer:
    """A trainer that is about to make this run; `train()` does. Equal seeds, equal runs.

    `case` is a name of `FAILURES` or `HEALTHY`.
    """
    switches = {**FAILURES, **HEALTHY}
    if case not in switches:
        raise CurrlabError(f"Unknown case '{case}'; the clinic has {', '.join(switches)}.")
    name, model = learner(task)
    config = TrainingConfig(
        levels={task: ladder(task).reach},
        model="tiny-base" if case == "no_warm_up" else name,
        seed=seed,
        steps=steps,
        prompts_per_step=16,
        max_new_tokens=24,
        eval_every=max(1, steps // 2),
        eval_problems=16,
        checkpoint_every=0,
    )
    recipe = make_recipe("uniform", seed=seed)
    setup = Setup(ladder(task), copy.deepcopy(model), build_tokenizer(), recipe, config)
    switches[case](setup)
    return ScratchTrainer(setup.model, setup.tokenizer, setup.recipe, setup.config)
