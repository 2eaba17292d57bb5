"""A question's facts: those that it needs, and what to do with the others.

Prompts of the task `lookup`, and of tasks made of it, can be taken apart into facts. A prompt of any
other task has no part that could go.
"""

from __future__ import annotations

from currlab.curricula.data import View
from currlab.tasks import Problem, get_task
from currlab.tasks.base import is_test_prompt
from currlab.tasks.lookup import Lookup, Question, retrieve
from currlab.tasks.variants import problem_rng

# Draws of a context until one may be shown.
DRAWS = 8


def may_be_shown(prompt: str, problem: Problem) -> bool:
    """Is the prompt on the problem's own side of the split between training and test?

    With facts taken away or added it could be another level's test problem as it stands.
    """
    return is_test_prompt(prompt) == (problem.seed < 0)


def facts_of(problem: Problem) -> Question | None:
    """The prompt taken apart; None where the task has no facts."""
    has_facts = isinstance(get_task(problem.task), Lookup)
    return Question.read(problem.prompt) if has_facts else None


def others(problem: Problem) -> int:
    """How many facts of the problem are not needed.

    >>> others(Problem("lookup", 1, 0, "look ba=47 du=12 ko=31 ko?", "ko=31"))
    2
    """
    asked = facts_of(problem)
    return len(asked.distractors) if asked else 0


def in_context(problem: Problem, count: int, kind: str = "context", nearest: bool = False) -> View:
    """The problem with the facts that it needs and `count` of the others, in their order.

    The same at every visit. `nearest`: those that a retriever takes for the name that is asked for;
    else any. Where none of these contexts may be shown it has one fact more, and so on.
    """
    asked, rng = facts_of(problem), problem_rng(problem, "context", count)
    for kept in range(count, others(problem)):
        for _ in range(DRAWS):
            shown = (
                retrieve(asked.name, asked.distractors, kept)
                if nearest
                else rng.sample(asked.distractors, kept)
            )
            facts = [fact for fact in asked.facts if fact in asked.gold or fact in shown]
            prompt = asked.with_facts(facts).prompt
            if may_be_shown(prompt, problem):
                return View(prompt, kind=kind, easier=True)
    return View(problem.prompt, kind=kind)


def counted(share: float, whole: int) -> int:
    """``floor(share * whole)``; the small number heals products such as 0.29 * 100 = 28.999..."""
    return int(share * whole + 1e-9)
