"""Exercises of notebook 40: a reward from tiers, and an interaction."""

from currlab.exercises.core import Case, Exercise

HALF = {"basic": 1.0, "edge": 0.5}

EXERCISES = (
    Exercise(
        "tier_reward",
        (
            Case("No tier counts yet: the form is left.", (HALF, {}, 1, False), 1),
            Case(
                "A tier that does not count earns nothing, however well it is passed.",
                (HALF, {"edge": 0.4}, 0, False),
                0.2,
            ),
            Case(
                "Tiers that count are added by their weights.",
                (HALF, {"basic": 0.1, "edge": 0.4}, 0, False),
                0.3,
            ),
            Case("The form is added.", (HALF, {"basic": 0.1, "edge": 0.4}, 1, False), 1.3),
            Case(
                "Normalised: divided by the weights that count, and the form is not.",
                (HALF, {"basic": 0.1, "edge": 0.4}, 1, True),
                1.6,
            ),
        ),
    ),
    Exercise(
        "interaction",
        (
            Case("Order makes no difference to anybody.", ([0.5], [0.5], [0.7], [0.7]), 0.0),
            Case("Only the weak gain from easy first.", ([0.6], [0.5], [0.7], [0.7]), 0.1),
            Case("Both gain the same: it does not depend.", ([0.6], [0.5], [0.8], [0.7]), 0.0),
            Case("The strong lose by it: it depends twice.", ([0.6], [0.5], [0.7], [0.8]), 0.2),
            Case(
                "The mean over seeds.",
                ([0.6, 0.5], [0.5, 0.5], [0.7, 0.7], [0.7, 0.6]),
                0.0,
            ),
        ),
    ),
)
