"""Exercises of notebook 13: what PCL keeps, EDCO's prefix entropy, and the area under the curve."""

from math import log

from currlab.exercises.core import Case, Exercise

SURE, COIN = (1.0, 0.0), (0.5, 0.5)

EXERCISES = (
    Exercise(
        "keep_nearest",
        (
            # values, target, count -> indices, the nearest first
            Case("Nearest to the target, not largest.", ([0.9, 0.4, 0.1], 0.5, 1), [1]),
            Case("The nearest comes first.", ([0.1, 0.8, 0.45], 0.5, 2), [2, 1]),
            Case("Above and below count alike.", ([0.9, 0.3, 0.6], 0.5, 2), [2, 1]),
            Case("The target is not always one half.", ([0.5, 0.9, 0.7], 1.0, 2), [1, 2]),
            Case("Of equals the earlier one.", ([0.25, 0.75, 0.25], 0.5, 2), [0, 1]),
        ),
    ),
    Exercise(
        "prefix_entropy",
        (
            # token distributions, length -> nats
            Case("A sure token has entropy 0.", ([SURE], 1), 0.0),
            Case("A fair coin has ln 2.", ([COIN], 1), log(2)),
            Case("Only the first tokens count.", ([SURE, COIN, COIN], 1), 0.0),
            Case("The mean, not the sum.", ([SURE, COIN], 2), log(2) / 2),
            Case("An answer may be shorter than the prefix.", ([SURE, COIN], 8), log(2) / 2),
        ),
    ),
    Exercise(
        "auc",
        (
            # scores, wanted -> share of pairs in the right order
            Case("All wanted ones above all others.", ([3, 2, 1], [True, True, False]), 1.0),
            Case("All below.", ([1, 2, 3], [True, False, False]), 0.0),
            Case("One pair of two.", ([2, 1, 3], [True, False, False]), 0.5),
            Case("A tie counts half.", ([1, 1], [True, False]), 0.5),
            Case("Equal scores say nothing.", ([4, 4, 4], [False, True, False]), 0.5),
        ),
    ),
)
