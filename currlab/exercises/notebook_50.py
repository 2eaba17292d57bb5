"""Exercises of notebook 50: pulls of two losses, hidden tokens, entropy, a divided budget."""

import math

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "right_token_pull",
        (
            Case("An impossible token pulls under nll only.", (0.0,), (1.0, 0.0)),
            Case("A certain token pulls under neither.", (1.0,), (0.0, 0.0)),
            Case("In the middle dft pulls hardest.", (0.5,), (0.5, 0.25)),
            Case("dft treats p and 1 - p alike, nll does not.", (0.1,), (0.9, 0.09)),
            Case("dft treats p and 1 - p alike, nll does not.", (0.9,), (0.1, 0.09)),
        ),
    ),
    Exercise(
        "hide_tokens",
        (
            Case(
                "What the dice did not choose stays.",
                ([5, 6], [5, 6], [False, False], {9}, 0),
                [5, 6],
            ),
            Case("What they chose is hidden.", ([5, 6], [5, 6], [True, False], {9}, 0), [0, 6]),
            Case(
                "The question is never hidden.", ([5, 6], [-100, 6], [True, True], {9}, 0), [5, 0]
            ),
            Case("Kept ids stay.", ([9, 6], [9, 6], [True, True], {9}, 0), [9, 0]),
        ),
    ),
    Exercise(
        "handover_entropy",
        (
            Case("A certain model has none.", ([[1.0, 0.0]],), 0.0),
            Case("A coin has log 2.", ([[0.5, 0.5]],), math.log(2)),
            Case("The mean over tokens.", ([[1.0, 0.0], [0.5, 0.5]],), math.log(2) / 2),
            Case("Four equal tokens have log 4.", ([[0.25] * 4],), math.log(4)),
        ),
    ),
    Exercise(
        "imitation_steps",
        (
            Case("Nothing imitated, everything left.", (1000, 0.0, 100), (0, 1000)),
            Case("Half of it, in steps of 100.", (1000, 0.5, 100), (5, 500)),
            Case("A part of a step is not made.", (1000, 0.5, 300), (1, 700)),
            Case("A step that is too dear is not made at all.", (1000, 0.1, 300), (0, 1000)),
        ),
    ),
)
