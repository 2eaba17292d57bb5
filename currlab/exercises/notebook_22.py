"""Exercises of notebook 22: what a retriever found, a level that rises by success, a noise schedule."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "share_found",
        (
            Case("Everything that is needed was brought.", (["a=b"], ["a=b", "c=1"]), 1.0),
            Case("Nothing of it was brought.", (["a=b"], ["c=1"]), 0.0),
            Case("One of two.", (["a=b", "b=1"], ["a=b", "c=1"]), 0.5),
            Case("Where nothing is needed nothing is missed.", ([], ["c=1"]), 1.0),
            Case("Facts that do not matter change nothing.", (["a=b"], ["c=1", "d=2", "a=b"]), 1.0),
        ),
    ),
    Exercise(
        "gap_level",
        (
            Case("A window that is not full says nothing.", ([1.0, 1.0], 3, 0.5), 0),
            Case("A full window above the threshold raises the level.", ([1.0, 1.0], 2, 0.5), 1),
            Case("Exactly the threshold is not enough.", ([0.5, 0.5], 2, 0.5), 0),
            Case(
                "After a rise the window begins anew: three good groups are one rise.",
                ([1.0, 1.0, 1.0], 2, 0.5),
                1,
            ),
            Case(
                "Only the last groups count: a bad start is forgotten.",
                ([0.0, 0.0, 0.75, 0.75], 2, 0.5),
                1,
            ),
            Case("Failure never lowers the level.", ([1.0, 0.0, 0.0, 0.0], 1, 0.5), 1),
        ),
    ),
    Exercise(
        "noise_chance",
        (
            Case("At the start it is `low`.", (0.0, 0.1, 0.6, 4.0), 0.1),
            Case("At the end it is `high`.", (1.0, 0.1, 0.6, 4.0), 0.6),
            Case("At half time, base 4: a third of the way.", (0.5, 0.0, 0.6, 4.0), 0.2),
            Case("A larger base waits longer.", (0.5, 0.0, 0.6, 100.0), 0.0545),
        ),
    ),
)
