"""Exercises of notebook 72: a filter over the papers, and a coverage matrix."""

from currlab.exercises.core import Case, Exercise

EASY = {"name": "A", "dials": ["select"], "needs": []}
ROLLS = {"name": "B", "dials": ["select", "reward"], "needs": ["rollouts"]}
JUDGED = {"name": "C", "dials": ["reward"], "needs": ["rollouts", "judge"]}

EXERCISES = (
    Exercise(
        "runnable_with",
        (
            # rows, dial, what one has -> names
            Case("A paper that needs nothing is always runnable.", ([EASY], "select", []), ["A"]),
            Case("A paper that does not turn the dial is left out.", ([EASY], "reward", []), []),
            Case(
                "A paper may turn several dials.", ([ROLLS], "reward", ["rollouts", "judge"]), ["B"]
            ),
            Case(
                "Every need must be met, not only one.",
                ([ROLLS, JUDGED], "reward", ["rollouts"]),
                ["B"],
            ),
            Case(
                "The papers keep their order.",
                ([ROLLS, EASY], "select", ["rollouts", "logits"]),
                ["B", "A"],
            ),
            Case("No papers give an empty list.", ([], "select", []), []),
        ),
    ),
    Exercise(
        "coverage",
        (
            # rows -> {family: {state: number of papers}}
            Case(
                "One paper counts once.",
                ([{"families": ["F02"], "state": "implemented"}],),
                {"F02": {"implemented": 1}},
            ),
            Case(
                "Equal states of a family add up.",
                (
                    [
                        {"families": ["F02"], "state": "not yet"},
                        {"families": ["F02"], "state": "not yet"},
                    ],
                ),
                {"F02": {"not yet": 2}},
            ),
            Case(
                "A paper of two families counts in both.",
                ([{"families": ["F01", "F02"], "state": "analogue"}],),
                {"F01": {"analogue": 1}, "F02": {"analogue": 1}},
            ),
            Case(
                "States of one family are kept apart.",
                (
                    [
                        {"families": ["F07"], "state": "not yet"},
                        {"families": ["F07"], "state": "inspired"},
                    ],
                ),
                {"F07": {"not yet": 1, "inspired": 1}},
            ),
            Case("No papers give an empty matrix.", ([],), {}),
        ),
    ),
)
