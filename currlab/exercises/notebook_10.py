"""Exercises of notebook 10: a soft schedule, carrying hard problems along, and the student's answer."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "cosine_weights",
        (
            Case("At the start the weights fall with the level.", (0.0, 2), [0.6667, 0.3333]),
            Case("At the end they rise.", (1.0, 2), [0.3333, 0.6667]),
            Case("Half way all levels are alike.", (0.5, 3), [0.3333, 0.3333, 0.3333]),
            Case("Three levels weigh 3, 2 and 1 at first.", (0.0, 3), [0.5, 0.3333, 0.1667]),
        ),
    ),
    Exercise(
        "carried_weights",
        (
            Case("A single problem gets everything.", ([0.3],), [1.0]),
            Case("Equal pass rates give equal chances.", ([0.5, 0.5],), [0.5, 0.5]),
            Case("What went badly comes back more often.", ([0.0, 0.55],), [0.6774, 0.3226]),
            Case("What is mastered is not lost for good.", ([0.0, 1.0],), [0.9545, 0.0455]),
        ),
    ),
    Exercise(
        "success_chance",
        (
            Case("Equal ability and difficulty: half of the ceiling.", (2.0, 2.0), 0.48),
            Case("Far below the difficulty: almost never.", (0.0, 20.0), 0.0),
            Case("Far above it: the ceiling, not 1.", (20.0, 0.0), 0.96),
            Case("Without a ceiling it is the plain logistic curve.", (1.0, 0.0, 1.0), 0.7311),
        ),
    ),
)
