"""What the learner wants changed: written by widgets at any moment, taken between two steps."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from currlab.curricula.core import DIALS
from currlab.curricula.data import Catalog
from currlab.curricula.registry import check_parameters, make_strategy, strategy_class
from currlab.errors import CurrlabError
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


class Steered:
    """What can be asked of a training; every request is checked at once, and granted between steps."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = drive(trainer)
        self._controls = Controls()

    def swap(self, dial: str, strategy: str, seed: int | None = None, **parameters: Any) -> None:
        """Put a new strategy on a dial before the next step; it starts without any memory.

        `seed` defaults to the run's seed. CurrlabError if there is no such strategy on this dial,
        or a parameter is out of its bounds.
        """
        self._refuse_fixed(_known(dial))
        seed = self.trainer.config.seed if seed is None else seed
        made = make_strategy(strategy, seed, **parameters)
        # The recipe refuses a strategy that cannot turn this dial.
        self.trainer.recipe.with_dial(dial, made)
        full = asdict(made.parameters)
        self._controls.put(Wish(dial, "strategy", strategy, full, seed))

    def set(self, dial: str, **parameters: Any) -> None:
        """Change parameters of a dial's strategy before the next step; what it learnt is kept."""
        current = getattr(self.trainer.recipe, _known(dial))
        wanted = self._controls.strategy_wanted(dial)
        cls = strategy_class(wanted) if wanted else type(current)
        check_parameters(cls, parameters)
        for name in parameters:
            self._refuse_fixed(dial, name)
        self._controls.put(Wish(dial, "parameters", cls.name, parameters))

    def fixed(self, dial: str, parameter: str = "") -> str:
        """Why this engine cannot change a dial's strategy, or its parameter; "" if it can."""
        return (
            "" if isinstance(self.trainer, ScratchTrainer) else self.trainer.fixed(dial, parameter)
        )

    def _refuse_fixed(self, dial: str, parameter: str = "") -> None:
        if why := self.fixed(dial, parameter):
            raise CurrlabError(f"The {dial} dial's {parameter or 'strategy'} stays as it is: {why}")

    def offer(self, arms: tuple[str, ...]) -> None:
        """Change what can be picked before the next step; evaluations stay as they are."""
        self._controls.put(Wish("select", "arms", arms=Catalog(tuple(arms)).arms))


def drive(trainer: Any) -> Any:
    """The trainer itself, or TRL's in the same shape."""
    if isinstance(trainer, ScratchTrainer):
        return trainer
    if not hasattr(trainer, "journal"):
        raise CurrlabError(
            "A session drives a ScratchTrainer or a CurriculumGRPOTrainer; got "
            f"{type(trainer).__name__}."
        )
    from currlab.lab.trl_drive import TrlDrive  # loads TRL

    return TrlDrive(trainer)


def _known(dial: str) -> str:
    if dial not in DIALS:
        raise CurrlabError(f"Unknown dial '{dial}'; the dials are {', '.join(DIALS)}.")
    return dial


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
