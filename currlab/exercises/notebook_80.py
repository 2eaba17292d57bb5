"""Exercises of notebook 80: a chat template, a verifier that is not fooled, micro-batches."""

from currlab.exercises.core import Case, Exercise

USER = ("user", "2 + 2?")
ASKED = "<|im_start|>user\n2 + 2?<|im_end|>\n"

EXERCISES = (
    Exercise(
        "render_chat",
        (
            # turns as (role, text), does the model go on? -> the text that is tokenised
            Case("A turn is opened, named, and closed.", ([USER], False), ASKED),
            Case(
                "Asked, the model writes right behind its own role and the newline.",
                ([USER], True),
                f"{ASKED}<|im_start|>assistant\n",
            ),
            Case(
                "The end token closes an answer that is to be imitated.",
                ([USER, ("assistant", "4")], False),
                f"{ASKED}<|im_start|>assistant\n4<|im_end|>\n",
            ),
            Case(
                "Text stays as it is, its newlines too.",
                ([("system", " a\n\nb ")], True),
                "<|im_start|>system\n a\n\nb <|im_end|>\n<|im_start|>assistant\n",
            ),
            Case("Without turns there is only the opening.", ([], True), "<|im_start|>assistant\n"),
        ),
    ),
    Exercise(
        "accept",
        (
            # the right number as text, the completion -> is it accepted?
            Case("The right number in its block.", ("7", "<answer>7</answer>"), True),
            Case("A wrong number.", ("7", "<answer>8</answer>"), False),
            Case("Without a block it is no answer.", ("7", "The answer is 7"), False),
            Case(
                "A thought may stand before, with other numbers in it.",
                ("7", "<think>5 + 2</think><answer>7</answer>"),
                True,
            ),
            Case("Blanks do not matter.", ("7", "<answer>\n 7 </answer>"), True),
            Case("A unit may stand behind.", ("7", "<answer>7 nuts</answer>"), True),
            Case(
                "It is the number that counts, not its digits.", ("7", "<answer>07</answer>"), True
            ),
            Case("The sign belongs to the number.", ("7", "<answer>-7</answer>"), False),
            Case(
                "Two blocks are a guess.",
                ("7", "<answer>8</answer><answer>7</answer>"),
                False,
            ),
            Case("Two numbers are a guess.", ("7", "<answer>8 or 7</answer>"), False),
            Case(
                "A longer number that begins alike is wrong.", ("7", "<answer>71</answer>"), False
            ),
            Case("A block that is never closed is none.", ("7", "<answer>7"), False),
            Case("The order of the tags matters.", ("7", "</answer>7<answer>"), False),
            Case("A block in a block is two.", ("7", "<answer><answer>7</answer></answer>"), False),
            Case("An empty block holds nothing.", ("7", "<answer></answer>"), False),
            Case(
                "Very many digits are refused, without an exception.",
                ("7", f"<answer>{'9' * 5000}</answer>"),
                False,
            ),
        ),
    ),
    Exercise(
        "micro_batches",
        (
            # bytes in any case, bytes a row, rows of a step, bytes there -> number of micro-batches
            Case("What fits at once is not split.", (10, 1, 8, 18), 1),
            Case("One byte too few: in two halves.", (10, 1, 8, 17), 2),
            Case("Only numbers that divide the step.", (0, 1, 8, 3), 4),
            Case("Row by row, if need be.", (0, 5, 6, 5), 6),
            Case("Not even one row.", (10, 1, 8, 10), None),
        ),
    ),
)
