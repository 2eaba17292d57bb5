"""Exercises of notebook 21: a hint's chance, advantages apart, ratios of guided tokens, horizons."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "hint_chance",
        (
            # share, until, low, high -> chance of a piece
            Case("At the start the chance is the high one.", (0.0, 0.6, 0.05, 0.95), 0.95),
            Case("Halfway to the end it lies in the middle.", (0.3, 0.6, 0.05, 0.95), 0.5),
            Case("A third of the way the cosine is one half.", (0.2, 0.6, 0.0, 1.0), 0.75),
            Case(
                "At the end of the hints there is none, not the low chance.",
                (0.6, 0.6, 0.05, 0.95),
                0.0,
            ),
            Case("Afterwards there is none.", (0.9, 0.6, 0.05, 0.95), 0.0),
        ),
    ),
    Exercise(
        "advantages_apart",
        (
            Case(
                "A hint is no merit: each kind is compared with itself.",
                ([0.0, 0.0, 1.0, 1.0], [False, False, True, True]),
                [0.0, 0.0, 0.0, 0.0],
            ),
            Case(
                "Within a kind the better one stands above its mean.",
                ([1.0, 0.0, 1.0, 1.0], [False, False, True, True]),
                [0.5, -0.5, 0.0, 0.0],
            ),
            Case(
                "The kinds may come in any order.",
                ([1.0, 1.0, 0.0, 0.0], [True, False, True, False]),
                [0.5, 0.5, -0.5, -0.5],
            ),
            Case(
                "Without any hint it is the reward minus the group's mean.",
                ([1.0, 0.0, 0.0, 0.0], [False] * 4),
                [0.75, -0.25, -0.25, -0.25],
            ),
        ),
    ),
    Exercise(
        "guided_ratios",
        (
            # log p without the guide, log p with it, recomputed -> ratios
            Case(
                "Recomputed without the guide, every ratio is 1.",
                ([-3.0, -1.0], [-0.1, -1.0], True),
                [1.0, 1.0],
            ),
            Case("Kept, equal log-probabilities give 1.", ([-1.0], [-1.0], False), [1.0]),
            Case(
                "Kept, a token that the guide made likelier has a ratio below 1.",
                ([-2.302585], [0.0], False),
                [0.1],
            ),
            Case(
                "Kept, a token that the guide made less likely has one above 1.",
                ([0.0], [-0.693147], False),
                [2.0],
            ),
        ),
    ),
    Exercise(
        "success_with_hints",
        (
            # chance that a decision is given, chance of a right guess, decisions
            Case("Nothing given: every guess must be right.", (0.0, 0.5, 3), 0.125),
            Case("Everything given: it is right.", (1.0, 0.5, 3), 1.0),
            Case("One decision is given or guessed.", (0.5, 0.5, 1), 0.75),
            Case("Two decisions must both be right.", (0.5, 0.5, 2), 0.5625),
            Case("Guesses among three are right less often.", (0.5, 1 / 3, 2), 0.444444),
        ),
    ),
)
