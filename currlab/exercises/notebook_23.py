"""Exercises of notebook 23: a ramp of masks, a graded reward for order, inputs with masks."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "spans_hidden",
        (
            Case("One span is hidden at the start.", (0.0, 0.8, 4), 1),
            Case("One more in every quarter of the time up to `until`.", (0.3, 0.8, 4), 2),
            Case("In the last quarter all are hidden.", (0.75, 0.8, 4), 4),
            Case(
                "From `until` on the question is open: nothing is shown, none is hidden.",
                (0.8, 0.8, 4),
                0,
            ),
            Case("It stays open to the end.", (1.0, 0.8, 4), 0),
            Case("Two spans change at half time.", (0.5, 1.0, 2), 2),
        ),
    ),
    Exercise(
        "jigsaw_reward",
        (
            Case("The right order earns 1.", (["a", "b", "c"], ["a", "b", "c"], 0.2), 1.0),
            Case(
                "One of four at its place: a quarter of `partial`.",
                (["a", "c", "d", "b"], ["a", "b", "c", "d"], 0.2),
                0.05,
            ),
            Case("Nothing at its place earns 0.", (["b", "a"], ["a", "b"], 0.2), 0.0),
            Case(
                "A piece twice is no order: 0, though one is at its place.",
                (["a", "a"], ["a", "b"], 0.2),
                0.0,
            ),
            Case("A piece that is missing is no order, either.", (["a"], ["a", "b"], 0.2), 0.0),
        ),
    ),
    Exercise(
        "masked_inputs",
        (
            Case(
                "With chance 0 nothing is hidden.",
                ([5, 6, 7], 1, [0.0, 0.0, 0.0], 0.0, 99),
                [5, 6, 7],
            ),
            Case(
                "Draws below the chance hide.", ([5, 6, 7], 1, [0.9, 0.1, 0.9], 0.5, 99), [5, 99, 7]
            ),
            Case(
                "The prompt is never hidden.", ([5, 6, 7], 2, [0.1, 0.1, 0.1], 0.5, 99), [5, 6, 99]
            ),
            Case(
                "With chance 1 the whole solution is hidden.",
                ([5, 6, 7], 1, [0.9, 0.9, 0.9], 1.0, 99),
                [5, 99, 99],
            ),
        ),
    ),
)
