"""The live lab: a training that is steered while it runs, and strategies compared in an instant.

session = lab.live(trainer)  # in a notebook: a cockpit, at once
session.result()             # in a later cell
lab.microscope(session)      # from the map of the run down to single completions
lab.playground("uniform", "sec")  # on the simulated student: moves with every slider
"""

from currlab.lab.guess import predict
from currlab.lab.live_cell import live
from currlab.lab.replay import open_run, replay
from currlab.lab.session import Session
from currlab.lab.side_by_side import playground
from currlab.lab.zoom import microscope

__all__ = ["Session", "live", "microscope", "open_run", "playground", "predict", "replay"]
