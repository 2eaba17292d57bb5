"""Exercises of notebook 05: the size of an adapter, and how stale a choice is."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "adapter_parameters",
        (
            # shapes of the adapted matrices (outputs, inputs), rank
            Case("A matrix gets two thin factors.", ([(6, 4)], 1), 10),
            Case("The rank multiplies both factors.", ([(6, 4)], 3), 30),
            Case("Every adapted matrix has its own.", ([(6, 4), (4, 4)], 2), 36),
            Case("No matrix, no parameters.", ([], 8), 0),
        ),
    ),
    Exercise(
        "newest_feedback",
        (
            # step, choices made ahead -> last step whose groups the choice of this step can know
            Case("Without reading ahead, the step before is known.", (5, 0), 4),
            Case("Nothing is known before the first step.", (0, 0), None),
            Case("One batch ahead hides one step.", (5, 1), 3),
            Case("Reading ahead at the start sees nothing.", (1, 1), None),
        ),
    ),
)
