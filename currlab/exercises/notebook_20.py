"""Exercises of notebook 20: options that are a fair question, guesses that pass, rungs climbed."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "valid_options",
        (
            Case(
                "The right answer is there once, and all differ.", (["12", "21", "11"], "12"), True
            ),
            Case("Without the right answer nobody can be right.", (["21", "11"], "12"), False),
            Case("Twice the right answer makes it likelier.", (["12", "12", "21"], "12"), False),
            Case("Two equal wrong options are one option less.", (["12", "21", "21"], "12"), False),
        ),
    ),
    Exercise(
        "passes_by_guessing",
        (
            # rollouts, chance of one guess, threshold -> chance to exceed it
            Case("One guess among four, and it must be right.", (1, 0.25, 0.5), 0.25),
            Case(
                "Exactly the threshold is not enough: both must be right.", (2, 0.25, 0.5), 0.0625
            ),
            Case("More than .3 of eight are three or more.", (8, 0.25, 0.3), 0.321458),
            Case("More than half of eight are five or more.", (8, 0.25, 0.5), 0.027298),
            Case("Nobody exceeds 1.", (4, 0.5, 1.0), 0.0),
        ),
    ),
    Exercise(
        "rung_after",
        (
            # visits, window, threshold, top -> rung
            Case("Without a visit it stands on the first rung.", ([], 1, 0.5, 3), 0),
            Case("A window of 1: every success is a rung.", ([1.0, 1.0], 1, 0.5, 3), 2),
            Case("Exactly the threshold is not enough.", ([0.5], 1, 0.5, 3), 0),
            Case("The window must be full.", ([1.0], 2, 0.5, 3), 0),
            Case("The mean of the window counts.", ([0.25, 1.0], 2, 0.5, 3), 1),
            Case("After a promotion the visits are forgotten.", ([1.0, 1.0, 1.0], 2, 0.5, 3), 1),
            Case("Old visits leave the window.", ([0.0, 0.0, 1.0, 1.0], 2, 0.5, 3), 1),
            Case("Nobody leaves the last rung.", ([1.0] * 9, 1, 0.5, 3), 3),
        ),
    ),
)
