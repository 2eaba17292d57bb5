"""Exercises of notebook 52: the clipped slope, the leave-one-out baseline, NFT's implied ratio."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "clipped_slope",
        (
            # ratio, advantage -> the surrogate and its slope over the logarithm of the ratio
            Case("At ratio 1 both are the advantage.", (1.0, 0.5), (0.5, 0.5)),
            Case("Inside the band the slope grows with the ratio.", (1.1, 2.0), (2.2, 2.2)),
            Case("A good token beyond the band has no slope left.", (1.5, 1.0), (1.2, 0.0)),
            Case("A bad token below the band has none either.", (0.5, -1.0), (-0.8, 0.0)),
            Case("A bad token above the band keeps its slope.", (3.0, -1.0), (-3.0, -3.0)),
            Case("A good token below the band keeps its slope.", (0.5, 1.0), (0.5, 0.5)),
        ),
    ),
    Exercise(
        "leave_one_out",
        (
            Case("One success stands against the mean of the others.", ([1.0, 0.0],), [1.0, -1.0]),
            Case("Equal rewards give nothing.", ([1.0, 1.0, 1.0],), [0.0, 0.0, 0.0]),
            Case(
                "Each baseline leaves its own rollout out.",
                ([1.0, 0.0, 0.0],),
                [1.0, -0.5, -0.5],
            ),
            Case("There is no division by a deviation.", ([10.0, 0.0],), [10.0, -10.0]),
        ),
    ),
    Exercise(
        "implied_ratio",
        (
            # ratio of the policies on a wrong rollout's token, accuracy of the group
            Case("While nothing has moved, nothing is implied.", (1.0, 0.5), 1.0),
            Case("A token made less likely by half.", (0.5, 0.5), 1.5),
            Case("The more are right, the more a wrong one implies.", (0.5, 0.75), 2.5),
            Case("A likelier wrong token would fall below 1: 1 is the floor.", (1.5, 0.5), 1.0),
            Case("However likely it has become.", (4.0, 0.5), 1.0),
        ),
    ),
)
