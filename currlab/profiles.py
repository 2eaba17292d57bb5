"""How much a notebook computes, and where: the one place that chooses device, dtype and threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from currlab.errors import CurrlabError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Profile:
    """Sizes of everything a notebook runs; the same cells serve all profiles.

    `threads` 0 leaves torch's own choice. `warm_up_batch` and `pretrain_batch` are problems a
    step; `learning_rate` is GRPO's; `seeds` is how many paired seeds a comparison uses.
    """

    name: str
    device: str = "cpu"
    precision: str = "float32"
    threads: int = 1
    model_size: str = "tiny"
    pretrain_steps: int = 400
    pretrain_batch: int = 64
    warm_up_steps: int = 400
    warm_up_batch: int = 64
    steps: int = 150
    learning_rate: float = 3e-4
    prompts_per_step: int = 32
    group_size: int = 8
    eval_problems: int = 32
    eval_every: int = 25
    seeds: int = 5

    @property
    def dtype(self) -> torch.dtype:
        """The weights' dtype, as torch knows it."""
        import torch

        return getattr(torch, self.precision)

    @property
    def base(self) -> str:
        """Name of the pre-trained model, for `load_model`."""
        return f"{self.model_size}-base"

    @property
    def warm(self) -> str:
        """Name of the warmed-up model, for `load_model`."""
        return f"{self.model_size}-warm"

    def apply(self, models: bool = True) -> Profile:
        """Prepare torch for this profile, and its models where they are wanted; the profile.

        One thread is the fastest for tiny models, and the only number with which equal seeds give
        equal runs on machines with different numbers of cores. Matrix products on a GPU may round
        their inputs to TF32. Models that are not shipped are made, once on a machine.
        """
        import torch

        if self.threads:
            torch.set_num_threads(self.threads)
        if self.device == "cuda":
            torch.set_float32_matmul_precision("high")
        if models and self.model_size != "tiny":
            from currlab.training.make_weights import ensure_weights

            ensure_weights(self.model_size, self.device)
        return self


PROFILES = {
    # Seconds: enough to see that everything works and that learning has begun.
    "smoke": Profile(
        "smoke",
        pretrain_steps=40,
        warm_up_steps=60,
        steps=40,
        prompts_per_step=16,
        eval_problems=16,
        eval_every=10,
        seeds=2,
    ),
    # Minutes on one core: the lead example as the text tells it.
    "cpu": Profile("cpu"),
    # A larger model and longer runs. Weights stay in float32: at these sizes memory is no concern,
    # and updates of 1e-4 get lost in bfloat16 weights.
    "gpu": Profile(
        "gpu",
        device="cuda",
        threads=0,
        model_size="small",
        pretrain_steps=2000,
        pretrain_batch=256,
        warm_up_steps=1000,
        warm_up_batch=256,
        learning_rate=1e-4,
        prompts_per_step=64,
        group_size=16,
        eval_problems=128,
    ),
}


def profile(name: str) -> Profile:
    """The profile called `name`: smoke, cpu, or gpu where there is CUDA.

    >>> profile("smoke").device
    'cpu'
    """
    if name not in PROFILES:
        raise CurrlabError(f"Unknown profile '{name}'; the profiles are {', '.join(PROFILES)}.")
    chosen = PROFILES[name]
    if chosen.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise CurrlabError(
                "Profile 'gpu' needs a CUDA device and torch finds none; use profile 'cpu' or "
                "'smoke'."
            )
    return chosen
