"""Changing a recipe while it trains, and the record that lets anyone do the same again.

A change is made between two steps. Its record names everything needed to repeat it: which dial,
the strategy with all parameters and its seed, and the arms that can be picked from then on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from currlab.curricula.core import DIALS, Recipe, Select, Strategy
from currlab.curricula.data import Catalog
from currlab.curricula.registry import check_parameters, make_strategy
from currlab.errors import CurrlabError
from currlab.files import dump_json

KINDS = ("strategy", "parameters", "arms", "stop")


@dataclass(frozen=True)
class Change:
    """One line of steering.jsonl, made after `step` steps and before the next.

    `change` "strategy" puts a new strategy on the dial; it starts with an empty memory.
    "parameters" keeps what the strategy has learnt. "arms" changes what can be picked; the select
    strategy starts anew, because what it counted belonged to other arms. "stop" ends the run.
    `parameters` are all of the strategy's parameters, not only the changed ones.
    """

    step: int
    dial: str
    change: str
    strategy: str
    parameters: Mapping[str, Any]
    seed: int
    arms: tuple[str, ...]

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Change:
        """From a line of steering.jsonl; CurrlabError if it is none."""
        if set(record) != set(cls.__dataclass_fields__) or record["change"] not in KINDS:
            raise CurrlabError(f"This is not a line of steering.jsonl: {dump_json(record)[:200]}")
        return cls(**{**record, "arms": tuple(record["arms"])})


def steered(recipe: Recipe, catalog: Catalog, change: Change) -> tuple[Recipe, Catalog]:
    """The recipe and the catalog after the change; those given are left as they are.

    A strategy is always built anew and bound, then given the old one's memory if it keeps it: a
    resumed run builds it in the same way, so both go on alike.
    """
    if change.dial not in DIALS:
        raise CurrlabError(f"Unknown dial '{change.dial}'; the dials are {', '.join(DIALS)}.")
    old = getattr(recipe, change.dial)
    catalog = Catalog(change.arms, catalog.pool)
    new = _build(change.strategy, change.parameters, change.seed, [old])
    if isinstance(new, Select):
        new.bind(catalog)
    if change.change == "parameters":
        new.load_state_dict({**old.state_dict(), "parameters": dict(change.parameters)})
    for dial in DIALS:
        # A strategy that turns several dials is one object, which remembers once.
        if dial == change.dial or getattr(recipe, dial).name == new.name:
            recipe = recipe.with_dial(dial, new)
    return recipe, catalog


def rebuilt(
    recipe: Recipe, catalog: Catalog, dials: Mapping[str, Any], arms: Sequence[str]
) -> tuple[Recipe, Catalog]:
    """A recipe as `Recipe.describe` told of it, and its catalog; dials that agree are kept.

    New strategies are bound and remember nothing yet: their saved state is loaded next.
    """
    before = json.loads(dump_json(recipe.describe()))
    moved = tuple(arms) != catalog.arms
    names = {
        dials[d]["strategy"] for d in DIALS if dials[d] != before[d] or (d == "select" and moved)
    }
    catalog = Catalog(tuple(arms), catalog.pool)
    made: dict[str, Strategy] = {}
    for dial in DIALS:
        told = dials[dial]
        name = told["strategy"]
        if name not in names:
            continue
        if name not in made:
            made[name] = _build(name, told["parameters"], told["seed"], recipe.strategies)
            if isinstance(made[name], Select):
                made[name].bind(catalog)
        recipe = recipe.with_dial(dial, made[name])
    return recipe, catalog


def described_recipe(dials: Mapping[str, Any]) -> Recipe:
    """A fresh recipe from what `Recipe.describe` told; a strategy on two dials is one object."""
    made = {
        told["strategy"]: make_strategy(told["strategy"], told["seed"], **told["parameters"])
        for told in dials.values()
    }
    objects = {dial: made[dials[dial]["strategy"]] for dial in DIALS}
    return Recipe(**objects, name=dials["select"]["strategy"])


def _build(
    name: str, parameters: Mapping[str, Any], seed: int, present: Iterable[Strategy]
) -> Strategy:
    """A new strategy; one that is present already need not be in the registry."""
    for strategy in present:
        if strategy.name == name:
            cls = type(strategy)
            return cls(check_parameters(cls, parameters), seed)
    return make_strategy(name, seed, **parameters)
