"""The one way in which the shipped weights come about: ``currlab weights``.

Pre-training makes the base model; the warm-up teaches it to answer. What came out is measured on
fixed test problems and written beside the weights, so that tests can tell whether the shipped
files are those that this module makes.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from currlab.errors import CurrlabError
from currlab.evaluation import evaluate
from currlab.files import write_json_atomic
from currlab.models.load import SHIPPED, WEIGHTS, save_weights, tokenizer_hash
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
BASE_STEPS = 800
# Short and gentle. A longer warm-up carries what the base knows of sorting beyond the fifth level,
# and there would be no frontier left to climb; a higher rate makes the answers less varied.
WARM_UP = {"steps": 100, "learning_rate": 1e-3}
MEASURED = {"sorting": range(1, 9)}
PROBLEMS = 64
MAX_NEW_TOKENS = 40
PROFILE = "profile.json"


def make_weights(
    out: Path = WEIGHTS,
    seed: int = 0,
    base_steps: int = BASE_STEPS,
    warm_up_steps: int = WARM_UP["steps"],
    problems: int = PROBLEMS,
) -> dict[str, Any]:
    """Make base and warm-up weights from nothing, write them to `out` and return their profile.

    Takes a few minutes on one core. All files are written at the end, each of them atomically.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CurrlabError(f"Cannot write weights to '{out}': {error.strerror}.") from error
    config = weights_config(seed, base_steps, warm_up_steps)
    torch.set_num_threads(1)  # more threads add in another order, which leads to other weights
    tokenizer = build_tokenizer()
    base = new_model("tiny", seed)
    base_losses = pretrain(base, tokenizer, CORPUS, steps=base_steps, seed=seed)
    warm = copy.deepcopy(base)
    warm_losses = warm_up(
        warm, tokenizer, LEAD_MIXTURE, **(WARM_UP | {"steps": warm_up_steps}), seed=seed
    )
    models = dict(zip(SHIPPED, (base, warm), strict=True))
    profile = {
        "config": config,
        "config_hash": config_hash(config),
        "versions": {name: version(name) for name in ("torch", "transformers", "trl")},
        "losses": {
            "tiny-base": [base_losses[0], base_losses[-1]],
            "tiny-warm": [warm_losses[0]["loss"], warm_losses[-1]["loss"]],
        },
        "accuracy": {name: measure(model, tokenizer, problems) for name, model in models.items()},
    }
    for name, model in models.items():
        save_weights(model, tokenizer, out / SHIPPED[name])
    write_json_atomic(out / PROFILE, profile)
    return profile


def measure(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problems: int = PROBLEMS
) -> list[dict[str, Any]]:
    """Accuracy by level on the first `problems` test problems: greedy, sampled and pass@8."""
    return evaluate(LanguagePolicy(model, tokenizer, MAX_NEW_TOKENS), MEASURED, problems)


def weights_config(
    seed: int = 0, base_steps: int = BASE_STEPS, warm_up_steps: int = WARM_UP["steps"]
) -> dict[str, Any]:
    """Everything that decides the weights, as JSON-able values."""
    config = {
        "seed": seed,
        "corpus": asdict(CORPUS),
        "base_steps": base_steps,
        "warm_up": WARM_UP | {"steps": warm_up_steps, "mixture": dict(LEAD_MIXTURE)},
        "tokenizer": tokenizer_hash(build_tokenizer()),
    }
    return json.loads(json.dumps(config))


def config_hash(config: Mapping[str, Any]) -> str:
    """A fingerprint of a configuration, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
