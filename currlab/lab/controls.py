"""What the learner wants changed: written by widgets at any moment, taken between two steps."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from currlab.training.scratch import ScratchTrainer
from currlab.training.steering import Change


@dataclass(frozen=True)
class Wish:
    """A change that is asked for; what it leaves out stays as it is when the change is made."""

    dial: str
    change: str
    strategy: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    arms: tuple[str, ...] = ()


class Controls:
    """Wishes behind a lock. Of several wishes for the same thing the last one counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wishes: dict[tuple[str, str], Wish] = {}

    def put(self, wish: Wish) -> None:
        """Remember a wish; parameters of a strategy that is still to come are added to it."""
        place = (wish.dial, wish.change)
        with self._lock:
            if wish.change == "strategy":
                self._wishes.pop((wish.dial, "parameters"), None)
            swap = self._wishes.get((wish.dial, "strategy"))
            if wish.change == "parameters" and swap and swap.strategy == wish.strategy:
                place, wish = (wish.dial, "strategy"), _with(swap, wish.parameters)
            earlier = self._wishes.get(place)
            if wish.change == "parameters" and earlier and earlier.strategy == wish.strategy:
                wish = _with(earlier, wish.parameters)
            self._wishes[place] = wish

    def strategy_wanted(self, dial: str) -> str | None:
        """The strategy that the dial will have next, if another one was asked for."""
        with self._lock:
            wish = self._wishes.get((dial, "strategy"))
        return wish.strategy if wish else None

    def take(self) -> list[Wish]:
        """All wishes, in the order of their first asking; none is left."""
        with self._lock:
            wishes, self._wishes = list(self._wishes.values()), {}
        return wishes


def _with(wish: Wish, parameters: Mapping[str, Any]) -> Wish:
    return replace(wish, parameters={**wish.parameters, **parameters})


def change_wanted(trainer: ScratchTrainer, wish: Wish) -> Change | None:
    """The whole change that a wish amounts to now; None if nothing would change."""
    now = getattr(trainer.recipe, wish.dial)
    step, arms = trainer.clock.step, trainer.collector.catalog.arms
    if wish.change == "strategy":
        return Change(step, wish.dial, "strategy", wish.strategy, wish.parameters, wish.seed, arms)
    told, offered = asdict(now.parameters), wish.arms or arms
    whole = {**told, **wish.parameters}
    outdated = wish.change == "parameters" and (wish.strategy != now.name or whole == told)
    if outdated or wish.arms == arms:
        return None
    return Change(step, wish.dial, wish.change, now.name, whole, now.seed, offered)


def stop_now(trainer: ScratchTrainer) -> Change:
    """The change that ends the run; it says how everything stood."""
    select, arms = trainer.recipe.select, trainer.collector.catalog.arms
    told = asdict(select.parameters)
    return Change(trainer.clock.step, "select", "stop", select.name, told, select.seed, arms)
