"""Exercises of notebook 01: reading an answer, an exact verifier, what a guess is worth."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "read_answer",
        (
            Case("The text between the tags is the answer.", ("<answer>12</answer>",), "12"),
            Case(
                "Text before the block is no answer.", ("<think>9</think><answer>3</answer>",), "3"
            ),
            Case("No block is no answer.", ("12",), None),
            Case(
                "Two blocks are a guess, not an answer.",
                ("<answer>1</answer><answer>2</answer>",),
                None,
            ),
            Case("A block that is never closed is no answer.", ("<answer>12",), None),
            Case("A second opening tag makes two answers.", ("<answer>1<answer>2</answer>",), None),
            Case("Tags in the wrong order are no block.", ("</answer>12<answer>",), None),
            Case("An empty block is an (empty) answer.", ("<answer></answer>",), ""),
        ),
    ),
    Exercise(
        "is_sorted_version",
        (
            Case("The sorted digits are right.", ("312", "123"), True),
            Case("Digits out of order are wrong.", ("312", "132"), False),
            Case("An empty answer is in order, and still wrong.", ("312", ""), False),
            Case("Other digits in order are wrong.", ("312", "000"), False),
            Case("Every digit must occur as often as in the question.", ("3112", "123"), False),
            Case("A digit too many is wrong.", ("312", "1233"), False),
        ),
    ),
    Exercise(
        "best_blind_guess",
        (
            Case("If all answers are equal, the blind guess is always right.", (["1", "1"],), 1.0),
            Case("The most frequent answer is the best guess.", (["1", "2", "2", "3"],), 0.5),
            Case("If all answers differ, a guess hits one of them.", (["1", "2", "3", "4"],), 0.25),
        ),
    ),
)
