"""Tasks by name; ``gym:NAME`` makes a task of any reasoning-gym dataset."""

from __future__ import annotations

from currlab.errors import CurrlabError
from currlab.tasks import sequences
from currlab.tasks.base import Task

TASKS: dict[str, type[Task]] = {cls.name: cls for cls in (sequences.Sorting,)}


def task_names() -> list[str]:
    """Names of the project's own tasks."""
    return sorted(TASKS)


def get_task(name: str) -> Task:
    """The task called `name`."""
    if name in TASKS:
        return TASKS[name]()
    raise CurrlabError(f"Unknown task '{name}'; known tasks are {', '.join(task_names())}.")
