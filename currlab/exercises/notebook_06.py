"""Exercises of notebook 06: a fair comparison, variety of texts, and what wrong answers are paid."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "matched_change",
        (
            # groups early and late, each (level, pass rate) -> change on the same levels, or None
            Case("On one level it is late minus early.", ([(1, 0.25)], [(1, 0.75)]), 0.5),
            Case(
                "Harder questions are no fall: a level on one side only does not count.",
                ([(1, 1.0), (1, 1.0)], [(1, 1.0), (5, 0.0), (5, 0.0)]),
                0.0,
            ),
            Case(
                "Several groups of a level are averaged first.",
                ([(2, 0.0), (2, 0.5)], [(2, 1.0), (2, 0.5)]),
                0.5,
            ),
            Case(
                "A level weighs as much as the smaller of its two sides.",
                ([(1, 0.0), (1, 0.0), (1, 0.0), (2, 0.5)], [(1, 0.6), (1, 0.6), (2, 0.5)]),
                0.4,
            ),
            Case("Without a common level there is nothing to say.", ([(1, 0.5)], [(2, 0.5)]), None),
        ),
    ),
    Exercise(
        "variety",
        (
            Case("Equal texts have none.", (["12", "12", "12"],), 0.0),
            Case("Where all differ it is 1.", (["12", "21", "11"],), 1.0),
            Case("It counts different texts, not repetitions.", (["12", "12", "21"],), 0.5),
            Case("Their order does not matter.", (["21", "12", "21", "12", "12"],), 0.25),
        ),
    ),
    Exercise(
        "wrong_pay",
        (
            Case("Only wrong rollouts count.", ([1.0, 0.5], [True, False]), 0.5),
            Case(
                "An exact verifier pays them nothing.", ([1.0, 0.0, 0.0], [True, False, False]), 0.0
            ),
            Case("It is a mean.", ([1.0, 0.0, 1.0], [False, False, True]), 0.5),
            Case("Where nothing is wrong there is nothing to say.", ([1.0], [True]), None),
        ),
    ),
)
