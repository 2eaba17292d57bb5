"""Exercises of notebook 70: seeds for many comparisons, Holm's method, pairs, and a robust mean."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "seeds_needed",
        (
            Case("2 / 2**6 is below .05, 2 / 2**5 is not.", (1, 0.05), 6),
            Case("Two comparisons: the smallest p-value must reach half the level.", (2, 0.05), 7),
            Case("Reaching the level exactly is enough.", (1, 0.5), 2),
            Case("Five comparisons share .01 among them.", (5, 0.01), 10),
            Case("Doubling the comparisons costs one seed.", (10, 0.01), 11),
        ),
    ),
    Exercise(
        "holm",
        (
            Case("One comparison needs no correction.", ([0.03],), [0.03]),
            Case("The smallest of two is doubled.", ([0.01, 0.5],), [0.02, 0.5]),
            Case("The answers stand in the order of the questions.", ([0.5, 0.01],), [0.5, 0.02]),
            Case(
                "A weaker result is never more significant than a stronger one.",
                ([0.01, 0.04, 0.03],),
                [0.03, 0.06, 0.06],
            ),
            Case("No p-value exceeds 1.", ([0.6, 0.7],), [1.0, 1.0]),
        ),
    ),
    Exercise(
        "interquartile_mean",
        (
            Case("One outlier does not move it.", ([0.0, 0.4, 0.6, 100.0],), 0.5),
            Case("The order of the values does not matter.", ([100.0, 0.6, 0.0, 0.4],), 0.5),
            Case("Of fewer than four values nothing is cut.", ([0.0, 0.6, 0.6],), 0.4),
            Case("Of five values one goes at each end.", ([1.0, 2.0, 3.0, 7.0, 90.0],), 4.0),
        ),
    ),
    Exercise(
        "paired_difference",
        (
            Case("The mean of ours - theirs.", ({0: 0.5, 1: 0.7}, {0: 0.4, 1: 0.6}), 0.1),
            Case("Pairs are equal seeds, not equal places.", ({0: 0.5, 1: 1}, {1: 1, 0: 0.5}), 0.0),
            Case("A seed that only one of them has is left out.", ({0: 0.5, 1: 1}, {0: 0.4}), 0.1),
            Case("Worse is negative.", ({3: 0.2}, {3: 0.5}), -0.3),
        ),
    ),
)
