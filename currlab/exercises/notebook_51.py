"""Exercises of notebook 51: HPT's gate, CHORD's share and token weights, backward transfer."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "chord_mu",
        (
            # share of the budget, warm_up, peak, valley -> mu
            Case("Without a warm-up it starts at the peak.", (0.0, 0.0, 0.8, 0.0), 0.8),
            Case("At the end it has reached the valley.", (1.0, 0.0, 0.8, 0.1), 0.1),
            Case("Half way down the cosine lies in the middle.", (0.5, 0.0, 0.8, 0.2), 0.5),
            Case(
                "A quarter down, a cosine is still near the peak.", (0.25, 0.0, 1.0, 0.0), 0.85355
            ),
            Case("In the warm-up it rises along a straight line.", (0.25, 0.5, 0.8, 0.0), 0.4),
            Case("The fall takes what the warm-up left.", (0.75, 0.5, 0.8, 0.0), 0.4),
        ),
    ),
    Exercise(
        "hpt_gate",
        (
            # correctness of a group's rollouts, gate -> "imitate" or "reinforce"
            Case("Nobody solved it: imitate.", ([False] * 4, 0), "imitate"),
            Case("One success is enough at gate 0.", ([True, False, False, False], 0), "reinforce"),
            Case("The gate itself is still imitated.", ([True, True, False, False], 2), "imitate"),
            Case("One above the gate is reinforced.", ([True, True, True, False], 2), "reinforce"),
        ),
    ),
    Exercise(
        "phi_weights",
        (
            # probabilities of a demonstration's tokens -> their weights
            Case("An undecided token counts most.", ([0.5],), [0.25]),
            Case("Certain and impossible tokens do not count.", ([1.0, 0.0],), [0.0, 0.0]),
            Case("Both sides are alike.", ([0.2, 0.8],), [0.16, 0.16]),
        ),
    ),
    Exercise(
        "backward_transfer",
        (
            # matrix[i][j]: accuracy on task j after stage i -> mean change since its own stage
            Case("What stays as it was gives 0.", ([[0.5, 0.0], [0.5, 0.9]],), 0.0),
            Case("Lost accuracy is negative.", ([[0.8, 0.0], [0.2, 0.9]],), -0.6),
            Case("A task that later stages helped counts up.", ([[0.4, 0.0], [0.7, 0.9]],), 0.3),
            Case(
                "Only the last row and the diagonal count, without the last task.",
                ([[0.6, 0.1, 0.1], [0.9, 0.8, 0.1], [0.2, 0.6, 1.0]],),
                -0.3,
            ),
        ),
    ),
)
