"""Exercises of notebook 02: where the parameters are, and the loss of next-token prediction."""

import math

from currlab.exercises.core import Case, Exercise

HALVES = [math.log(0.5), math.log(0.5)]
SKEWED = [math.log(0.9), math.log(0.1)]

EXERCISES = (
    Exercise(
        "count_parameters",
        (
            # vocabulary, hidden size, layers, MLP width
            Case("Without layers: the embedding and the last norm.", (10, 4, 0, 8), 10 * 4 + 4),
            Case("A layer has 4 attention matrices, 3 of the MLP, 2 norms.", (10, 4, 1, 8), 212),
            Case("Every layer has the same number.", (10, 4, 3, 8), 548),
            Case("The tiny model of this project.", (121, 96, 3, 256), 344_064),
        ),
    ),
    Exercise(
        "next_token_loss",
        (
            # log-probabilities [positions, vocabulary], ids [positions]
            Case("Two equally likely tokens cost log 2.", ([HALVES], [0]), math.log(2)),
            Case("The token that came counts, not the likeliest.", ([SKEWED], [1]), -math.log(0.1)),
            Case("The loss is the mean over positions.", ([HALVES, SKEWED], [1, 0]), 0.39925),
            Case(
                "Positions labelled -100 are padding.", ([HALVES, SKEWED], [0, -100]), math.log(2)
            ),
        ),
    ),
)
