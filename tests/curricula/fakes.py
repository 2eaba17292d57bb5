"""Groups without a model: a fake learner with a fixed chance of success on every arm."""

from collections.abc import Mapping

import numpy as np

from currlab.curricula import Catalog, Clock, Group, Pick, Rollout, Score, View
from currlab.curricula.core import Recipe
from currlab.training.collect import with_advantages

CATALOG = Catalog.of({"sorting": range(1, 9)})
CATALOGS = {
    "one task": CATALOG,
    "one level": Catalog.of({"sorting": [3]}),
    "fixed pool": Catalog.of({"sorting": range(1, 5)}, pool=6),
    "gaps between levels": Catalog.of({"sorting": [2, 5, 11]}),
}


def group(catalog: Catalog, pick: Pick, rewards, step: int = 0, correct=None) -> Group:
    """A group with these rewards; correct where the reward is above one half."""
    problem = catalog.problem(pick.arm, pick.seed or 0)
    correct = [r > 0.5 for r in rewards] if correct is None else correct
    rollouts = tuple(
        Rollout(View(problem.prompt), "x", (1, 2, 3), score=Score(float(r), bool(c)), entropy=0.5)
        for r, c in zip(rewards, correct, strict=True)
    )
    return Group(problem, pick, rollouts, step)


def play(
    recipe: Recipe,
    catalog: Catalog,
    chances: Mapping[str, float] | float,
    steps: int,
    n: int = 16,
    size: int = 8,
    seed: int = 0,
    start: int = 0,
    total: int = 20,
) -> list[list[Pick]]:
    """Run the select loop against the fake learner; the picks of every step.

    The learner's luck depends on (seed, step) only, so that a restored run meets the same luck.
    """
    history = []
    for step in range(start, start + steps):
        rng = np.random.default_rng([seed, step])
        picks = recipe.select.choose(n, Clock(step, min(1.0, step / total), step * n * size))
        rate = chances if isinstance(chances, Mapping) else dict.fromkeys(catalog.arms, chances)
        groups = [
            group(catalog, pick, (rng.random(size) < rate[pick.arm]).astype(float), step)
            for pick in picks
        ]
        recipe.observe(with_advantages(recipe, groups), {})
        history.append(picks)
    return history
