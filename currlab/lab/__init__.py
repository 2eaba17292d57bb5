"""The live lab: a training that is steered while it runs.

>>> session = lab.live(trainer)  # in a notebook: a cockpit, at once
>>> session.result()             # in a later cell
"""

from currlab.lab.live_cell import live
from currlab.lab.replay import open_run, replay
from currlab.lab.session import Session

__all__ = ["Session", "live", "open_run", "replay"]
