"""Exercises of the notebooks: `check(name, your_function)` says which property does not hold yet.

The modules `notebook_*` hold the cases. A case is a tiny example; the first one that fails is shown
with what was expected and what came back.
"""

from currlab.exercises.core import Case, Exercise, check, exercise_names, get_exercise

__all__ = ["Case", "Exercise", "check", "exercise_names", "get_exercise"]
