"""Exercises of notebook 14: difficulty classes, a pool with a way back, waits, nuclear norms."""

import math

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "difficulty_class",
        (
            Case("Never solved is hard.", (0.0,), "hard"),
            Case("Half solved is medium.", (0.5,), "medium"),
            Case("The lower edge still belongs to hard.", (0.3,), "hard"),
            Case("The upper edge still belongs to medium.", (0.7,), "medium"),
            Case("Always solved is easy.", (1.0,), "easy"),
            Case("The thresholds are arguments.", (0.5, 0.6, 0.8), "hard"),
        ),
    ),
    Exercise(
        "next_state",
        (
            # retired, streak, pass rate -> (retired, streak)
            Case("A mastered visit counts.", (False, 0, 1.0), (False, 1)),
            Case("Three mastered visits in a row retire.", (False, 2, 1.0), (True, 3)),
            Case("A weaker visit starts the count anew.", (False, 2, 0.8), (False, 0)),
            Case(
                "A retired problem between the thresholds stays retired.", (True, 3, 0.7), (True, 3)
            ),
            Case("A forgotten one comes back, its count at 0.", (True, 3, 0.5), (False, 0)),
        ),
    ),
    Exercise(
        "longest_wait",
        (
            Case("Nothing retired, nothing waits.", (0, 3), 0),
            Case("One probe a step goes through them one by one.", (10, 1), 10),
            Case("A last step that is partly filled counts as a step.", (10, 4), 3),
            Case("Without a probe it is for ever.", (10, 0), math.inf),
        ),
    ),
    Exercise(
        "norm_between",
        (
            Case("One row: both are its length.", (1, 3.0), (3.0, 3.0)),
            Case("Four rows of length 1.", (4, 1.0), (2.0, 4.0)),
            Case("Nine rows of length 2.", (9, 2.0), (6.0, 18.0)),
        ),
    ),
)
