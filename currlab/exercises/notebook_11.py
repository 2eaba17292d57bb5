"""Exercises of notebook 11: the payment of a level, temperatures, bounds and greedy draws."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "mean_size_unscaled",
        (
            Case("Equal rewards pay nothing.", (0, 4), 0.0),
            Case("All right pays nothing, too.", (4, 4), 0.0),
            Case("Half right: every rollout is one half away from the mean.", (2, 4), 0.5),
            Case("One right of four: once .75 and three times .25.", (1, 4), 0.375),
            Case("Right and wrong may change places.", (3, 4), 0.375),
        ),
    ),
    Exercise(
        "temperature_for",
        (
            Case("At tau = gap the odds are e.", (0.5, 2.718281828), 0.5),
            Case("Larger odds need a lower temperature.", (0.5, 7.389056099), 0.25),
            Case("Half the gap needs half the temperature.", (0.25, 2.718281828), 0.25),
        ),
    ),
    Exercise(
        "upper_bound",
        (
            Case("Before the first rollout there is no bonus: ln 1 = 0.", (0.0, 0, 0), 0.0),
            Case("A level that was never asked gets the largest bonus.", (0.0, 0, 100), 3.0382),
            Case("The mean is added.", (0.5, 0, 100), 3.5382),
            Case("The bonus shrinks with the level's own rollouts.", (0.5, 99, 100), 0.8038),
        ),
    ),
    Exercise(
        "epsilon_greedy",
        (
            Case("Without exploration the best level gets everything.", ([0.1, 0.9], 0.0), [0, 1]),
            Case("Epsilon 1 is uniform.", ([0.1, 0.9], 1.0), [0.5, 0.5]),
            Case("The best level gets its part of epsilon, too.", ([0.1, 0.9], 0.2), [0.1, 0.9]),
            Case("Equal best levels share.", ([0.5, 0.5, 0.0], 0.0), [0.5, 0.5, 0.0]),
        ),
    ),
)
