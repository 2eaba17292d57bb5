"""A simulated learner: curricula at interactive speed, and exact tests of strategies.

The student knows no text. It has an ability for every arm, answers by item response theory, learns
from the groups that a GRPO step would learn from, and forgets what it no longer sees. The recipes
are the real ones: the same objects choose, compute advantages and observe as in a training run. So
a strategy that fails here fails for a reason of its own; that it works here proves little, for the
student is a caricature (`currlab.student.fit` says how good a likeness it is).
"""

from currlab.student.learner import Student, StudentParameters
from currlab.student.play import History, Simulation, simulate

__all__ = ["History", "Simulation", "Student", "StudentParameters", "simulate"]
