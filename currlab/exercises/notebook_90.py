"""Exercises of notebook 90: ratios of paired turns, Amdahl's law, and the slope of a growth."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "median_ratio",
        (
            Case("Every turn says the same.", ([4.0, 4.0, 4.0], [2.0, 2.0, 2.0]), 2.0),
            Case("A drift hits both sides of a turn.", ([4.0, 8.0, 16.0], [2.0, 4.0, 8.0]), 2.0),
            Case("One disturbed turn moves nothing.", ([4.0, 4.0, 90.0], [2.0, 2.0, 2.0]), 2.0),
            Case(
                "Divide turn by turn, before the median.", ([2.0, 4.0, 12.0], [1.0, 4.0, 3.0]), 2.0
            ),
            Case("Of two turns the median is their mean.", ([2.0, 3.0], [1.0, 1.0]), 2.5),
        ),
    ),
    Exercise(
        "amdahl",
        (
            Case("What stays as fast as it was gains nothing.", (0.5, 1.0), 1.0),
            Case("All of the time: the whole gains what the part does.", (1.0, 2.0), 2.0),
            Case("Half of the time twice as fast: three quarters are left.", (0.5, 2.0), 4 / 3),
            Case("A part that takes no time gains nothing.", (0.0, 10.0), 1.0),
            Case("A free part leaves the rest.", (0.75, 1e12), 4.0),
            Case("Half the speed is a speed-up of one half.", (0.5, 0.5), 2 / 3),
        ),
    ),
    Exercise(
        "loglog_slope",
        (
            Case("In proportion is a slope of 1.", ([1, 10, 100], [2.0, 20.0, 200.0]), 1.0),
            Case("A constant cost has slope 0.", ([1, 10, 100], [5.0, 5.0, 5.0]), 0.0),
            Case("Ten times the size, a hundred times the cost.", ([1, 10], [3.0, 300.0]), 2.0),
            Case("The unit of the cost does not matter.", ([1, 10], [0.003, 0.3]), 2.0),
            Case("All points count, not only the ends.", ([1, 10, 1000], [1.0, 10.0, 10.0]), 2 / 7),
        ),
    ),
)
