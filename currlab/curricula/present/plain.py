"""The default way to show a problem: as it is."""

from __future__ import annotations

from typing import ClassVar

from currlab.curricula.core import Present
from currlab.curricula.data import Clock, Pick, View
from currlab.curricula.registry import register
from currlab.tasks import Problem


@register
class Plain(Present):
    """The problem's own prompt, no prefix, no hint."""

    name: ClassVar[str] = "plain"
    title: ClassVar[str] = "the problem as it is"

    def show(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> View:
        return View(problem.prompt)
