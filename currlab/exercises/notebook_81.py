"""Exercises of notebook 81: waiting for the slowest process, and a ring all-reduce."""

from currlab.exercises.core import Case, Exercise

EXERCISES = (
    Exercise(
        "waiting_share",
        (
            # seconds of each process -> share of all process time that is spent waiting
            Case("Equal parts: nobody waits.", ([2.0, 2.0, 2.0],), 0.0),
            Case("One process waits for nobody.", ([5.0],), 0.0),
            Case("Half of two processes' time, if one has nothing to do.", ([4.0, 0.0],), 0.5),
            Case("All wait for the slowest.", ([1.0, 1.0, 1.0, 5.0],), 0.6),
            Case("The order does not matter.", ([5.0, 1.0, 1.0, 1.0],), 0.6),
        ),
    ),
    Exercise(
        "ring_seconds",
        (
            # bytes, processes, bytes a second, latency -> seconds
            Case("One process exchanges nothing.", (1e9, 1, 1e9, 1.0), 0.0),
            Case("Two: each sends half, twice.", (1e9, 2, 1e9, 0.0), 1.0),
            Case("Many: the bytes tend to twice the size.", (1e9, 100, 1e9, 0.0), 1.98),
            Case("Every round has its delay.", (0.0, 5, 1e9, 0.5), 4.0),
            Case("A link half as fast takes twice as long.", (1e9, 4, 0.5e9, 0.0), 3.0),
        ),
    ),
)
