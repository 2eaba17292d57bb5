"""Exercises of notebook 42: three ways to pay for the length of an answer."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "overlong_penalty",
        (
            Case("Short answers cost nothing.", (10, 64, 32), 0),
            Case("The penalty begins at zero.", (32, 64, 32), 0),
            Case("It falls evenly: a quarter of the margin costs a quarter.", (40, 64, 32), -0.25),
            Case("At the limit it is whole.", (64, 64, 32), -1),
            Case("Beyond the limit it grows no more.", (200, 64, 32), -1),
            Case("The margin sets where it begins.", (40, 64, 16), 0),
        ),
    ),
    Exercise(
        "short_where_all_right",
        (
            Case(
                "One wrong answer, and length earns nothing.",
                ([True, False], [10, 5], 0.5),
                [1, 0],
            ),
            Case("The longest right answer earns 1.", ([True, True], [10, 5], 0.5), [1, 1.25]),
            Case("Equal lengths stay silent.", ([True, True], [7, 7], 0.5), [1, 1]),
            Case("A larger weight pays more.", ([True, True], [10, 5], 2.0), [1, 2]),
            Case("All wrong earns nothing.", ([False, False], [10, 5], 0.5), [0, 0]),
        ),
    ),
    Exercise(
        "exit_rewards",
        (
            Case("The only right exit earns 1.", ([True],), [1]),
            Case("A wrong exit earns nothing.", ([False, True],), [0, 1]),
            Case("The second right one earns a half.", ([True, True],), [1, 0.5]),
            Case(
                "Only right ones halve what follows.",
                ([True, False, True, True],),
                [1, 0, 0.5, 0.25],
            ),
            Case("Nobody is right.", ([False, False],), [0, 0]),
        ),
    ),
)
