"""Exercises of notebook 41: a band that tightens, a fine's break-even, soft scores within bounds."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "band",
        (
            Case("Below the lenient band there is no credit.", (0.4, 0.0, 0.5), 0.0),
            Case("Inside it the closeness itself is paid.", (0.6, 0.0, 0.5), 0.6),
            Case("Above it all of it.", (0.8, 0.0, 0.5), 1.0),
            Case("Both edges belong to the band.", (0.75, 0.49, 0.5), 0.75),
            Case("At the switch the strict band holds.", (0.6, 0.5, 0.5), 0.0),
            Case("What was full credit is partial then.", (0.8, 0.9, 0.5), 0.8),
        ),
    ),
    Exercise(
        "break_even",
        (
            Case("Without a fine every answer is worth trying.", (0.0, 0.0), 0.0),
            Case("A fine of 1 asks for one half.", (1.0, 0.0), 0.5),
            Case("A fine of 2 asks for two thirds.", (2.0, 0.0), 0.6667),
            Case("Silence that costs as much as an error never pays.", (2.0, 2.0), 0.0),
            Case("A pass rate is never negative.", (1.0, 3.0), 0.0),
            Case("A cost of silence lowers the bar.", (2.0, 0.5), 0.5),
        ),
    ),
    Exercise(
        "hero_bands",
        (
            Case(
                "The better of two wrong ones is at the top of the lower band.",
                ([False, False], [0.2, 0.7], 0.1, 0.2),
                [-0.1, 0.1],
            ),
            Case(
                "The better of two right ones is at the top of the upper band.",
                ([True, True], [3.0, 1.0], 0.1, 0.2),
                [1.2, 0.8],
            ),
            Case(
                "Each side is stretched by itself.",
                ([True, False, False, False], [0.0, 9.0, 5.0, 1.0], 0.1, 0.2),
                [0.8, 0.1, 0.0, -0.1],
            ),
            Case(
                "Equal scores are at the low end.", ([False, False], [5, 5], 0.1, 0.2), [-0.1, -0.1]
            ),
        ),
    ),
)
