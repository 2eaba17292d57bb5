"""A from-scratch run small enough for tests, and a way to kill it at a chosen moment."""

import os
import signal

import torch
from safetensors.torch import load_file

from currlab.curricula import make_recipe
from currlab.curricula.core import Reward
from currlab.curricula.data import Score, View
from currlab.models.tiny import new_model
from currlab.models.tokenizer import build_tokenizer
from currlab.runs import Run
from currlab.training import checkpoints
from currlab.training.config import TrainingConfig
from currlab.training.scratch import ScratchTrainer

torch.set_num_threads(1)

MOMENTS = {
    # Steps 1, 5: before and after the first checkpoint; the logs are ahead of the checkpoint.
    "step 1": ("step", 1),
    "step 5": ("step", 5),
    # The second checkpoint (step 4): before its weights, its optimiser, its record, its new name.
    "before the weights": ("save_file", 3),
    "before the optimiser": ("save_file", 4),
    "before the record": ("write_json_atomic", 2),
    "before the rename": ("replace", 2),
}


class Digits(Reward):
    """The share of a completion's characters that are digits: a random model can learn that."""

    name, title = "digits", "share of digits"

    def score(self, problem, rollouts, policy, clock):
        shares = [sum(c.isdigit() for c in r.text) / max(1, len(r.text)) for r in rollouts]
        return [Score(share, share == 1) for share in shares]


def small_config(**changes) -> TrainingConfig:
    settings = {
        "levels": {"sorting": (1, 2, 3)},
        "steps": 6,
        "prompts_per_step": 4,
        "max_new_tokens": 6,
        "eval_every": 3,
        "checkpoint_every": 2,
        "eval_problems": 2,
        "learning_rate": 3e-3,
    }
    return TrainingConfig(**{**settings, **changes})


def small_recipe(select="sec", size=4, seed=0, **dials):
    """Coin flips as reward, because a random model never earns a true one."""
    settings = {"fixed_group": {"size": size}}
    return make_recipe(select, seed=seed, settings=settings, **{"reward": "random", **dials})


def small_trainer(run=None, recipe=None, device="cpu", **changes) -> ScratchTrainer:
    model = new_model("tiny", 0).to(device)
    recipe = recipe or small_recipe()
    return ScratchTrainer(model, build_tokenizer(), recipe, small_config(**changes), run)


def share_of_digits(trainer) -> float:
    """The mean reward that `Digits` would give 64 completions now."""
    problem = trainer.collector.catalog.problem("sorting/1", 0)
    rollouts = trainer.policy.generate([View(problem.prompt)] * 64, range(64), 1.0)
    scores = Digits().score(problem, rollouts, trainer.policy, trainer.clock)
    return sum(score.total for score in scores) / 64


def open_run(folder) -> Run:
    return Run.open(folder, {"case": "scratch"})


def without_seconds(records):
    """Records with what a clock measured left out."""
    return [{k: v for k, v in r.items() if not k.startswith("seconds")} for r in records]


def state_of(run) -> tuple:
    """Everything that a resumed run must share with an uninterrupted one, bit for bit."""
    last = run.checkpoints / "checkpoint-6"
    logs = {name: without_seconds(run.records(name)) for name in ("metrics", "groups", "eval")}
    tensors = {
        f"{name}/{key}": tensor.tolist()
        for name in ("model", "optimizer")
        for key, tensor in load_file(last / f"{name}.safetensors").items()
    }
    return logs, tensors


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def train_until(folder, moment) -> None:
    """Train in this process until kill -9 strikes at the moment of this name."""
    what, number = MOMENTS[moment]
    if what != "step":
        owner = os if what == "replace" else checkpoints
        real, calls = getattr(owner, what), []

        def counting(*args, **options):
            # Other files are renamed, too: only checkpoints count.
            if what != "replace" or "checkpoint" in os.path.basename(args[1]):
                calls.append(args)
            return die() if len(calls) == number else real(*args, **options)

        setattr(owner, what, counting)
    with open_run(folder) as run:
        small_trainer(run).train(
            progress=False,
            on_step=lambda m: die() if (what, m["step"]) == ("step", number) else None,
        )
