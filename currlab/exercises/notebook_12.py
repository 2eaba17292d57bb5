"""Exercises of notebook 12: beliefs about pass rates, fading evidence, and implicit evidence."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "belief_after",
        (
            Case(
                "Without evidence: one half, and as wide as a uniform draw.", (0, 0), (0.5, 0.2887)
            ),
            Case("One right rollout moves the mean to two thirds.", (1, 0), (0.6667, 0.2357)),
            Case("No success in eight is not a pass rate of 0.", (0, 8), (0.1, 0.0905)),
            Case("More evidence, narrower.", (50, 50), (0.5, 0.0493)),
        ),
    ),
    Exercise(
        "bots_step",
        (
            # alpha, beta, right, wrong, forgetting -> (alpha, beta)
            Case("Without forgetting it counts.", (1, 1, 3, 5, 0.0), (4, 6)),
            Case("With forgetting 1 only this group counts.", (40, 7, 3, 5, 1.0), (4, 6)),
            Case("Old counts shrink towards 1, not towards 0.", (11, 1, 0, 0, 0.5), (6, 1)),
            Case("New counts are added in full.", (3, 3, 8, 0, 0.5), (10, 2)),
        ),
    ),
    Exercise(
        "implicit_rate",
        (
            Case("A capability of 0 is the weak model.", (0.2, 0.8, 0.0), 0.2),
            Case("A capability of 1 is the strong model.", (0.2, 0.8, 1.0), 0.8),
            Case("Half way between them.", (0.2, 0.8, 0.5), 0.5),
            Case("Better than the strong model: still not above 1.", (0.2, 0.8, 2.0), 1.0),
            Case("Worse than the weak one: not below 0.", (0.2, 0.8, -1.0), 0.0),
        ),
    ),
)
