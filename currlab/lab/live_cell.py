"""The live cell: the same call steers in JupyterLab and runs through where nobody can steer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from IPython import get_ipython
from IPython.display import HTML, display

from currlab.lab.panels import overview
from currlab.lab.session import Session

# The session whose cockpit is shown, and the cockpit: its task must not be collected.
_shown: list[Any] = []


def live(trainer: Any, folder: str | Path | None = None) -> Session:
    """Train with a cockpit; returns at once, and `result()` gives the results when it has ended.

    With a `folder`, the run and all that was steered is kept in a new folder below it: `currlab
    replay` trains it again to the same weights, `currlab report` makes a page of it. A trainer that
    has taken steps goes on, and is not kept: nobody could repeat it from its start.

    A kernel trains one model at a time: a session that still runs is replaced, its run left as it
    is. Where nobody can steer (papermill, nbconvert, a script), it trains to the end before it
    returns and shows a static figure.
    """
    if _shown and not _shown[0].done:
        _shown[0].abandon()
    _shown.clear()
    begun = trainer.clock.step > 0
    session = Session(trainer, None if begun else folder)
    if not somebody_can_steer():
        session.run()
        display(HTML(overview(session.snapshot())))
        return session
    from currlab.lab.cockpit import Cockpit

    cockpit = Cockpit(session)
    _shown.extend((session, cockpit))
    display(cockpit.widget)
    session.start()
    cockpit.follow()
    return session


def somebody_can_steer() -> bool:
    """True if the running cell came from a front end that a person sits at.

    Such front ends let a cell ask for input; papermill, nbconvert and nbclient do not.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    return bool(kernel.get_parent("shell").get("content", {}).get("allow_stdin", False))
