"""Tasks by name; ``gym:NAME`` makes a task of any reasoning-gym dataset, ``NAME@FORM`` another form."""

from __future__ import annotations

import difflib
import inspect
import re

from currlab.errors import CurrlabError
from currlab.tasks import (
    forms,
    gym,
    hub,
    knights_knaves,
    lookup,
    numbers,
    pretext,
    programs,
    sequences,
)
from currlab.tasks.base import Task
from currlab.tasks.variants import FORM

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
TASKS: dict[str, type[Task]] = {}
# One object a name: a gym task costs an import and its levels' probes.
INSTANCES: dict[str, Task] = {}


def register_task(cls: type[Task]) -> type[Task]:
    """Class decorator: make a task known by its name, so that arms such as ``"double/3"`` work.

    Registering again from the same place replaces the class (a notebook cell that is run twice).

    >>> @register_task
    ... class Double(Task):
    ...     name, title, max_level = "double", "twice the number", 3
    ...
    ...     def draw(self, level, rng):
    ...         number = rng.randrange(10**level)
    ...         return f"double {number}", str(2 * number)
    >>> get_task("double").make(level=1, seed=0).prompt[:7]
    'double '
    """
    if not (isinstance(cls, type) and issubclass(cls, Task)):
        raise CurrlabError(f"A task is a subclass of currlab.tasks.Task; got {cls!r}.")
    for needed, kind in (("name", str), ("title", str), ("max_level", int)):
        if type(getattr(cls, needed, None)) is not kind:
            raise CurrlabError(f"Task {cls.__name__} needs '{needed}', of type {kind.__name__}.")
    if inspect.isabstract(cls):
        raise CurrlabError(f"Task {cls.__name__} needs a method draw(level, rng).")
    if not NAME.fullmatch(cls.name):
        raise CurrlabError(
            f"A task's name is made of letters, digits, '_' and '-', a letter first; got {cls.name!r}."
        )
    if cls.max_level < 1:
        raise CurrlabError(f"Task '{cls.name}' needs at least one level; got {cls.max_level}.")
    known = TASKS.get(cls.name, cls)
    if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise CurrlabError(f"A task called '{cls.name}' exists already; names must differ.")
    TASKS[cls.name] = cls
    INSTANCES.pop(cls.name, None)
    return cls


def task_names() -> list[str]:
    """Names of the project's own tasks and of those registered since; not reasoning-gym's."""
    return sorted(TASKS)


def get_task(name: str) -> Task:
    """The task called `name`, always the same object.

    ``gym:NAME`` is a dataset of reasoning-gym, ``hub:NAME`` a file, a folder or a data set of the
    Hub, ``NAME@choice4`` a task in another form
    (`currlab.tasks.variants.variant`).
    """
    if name not in INSTANCES:
        INSTANCES[name] = _new_task(name)
    return INSTANCES[name]


def _new_task(name: str) -> Task:
    if name in TASKS:
        return TASKS[name]()
    whole, separator, form = name.rpartition(forms.SEPARATOR)
    # What else stands after '@' in a dataset's name is reasoning-gym's: the model's context.
    if separator and (FORM.fullmatch(form) or not name.startswith((gym.PREFIX, hub.PREFIX))):
        return forms.FormTask(get_task(whole), form)
    if name.startswith(gym.PREFIX):
        return gym.GymTask(name)
    if name.startswith(hub.PREFIX):
        return hub.HubTask(name)
    close = difflib.get_close_matches(name, TASKS, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    raise CurrlabError(
        f"Unknown task '{name}';{hint} known tasks are {', '.join(task_names())}, and "
        f"{gym.PREFIX}NAME for a dataset of reasoning-gym, {hub.PREFIX}NAME for any data set."
    )


for _cls in (
    sequences.Sorting,
    sequences.Brackets,
    sequences.Dedupe,
    sequences.Reverse,
    sequences.Rotate,
    numbers.ModularChain,
    numbers.Countdown,
    knights_knaves.KnightsKnaves,
    lookup.Lookup,
    pretext.Fill,
    pretext.Unshuffle,
    programs.Programs,
):
    register_task(_cls)
