"""A TRL run small enough for tests: a random tiny model, coin flips as reward, 4 prompts x 4."""

import torch
from safetensors.torch import load_file

from currlab.curricula import make_recipe
from currlab.models.tiny import new_model
from currlab.models.tokenizer import build_tokenizer
from currlab.runs import Run
from currlab.training.config import TrainingConfig
from currlab.training.grpo_trainer import CurriculumGRPOTrainer

torch.set_num_threads(1)


def small_config(**changes) -> TrainingConfig:
    """Coin flips are used as reward because a random model never earns a true one."""
    settings = {
        "levels": {"sorting": (1, 2, 3)},
        "steps": 3,
        "prompts_per_step": 4,
        "max_new_tokens": 6,
        "eval_every": 0,
        "checkpoint_every": 0,
        "eval_problems": 2,
    }
    return TrainingConfig(**{**settings, **changes})


def small_recipe(select="sec", size=4, **dials):
    return make_recipe(
        select, settings={"fixed_group": {"size": size}}, **{"reward": "random", **dials}
    )


def small_trainer(config=None, recipe=None, run=None, **options) -> CurriculumGRPOTrainer:
    return CurriculumGRPOTrainer(
        new_model("tiny", 0),
        build_tokenizer(),
        recipe or small_recipe(),
        config or small_config(),
        run,
        **options,
    )


def weights(model) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def without_seconds(records):
    """Records with what a clock measured left out."""
    return [{k: v for k, v in r.items() if not k.startswith("seconds")} for r in records]


# Evaluations and checkpoints at different steps, so that some lines are older than a checkpoint.
RESUMED = small_config(steps=6, checkpoint_every=2, eval_every=3, learning_rate=3e-3)


# Strategies beside SEC that two processes must agree on: a probe and a posterior, and hints with
# likelihood terms, credited prefixes and two normalisations in a group.
KINDS = ("bots", "uft", "prefix_rft", "adhint")
SHORT = small_config(steps=3, learning_rate=3e-3)


def kind_of_recipe(kind):
    if kind == "bots":
        return small_recipe("bots")
    turned = ("present", "update") if kind == "adhint" else ("present",)
    return small_recipe("uniform", **dict.fromkeys(turned, kind))


def change_it(session) -> None:
    """A parameter after two steps, another strategy and temperature after three."""
    changes = {
        2: [lambda: session.set("select", temperature=0.7)],
        3: [
            lambda: session.swap("select", "target", width=0.4),
            lambda: session.set("sample", temperature=1.5),
        ],
    }
    real = session._before_step

    def before_step():
        for ask in changes.get(session.trainer.clock.step, []):
            ask()
        real()

    session._before_step = before_step


def open_run(folder) -> Run:
    return Run.open(folder, {"engine": "trl"})


def state_of(run) -> tuple:
    """Everything that a resumed run must share with an uninterrupted one, bit for bit."""
    last = run.checkpoints / "checkpoint-6"
    logs = {name: without_seconds(run.records(name)) for name in ("metrics", "groups", "eval")}
    optimizer = torch.load(last / "optimizer.pt", weights_only=True)["state"]
    moments = {f"{i}.{k}": v for i, of in optimizer.items() for k, v in of.items()}
    tensors = {**load_file(last / "model.safetensors"), **moments}
    return logs, {name: tensor.tolist() for name, tensor in tensors.items()}
