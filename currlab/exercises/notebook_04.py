"""Exercises of notebook 04: advantages, how large a group must be, the clip, and the SEC bandit."""

from currlab.exercises.core import Case, Exercise

EVEN = {"a": 0.0, "b": 0.0}

EXERCISES = (
    Exercise(
        "group_advantages",
        (
            Case("The better rollout gets the positive sign.", ([1.0, 0.0],), [0.7070, -0.7070]),
            Case("Equal rewards give zero advantages.", ([1.0, 1.0, 1.0],), [0.0, 0.0, 0.0]),
            Case(
                "The deviation is the sample deviation, divided by n - 1.",
                ([1.0, 0.0, 0.0, 0.0],),
                [1.4997, -0.4999, -0.4999, -0.4999],
            ),
            Case(
                "A number added to all rewards changes nothing.", ([6.0, 5.0],), [0.7070, -0.7070]
            ),
            Case(
                "Rewards ten times as large give equal advantages.",
                ([10.0, 0.0],),
                [0.7071, -0.7071],
            ),
        ),
    ),
    Exercise(
        "group_size_for",
        (
            # pass rate, largest share of zero-variance groups that one accepts
            Case("Two rollouts differ half of the time at p = .5.", (0.5, 0.5), 2),
            Case("The share must not lie above the limit.", (0.5, 0.2), 4),
            Case("A rare success needs a large group.", (0.1, 0.5), 7),
            Case("A rare failure needs the same.", (0.9, 0.5), 7),
            Case("The rarer, the larger.", (0.02, 0.5), 35),
        ),
    ),
    Exercise(
        "clipped_objective",
        (
            Case("At ratio 1 it is the advantage itself.", (1.0, 0.5), 0.5),
            Case("Inside the band nothing is clipped.", (1.1, 2.0), 2.2),
            Case("A good token gains nothing beyond 1 + high.", (1.5, 1.0), 1.2),
            Case("A bad token gains nothing below 1 - low.", (0.5, -1.0), -0.8),
            Case("A good token that became unlikely keeps its gradient.", (0.5, 1.0), 0.5),
            Case("A bad token that became likely keeps its gradient.", (1.5, -1.0), -1.5),
            Case("The band's two sides are separate arguments.", (2.0, 1.0, 0.2, 0.3), 1.3),
        ),
    ),
    Exercise(
        "sec_step",
        (
            # q by arm, mean |A| by arm of the step, alpha, tau -> (new q, next probabilities)
            Case(
                "Equal values give equal chances.",
                (EVEN, {"a": 0.0, "b": 0.0}, 0.5, 1.0),
                (EVEN, {"a": 0.5, "b": 0.5}),
            ),
            Case(
                "The value moves by the share alpha towards the new signal.",
                (EVEN, {"a": 0.8, "b": 0.8}, 0.25, 1.0),
                ({"a": 0.2, "b": 0.2}, {"a": 0.5, "b": 0.5}),
            ),
            Case(
                "An arm that was not sampled keeps its value.",
                ({"a": 0.5, "b": 0.5}, {"a": 0.5}, 0.5, 1.0),
                ({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.5}),
            ),
            Case(
                "The chances are the softmax of the new values.",
                (EVEN, {"a": 1.0, "b": 0.0}, 1.0, 1.0),
                ({"a": 1.0, "b": 0.0}, {"a": 0.7311, "b": 0.2689}),
            ),
            Case(
                "A small temperature prefers the better arm more.",
                (EVEN, {"a": 1.0, "b": 0.0}, 1.0, 0.5),
                ({"a": 1.0, "b": 0.0}, {"a": 0.8808, "b": 0.1192}),
            ),
        ),
    ),
)
