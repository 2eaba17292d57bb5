"""Models that the policy is compared with: frozen or slow copies of it, and teachers."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import PreTrainedModel

from currlab.errors import CurrlabError
from currlab.models.load import load_model


class References:
    """Models by name; "self" is the policy, the others are what a recipe's `references` ask for.

    >>> references = References(model)  # doctest: +SKIP
    >>> references.keep({"start": 1.0, "slow": 0.99})  # doctest: +SKIP
    >>> references.follow()  # after every update  # doctest: +SKIP
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.policy = model
        self.kept: dict[str, PreTrainedModel] = {}
        self.wanted: dict[str, float | str] = {}

    def keep(self, wanted: Mapping[str, float | str]) -> None:
        """Keep these models from now on. One that is kept already stays as it is."""
        if "self" in wanted:
            raise CurrlabError("'self' is the policy; a reference needs another name.")
        for name, what in wanted.items():
            if self.wanted.get(name) != what:
                self.kept[name] = self._made(what)
        self.kept = {name: self.kept[name] for name in wanted}
        self.wanted = dict(wanted)

    def _made(self, what: float | str) -> PreTrainedModel:
        if isinstance(what, str):
            made, _ = load_model(what, str(self.policy.device))
        elif 0 <= what <= 1:
            made = copy.deepcopy(self.policy)
            for module in made.modules():
                # Trainers replace `forward` on the instance; a copy of it would still call the policy.
                vars(module).pop("forward", None)
        else:
            raise CurrlabError(f"A copy keeps a share of itself between 0 and 1; got {what}.")
        return made.requires_grad_(False).eval()

    @torch.no_grad()
    def follow(self) -> None:
        """Move every slow copy towards the policy: ``copy <- share copy + (1 - share) policy``."""
        for name, share in self.wanted.items():
            if not isinstance(share, str) and share < 1:
                pairs = zip(self.kept[name].parameters(), self.policy.parameters(), strict=True)
                for slow, fast in pairs:
                    slow.lerp_(fast, 1 - share)

    def __getitem__(self, name: str) -> PreTrainedModel:
        if name == "self":
            return self.policy
        if name not in self.kept:
            known = ", ".join(["self", *self.kept])
            raise CurrlabError(f"The recipe keeps no model '{name}'; it has {known}.")
        return self.kept[name]

    def tensors(self) -> dict[str, Tensor]:
        """The copies' weights for a checkpoint, "name.parameter" each; a teacher is loaded again."""
        return {
            f"{name}.{key}": value.detach().contiguous()
            for name, model in self.kept.items()
            if not isinstance(self.wanted[name], str)
            for key, value in model.named_parameters()
        }

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Put saved weights back; CurrlabError if they are not those of `tensors()`."""
        here = {name: value.shape for name, value in self.tensors().items()}
        if here != {name: value.shape for name, value in tensors.items()}:
            raise CurrlabError("The checkpoint's reference models are not those of this recipe.")
        for name, model in self.kept.items():
            for key, value in model.named_parameters():
                if f"{name}.{key}" in tensors:
                    value.copy_(tensors[f"{name}.{key}"])
