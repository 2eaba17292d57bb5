"""The one way in which the project's own weights come about: ``currlab weights``.

Pre-training makes the base model; the warm-up teaches it to answer. What came out is measured on
fixed test problems and written beside the weights, so that tests can tell whether the shipped
files are those that this module makes. The tiny models are shipped; the small ones, for a GPU, are
too large for that and are made once on the machine that wants them.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from currlab.errors import CurrlabError
from currlab.evaluation import evaluate
from currlab.files import read_json, write_json_atomic
from currlab.models.load import MADE, SHIPPED, WEIGHTS, made_folder, save_weights, tokenizer_hash
from currlab.models.pretrain import Corpus, pretrain
from currlab.models.tiny import new_model
from currlab.models.tokenizer import build_tokenizer
from currlab.training.policy import LanguagePolicy
from currlab.training.warm_up import LEAD_MIXTURE, warm_up

# Sorting first; two other tasks keep the base from being a sorter and nothing else. Levels beyond
# the fifth never occur: what is above is for reinforcement learning to find. With the fifth level
# in the corpus the warmed model sometimes solves the sixth, and GRPO climbs from there; a base that
# stops at the fourth leaves a sharper edge and climbs more slowly.
CORPUS = Corpus(
    {
        **{f"sorting/{level}": 1.0 for level in range(1, 6)},
        **{f"{task}/{level}": 0.3 for task in ("brackets", "dedupe") for level in (1, 2)},
    }
)
MEASURED = {"sorting": range(1, 9)}
PROBLEMS = 64
MAX_NEW_TOKENS = 40
PROFILE = "profile.json"


@dataclass(frozen=True)
class Making:
    """How the two models of a size are made; `base` and `warm_up` are arguments of `pretrain` and
    `warm_up`. They fall under the names `names` and are written to `folder`."""

    names: Mapping[str, str]
    folder: Path
    base: Mapping[str, float]
    warm_up: Mapping[str, float]


def making(size: str) -> Making:
    """How the models of a size are made; CurrlabError for a size that has no recipe."""
    if size == "tiny":
        # Short and gentle. A longer warm-up carries what the base knows of sorting beyond the fifth
        # level, and there would be no frontier left to climb; a higher rate makes the answers less
        # varied.
        return Making(SHIPPED, WEIGHTS, {"steps": 800}, {"steps": 100, "learning_rate": 1e-3})
    if size == "small":
        base = {"steps": 400, "batch": 256, "learning_rate": 5e-4}
        return Making(MADE, made_folder(size), base, {"steps": 100, "learning_rate": 3e-4})
    raise CurrlabError(f"There are weights of the sizes tiny and small, not of '{size}'.")


def make_weights(
    size: str = "tiny",
    out: Path | None = None,
    seed: int = 0,
    base_steps: int | None = None,
    warm_up_steps: int | None = None,
    problems: int | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Make base and warm-up weights from nothing, write them to `out` and return their profile.

    Takes a few minutes: the tiny ones on one core, the small ones on a GPU. All files are written at
    the end, each of them atomically. None stands for the size's own folder and numbers.
    """
    how = making(size)
    out = out or how.folder
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CurrlabError(f"Cannot write weights to '{out}': {error.strerror}.") from error
    config = weights_config(size, seed, base_steps, warm_up_steps)
    torch.set_num_threads(1)  # more threads add in another order, which leads to other weights
    tokenizer = build_tokenizer()
    base = new_model(size, seed).to(device)
    steps = {"steps": config["base_steps"]}
    base_losses = pretrain(base, tokenizer, CORPUS, **(dict(how.base) | steps), seed=seed)
    warm = copy.deepcopy(base)
    steps = {"steps": config["warm_up"]["steps"]}
    warm_losses = warm_up(warm, tokenizer, LEAD_MIXTURE, **(dict(how.warm_up) | steps), seed=seed)
    models = dict(zip(how.names, (base, warm), strict=True))
    losses = (base_losses, [record["loss"] for record in warm_losses])
    profile = {
        "config": config,
        "config_hash": config_hash(config),
        "versions": {name: version(name) for name in ("torch", "transformers", "trl")},
        "losses": {name: [own[0], own[-1]] for name, own in zip(models, losses, strict=True)},
        "accuracy": {
            name: measure(model, tokenizer, problems or PROBLEMS) for name, model in models.items()
        },
    }
    for name, model in models.items():
        save_weights(model, tokenizer, out / how.names[name])
    write_json_atomic(out / PROFILE, profile)
    return profile


def ensure_weights(size: str, device: str) -> None:
    """Make the weights of a size unless they are there, made in the way that this version makes them.

    Several processes may ask at once: one makes them and the others wait.
    """
    folder = making(size).folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CurrlabError(f"Cannot write weights to '{folder}': {error.strerror}.") from error
    with FileLock(folder / ".lock"):
        made = read_json(folder / PROFILE) if (folder / PROFILE).exists() else {}
        if made.get("config_hash") != config_hash(weights_config(size)):
            make_weights(size, device=device)


def measure(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problems: int = PROBLEMS
) -> list[dict[str, Any]]:
    """Accuracy by level on the first `problems` test problems: greedy, sampled and pass@8."""
    return evaluate(LanguagePolicy(model, tokenizer, MAX_NEW_TOKENS), MEASURED, problems)


def weights_config(
    size: str = "tiny",
    seed: int = 0,
    base_steps: int | None = None,
    warm_up_steps: int | None = None,
) -> dict[str, Any]:
    """Everything that decides the weights, as JSON-able values."""
    how = making(size)
    steps = {"steps": warm_up_steps or how.warm_up["steps"]}
    config = {
        "seed": seed,
        "corpus": asdict(CORPUS),
        "base_steps": base_steps or how.base["steps"],
        "warm_up": dict(how.warm_up) | steps | {"mixture": dict(LEAD_MIXTURE)},
        "tokenizer": tokenizer_hash(build_tokenizer()),
    }
    if others := {name: value for name, value in how.base.items() if name != "steps"}:
        config |= {"size": size, "base": others}
    return json.loads(json.dumps(config))


def config_hash(config: Mapping[str, Any]) -> str:
    """A fingerprint of a configuration, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
