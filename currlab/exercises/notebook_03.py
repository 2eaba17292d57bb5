"""Exercises of notebook 03: what SFT learns from, and when a group has a signal."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "labels_of",
        (
            Case(
                "The prompt is no target: its labels are -100.",
                ([5, 6], [7, 8]),
                [-100, -100, 7, 8],
            ),
            Case("Without a prompt everything is a target.", ([], [7]), [7]),
            Case("Prompt and completion keep their lengths.", ([5], [7, 8, 9]), [-100, 7, 8, 9]),
        ),
    ),
    Exercise(
        "chance_of_signal",
        (
            Case("One of two rollouts is right half of the time.", (0.5, 2), 0.5),
            Case("Nothing solved, no signal.", (0.0, 8), 0.0),
            Case("Everything solved, no signal either.", (1.0, 8), 0.0),
            Case("The signal is the same for p and 1 - p.", (0.1, 8), 0.569533),
            Case("The signal is the same for p and 1 - p.", (0.9, 8), 0.569533),
            Case("A group of one has no signal.", (0.5, 1), 0.0),
        ),
    ),
    Exercise(
        "pass_at_k",
        (
            Case("With k = 1 it is the share of right completions.", (8, 2, 1), 0.25),
            Case("All n drawn: one right completion is enough.", (8, 1, 8), 1.0),
            Case("Nothing right is never solved.", (8, 0, 8), 0.0),
            # 1 - C(2, 2) / C(4, 2): two of four right, two drawn without putting back.
            Case("Completions are drawn without putting them back.", (4, 2, 2), 5 / 6),
            Case("With fewer than k wrong ones, some draw is right.", (4, 3, 2), 1.0),
        ),
    ),
)
