"""Exercises of notebook 30: a group that teaches, a bounded refill, and when to stop asking."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "chance_to_teach",
        (
            Case("Two tries at a coin flip differ half of the time.", (0.5, 2), 0.5),
            Case("What is never solved never teaches.", (0.0, 8), 0.0),
            Case("What is always solved never teaches.", (1.0, 8), 0.0),
            Case("Right and wrong count alike: p and 1 - p are the same.", (0.9, 2), 0.18),
            Case("More rollouts see more of both.", (0.5, 4), 0.875),
        ),
    ),
    Exercise(
        "refill",
        (
            Case("A full batch needs no refill.", ([True, True, False], 2, 3), (2, 2)),
            Case(
                "Only what is missing is sampled again.",
                ([True, False, True, True], 2, 3),
                (2, 3),
            ),
            Case("Without refills there is one round.", ([False, False, True], 2, 0), (0, 2)),
            Case(
                "After the last refill the batch stays smaller.",
                ([False, False, True, False, False, True], 2, 2),
                (1, 5),
            ),
            Case(
                "Nothing teaches, and still it ends.",
                ([False] * 100, 4, 3),
                (0, 16),
            ),
            Case("An empty stream ends it, too.", ([True, False], 4, 10), (1, 2)),
        ),
    ),
    Exercise(
        "finished",
        (
            Case("Two of each are enough for four.", ([1.0, 0.0, 1.0, 0.0], 4, 0.7), True),
            Case("Without a right one it goes on.", ([0.0] * 8, 4, 0.7), False),
            Case("Without a wrong one it goes on, too.", ([1.0] * 8, 4, 0.7), False),
            Case(
                "One right answer is half of two, and not of four.",
                ([1.0, 0.0, 0.0], 4, 0.7),
                False,
            ),
            Case("For two kept, one of each is enough.", ([1.0, 0.0, 0.0], 2, 0.7), True),
            Case(
                "Partial credit below the threshold is not positive.",
                ([0.5, 0.5, 0.0, 0.0], 4, 0.7),
                False,
            ),
        ),
    ),
)
