"""Exercises of notebook 00: the frontier, and groups that teach nothing."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "highest_solved",
        (
            Case("The highest level at 50 % or more counts.", ([1.0, 0.9, 0.6, 0.1], 0.5), 3),
            Case("Levels start at 1.", ([0.8, 0.0], 0.5), 1),
            Case("Exactly the threshold is enough.", ([0.5], 0.5), 1),
            Case("No level solved is level 0.", ([0.2, 0.1], 0.5), 0),
            Case("A gap below does not lower the frontier.", ([1.0, 0.3, 0.7], 0.5), 3),
            Case("The threshold is an argument.", ([1.0, 0.9, 0.6, 0.1], 0.95), 1),
        ),
    ),
    Exercise(
        "zero_variance_share",
        (
            Case("A group with different rewards has variance.", ([[1, 0], [1, 0]],), 0.0),
            Case("A group of failures only has none.", ([[0, 0, 0], [1, 0, 0]],), 0.5),
            Case("A group of successes only has none either.", ([[1, 1], [0, 0]],), 1.0),
            Case("Equal rewards other than 0 and 1 count, too.", ([[0.5, 0.5], [0.5, 1]],), 0.5),
        ),
    ),
)
