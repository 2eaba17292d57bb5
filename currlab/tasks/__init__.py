"""WHAT is learnt: problems with a level knob, exact verifiers, worked solutions."""

from currlab.tasks.base import Key, Problem, Task, extract_answer
from currlab.tasks.registry import get_task, register_task, task_names

__all__ = ["Key", "Problem", "Task", "extract_answer", "get_task", "register_task", "task_names"]
