"""What selection strategies share that keep numbers for single problems of a fixed pool."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from currlab.curricula.core import Select
from currlab.curricula.data import Catalog, Group, Pick, Policy, Rollout, View
from currlab.curricula.registry import knob
from currlab.curricula.reward.exact import is_correct
from currlab.errors import CurrlabError
from currlab.tasks import Problem

# Fresh problems have seeds of 40 bits, as those that the collector fills in.
FRESH_SEEDS = 2**40
# Items that are drawn from at a time.
HEAT = 2**16
# Longer arrays are saved compressed.
LISTED_AT_MOST = 4096


class ItemSelect(Select):
    """A select strategy with numbers for every item, in numpy arrays so that millions stay fast.

    An item is one problem of the catalog's fixed pool; where problems are fresh for ever, an item
    is a whole arm. Item ``i`` is seed ``i % pool`` of arm ``i // pool``. `self.values` holds the
    arrays by name; small ones are saved as lists of numbers, large ones compressed.
    """

    pool: int | None
    size: int
    arm_levels: list[int]
    values: dict[str, np.ndarray]

    def __init__(self, parameters: Any = None, seed: int = 0) -> None:
        super().__init__(parameters, seed)
        self.values = {}

    def pool_size(self) -> int | None:
        """Problems of each arm that are told apart; None if an item is a whole arm."""
        return self.catalog.pool

    def fresh_values(self) -> dict[str, np.ndarray]:
        """The arrays at the start; arrays of `self.size` numbers are in the items' order."""
        return {}

    def bind(self, catalog: Catalog) -> None:
        super().bind(catalog)
        self.pool = self.pool_size()
        self.size = len(catalog.arms) * (self.pool or 1)
        self.arm_levels = [catalog.level(arm) for arm in catalog.arms]
        self._arm_index = {arm: i for i, arm in enumerate(catalog.arms)}
        if not self.values:
            self.values = self.fresh_values()

    def state_dict(self) -> dict[str, Any]:
        values = {name: packed(array) for name, array in self.values.items()}
        return {**super().state_dict(), "values": values}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        # A state of another strategy may lack them; it is refused below.
        loaded = {name: unpacked(saved) for name, saved in state.get("values", {}).items()}
        for name, array in self.values.items():
            if name in loaded and array.shape != loaded[name].shape:
                raise CurrlabError(
                    f"Saved state of '{self.name}' holds {len(loaded[name])} numbers of '{name}', "
                    f"but this catalog has {len(array)}: it was saved with another catalog."
                )
        super().load_state_dict(state)
        self.values = loaded

    # ------------------------------------------------------------ items, picks, problems

    def pick(self, item: int) -> Pick:
        if self.pool is None:
            return Pick(self.catalog.arms[item])
        return Pick(self.catalog.arms[item // self.pool], int(item % self.pool))

    def problem(self, item: int) -> Problem:
        """The item's problem; of an arm, a fresh one."""
        arm, seed = self.catalog.arms[item // (self.pool or 1)], item % (self.pool or 1)
        if self.pool is None:
            seed = self.rng.integers(FRESH_SEEDS)
        return self.catalog.problem(arm, int(seed))

    def item_of(self, group: Group) -> int | None:
        """The item that a group belongs to, None if the catalog does not hold it."""
        arm, seed = self._arm_index.get(group.problem.arm), group.problem.seed
        if arm is None or self.pool is None:
            return arm
        return arm * self.pool + seed if 0 <= seed < self.pool else None

    @property
    def levels(self) -> np.ndarray:
        """The level of every item."""
        return np.repeat(self.arm_levels, self.pool or 1)

    def by_arm(self, values: np.ndarray) -> dict[str, float]:
        """The mean over each arm's items."""
        means = values.reshape(len(self.catalog.arms), -1).mean(1)
        return dict(zip(self.catalog.arms, means.tolist(), strict=True))

    def evidence(self, groups: Sequence[Group]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Items, pass rates and rollouts of the groups that tell something of unaided ability."""
        rows = [
            (item, group.pass_rate, len(group.rollouts))
            for group in groups
            if not group.hinted and (item := self.item_of(group)) is not None
        ]
        items, rates, sizes = zip(*rows, strict=True) if rows else ((), (), ())
        return np.array(items, dtype=int), np.array(rates), np.array(sizes, dtype=float)

    # ------------------------------------------------------------ drawing

    def draw(self, weights: np.ndarray, n: int) -> list[Pick]:
        """`n` items in proportion to their weights: arms with, problems without replacement.

        If fewer than `n` problems have any weight, they are gone through again.
        """
        if n == 0:
            return []
        if self.pool is not None:
            return [self.pick(i) for i in cycle(self.race(weights, n), n)]
        # Gumbel noise is -log E of the race below, so the largest sum arrives first.
        noise = self.rng.gumbel(size=(n, self.size))
        with np.errstate(divide="ignore"):  # a weight of 0 never arrives
            return [self.pick(i) for i in (np.log(weights) + noise).argmax(1)]

    def race(self, weights: np.ndarray, n: int) -> np.ndarray:
        """Up to `n` different items of positive weight, drawn one after the other by weight.

        Item i arrives after a time E / w_i with E exponential, and the first are taken: that is
        drawing without replacement. The best of each heat meet in a final, because the arrays of a
        heat stay in the processor's cache.
        """
        items, speeds = [], []
        for start in range(0, self.size, HEAT):
            heat = weights[start : start + HEAT]
            speed = heat / self.rng.standard_exponential(len(heat))
            first = best(speed, n)
            items.append(start + first)
            speeds.append(speed[first])
        finalists, speed = np.concatenate(items), np.concatenate(speeds)
        return finalists[best(speed, min(n, np.count_nonzero(speed)))]

    def candidates(self, count: int) -> list[Pick]:
        """Uniform problems: of the pool, different ones as far as it reaches; else fresh ones."""
        if self.pool is not None:
            repeats = -(-count // self.size)
            items = np.concatenate(
                [self.rng.permutation(self.size) for _ in range(repeats - 1)]
                + [self.rng.choice(self.size, count - (repeats - 1) * self.size, replace=False)]
            )
            return [self.pick(item) for item in items]
        arms = self.rng.integers(len(self.catalog.arms), size=count)
        seeds = self.rng.integers(FRESH_SEEDS, size=count)
        return [Pick(self.catalog.arms[a], int(s)) for a, s in zip(arms, seeds, strict=True)]


class PoolSelect(ItemSelect):
    """Item strategies that need problems to come back, even where the catalog's are fresh.

    Without a pool in the catalog, each arm gets one of `parameters.problems_per_arm`.
    """

    def pool_size(self) -> int:
        return self.catalog.pool or self.parameters.problems_per_arm


def problems_per_arm() -> Any:
    """The parameter that every `PoolSelect` strategy has."""
    return knob(32, "problems of each arm, where the catalog has no fixed pool", 1, 1_000_000)


def best(scores: np.ndarray, n: int) -> np.ndarray:
    """Indices of the `n` largest scores, the largest first."""
    n = min(n, len(scores))
    top = np.argpartition(scores, len(scores) - n)[len(scores) - n :]
    return top[np.argsort(-scores[top], kind="stable")]


def cycle(items: np.ndarray, n: int, start: int = 0) -> np.ndarray:
    """`n` entries of `items` from `start` on, beginning again at the end."""
    return items[(start + np.arange(n)) % len(items)]


def window(order: np.ndarray, share: float, n: int) -> np.ndarray:
    """The `n` entries of `order` that are due when `share` of one pass over it is done."""
    last = max(len(order) - n, 0)
    # The small number heals products such as 0.29 * 100 = 28.999...
    return cycle(order, n, min(int(share * len(order) + 1e-9), last))


# ---------------------------------------------------------------- saving


def packed(array: np.ndarray) -> list[Any] | dict[str, Any]:
    """The array as JSON has it: a list, or, if it is long, its compressed bytes in base 64.

    A million numbers as text are 20 MB that take seconds to write. Most items of such a pool were
    never visited and are alike, so that little is left of them.
    """
    if array.size <= LISTED_AT_MOST:
        return array.tolist()
    data = base64.b64encode(zlib.compress(array.tobytes(), level=1)).decode()
    return {"type": array.dtype.str, "shape": array.shape, "zlib": data}


def unpacked(saved: list[Any] | dict[str, Any]) -> np.ndarray:
    """What `packed` has made its result from."""
    if isinstance(saved, list):
        return np.array(saved)
    try:
        data = zlib.decompress(base64.b64decode(saved["zlib"], validate=True))
        return np.frombuffer(data, np.dtype(saved["type"])).reshape(saved["shape"]).copy()
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise CurrlabError(
            f"The numbers saved by a select strategy are damaged ({error}); go on from an older "
            "checkpoint."
        ) from error


# ---------------------------------------------------------------- asking the learner


def ask(
    policy: Policy,
    problems: Sequence[Problem],
    rollouts: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
) -> tuple[np.ndarray, list[Rollout]]:
    """Roll out plain prompts: booleans [problems, rollouts], and the rollouts one after the other.

    The policy counts the tokens.
    """
    views = [View(problem.prompt) for problem in problems for _ in range(rollouts)]
    seeds = rng.integers(2**62, size=len(views)).tolist()
    rows = policy.generate(views, seeds, temperature)
    verdicts = [
        is_correct(problem, rows[i * rollouts : (i + 1) * rollouts])
        for i, problem in enumerate(problems)
    ]
    return np.array(verdicts, dtype=bool).reshape(len(problems), rollouts), rows
