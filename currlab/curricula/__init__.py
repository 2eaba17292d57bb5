"""HOW it is taught: strategies for the five dials, and recipes made of them."""

from currlab.curricula.core import Recipe
from currlab.curricula.data import Catalog, Clock, Group, Pick, Rollout, Score, View
from currlab.curricula.present import context as _context
from currlab.curricula.present import explain as _explain
from currlab.curricula.present import formats as _formats
from currlab.curricula.present import hints as _hints
from currlab.curricula.present import masks as _masks
from currlab.curricula.present import noise as _noise
from currlab.curricula.present import plain as _plain
from currlab.curricula.present import pretext as _pretext
from currlab.curricula.present import rewrites as _rewrites
from currlab.curricula.registry import STRATEGIES as _STRATEGIES
from currlab.curricula.registry import (
    describe,
    make_recipe,
    make_strategy,
    register,
)
from currlab.curricula.reward import exact as _exact
from currlab.curricula.reward import group as _group
from currlab.curricula.reward import length as _length
from currlab.curricula.reward import likelihood as _likelihood
from currlab.curricula.reward import parts as _parts
from currlab.curricula.reward import schedules as _reward_schedules
from currlab.curricula.reward import tiers as _tiers
from currlab.curricula.sample import adaptive as _adaptive
from currlab.curricula.sample import filters as _filters
from currlab.curricula.sample import fixed as _fixed
from currlab.curricula.sample import replay as _replay
from currlab.curricula.select import bandit as _bandit
from currlab.curricula.select import bayesian as _bayesian
from currlab.curricula.select import entropy as _entropy
from currlab.curricula.select import irt as _irt
from currlab.curricula.select import orders as _orders
from currlab.curricula.select import pools as _pools
from currlab.curricula.select import probing as _probing
from currlab.curricula.select import promotion as _promotion
from currlab.curricula.select import propagation as _propagation
from currlab.curricula.select import resorting as _resorting
from currlab.curricula.select import schedules as _schedules
from currlab.curricula.select import sft_orders as _sft_orders
from currlab.curricula.select import stages as _stages
from currlab.curricula.select import static as _static
from currlab.curricula.select import target as _target
from currlab.curricula.select import utility as _utility
from currlab.curricula.select import value as _value
from currlab.curricula.update import baselines as _baselines
from currlab.curricula.update import clipping as _clipping
from currlab.curricula.update import distillation as _distillation
from currlab.curricula.update import gating as _gating
from currlab.curricula.update import grpo as _grpo
from currlab.curricula.update import mixing as _mixing
from currlab.curricula.update import objectives as _objectives
from currlab.curricula.update import order as _order

# Importing a module of strategies registers them; this is the list of all such modules.
STRATEGY_MODULES = (
    _plain,
    _formats,
    _hints,
    _explain,
    _rewrites,
    _context,
    _noise,
    _masks,
    _pretext,
    _exact,
    _tiers,
    _reward_schedules,
    _parts,
    _group,
    _length,
    _likelihood,
    _adaptive,
    _filters,
    _fixed,
    _replay,
    _bandit,
    _bayesian,
    _entropy,
    _irt,
    _orders,
    _pools,
    _probing,
    _promotion,
    _propagation,
    _resorting,
    _schedules,
    _sft_orders,
    _stages,
    _static,
    _target,
    _utility,
    _value,
    _grpo,
    _baselines,
    _clipping,
    _distillation,
    _gating,
    _mixing,
    _objectives,
    _order,
)


def strategy_names(dial: str | None = None) -> list[str]:
    """Names of all strategies, or of those that turn `dial`."""
    from currlab.curricula.registry import dials_of

    return sorted(n for n, cls in _STRATEGIES.items() if dial is None or dial in dials_of(cls))


__all__ = [
    "STRATEGY_MODULES",
    "Catalog",
    "Clock",
    "Group",
    "Pick",
    "Recipe",
    "Rollout",
    "Score",
    "View",
    "describe",
    "make_recipe",
    "make_strategy",
    "register",
    "strategy_names",
]
