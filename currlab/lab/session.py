"""A training that can be steered: one thread trains, everybody else asks it and looks at copies."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from currlab.errors import CurrlabError
from currlab.lab.controls import Steered, Wish, change_wanted, stop_now
from currlab.lab.records import Snapshot, StepRecord, past_records, step_record
from currlab.lab.replay import keep, keep_weights

SECONDS_TO_END_A_STEP = 120.0


class _AbandonedError(Exception):
    """Ends the thread of a session that another one replaces; nothing is written any more."""


class Session(Steered):
    """Runs `trainer.train()` in a thread of its own, and changes its recipe between steps.

    `trainer` is a `ScratchTrainer`, or a `CurriculumGRPOTrainer`, of which less can be changed.
    With a `folder`, the run is kept in a new folder below it, which `currlab replay` repeats.

        session = Session(trainer)
        session.start()
        session.swap("select", "target")
        session.set("sample", temperature=1.2)
        session.result()
    """

    def __init__(self, trainer: Any, folder: str | Path | None = None) -> None:
        super().__init__(trainer)
        self.kept = None if folder is None else keep(self.trainer, folder)
        self._signal = threading.Condition()
        self._paused = self._stopping = self._abandoned = False
        self._single_steps = 0
        self._steps: list[StepRecord] = past_records(self.trainer.history)
        self._state, self._version, self._refused = "ready", 0, ""
        self._seconds, self._since = 0.0, None
        self._results: dict[str, Any] | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="currlab training", daemon=True)
        self._snapshot = self._copy()

    # ------------------------------------------------------------ for everybody

    def start(self) -> None:
        """Begin to train, in the background."""
        if self._state != "ready":
            raise CurrlabError(f"This session is {self._state}; a session is started once.")
        self._state = "running"
        self._thread.start()

    def run(self) -> dict[str, Any]:
        """Train to the end in the foreground: the same run, without a thread."""
        if self._state != "ready":
            raise CurrlabError(f"This session is {self._state}; a session is started once.")
        self._state = "running"
        self._work()
        return self.result()

    def pause(self) -> None:
        """Wait after the step that is being taken."""
        self._tell(_paused=True)

    def resume(self) -> None:
        self._tell(_paused=False, _single_steps=0)

    def single_step(self) -> None:
        """Take one more step and pause."""
        self._tell(_paused=True, _single_steps=self._single_steps + 1)

    def stop(self) -> None:
        """End the run after the step that is being taken, with a last evaluation and its results."""
        self._tell(_stopping=True)

    def abandon(self) -> None:
        """End the thread after the step that is being taken, as if the process had been killed.

        A run on disk stays unfinished and can be gone on with. CurrlabError if the step hangs.
        """
        self._tell(_abandoned=True)
        if self._thread.is_alive():
            self._thread.join(SECONDS_TO_END_A_STEP)
            if self._thread.is_alive():
                raise CurrlabError("The training that runs does not end; restart the kernel.")

    def snapshot(self) -> Snapshot:
        """The newest copy; never blocks."""
        return replace(self._snapshot, state=self.state)

    @property
    def state(self) -> str:
        waiting = self._state == "running" and self._paused and not self._single_steps
        return "paused" if waiting else self._state

    @property
    def done(self) -> bool:
        return self._state in ("finished", "stopped", "failed")

    def result(self) -> dict[str, Any]:
        """The run's results. Raises what the training raised; CurrlabError if it still runs."""
        if self._error is not None:
            raise self._error
        if self._results is None:
            raise StillTrainingError(
                f"The training is {self.state} at step {self.trainer.clock.step}. Steer it in the "
                "cockpit, and run this cell again when it is finished or stopped."
            )
        return self._results

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the training has ended; widgets do not answer meanwhile."""
        self._thread.join(seconds)

    # ------------------------------------------------------------ the thread's own

    def _tell(self, **wanted: Any) -> None:
        with self._signal:
            for name, value in wanted.items():
                setattr(self, name, value)
            self._signal.notify_all()

    def _work(self) -> None:
        ended = "failed"
        try:
            self._results = self.trainer.train(
                progress=False, on_step=self._after_step, before_step=self._before_step
            )
            if self.kept:
                keep_weights(self.trainer)
            ended = "stopped" if self.trainer.stopped else "finished"
        except _AbandonedError:
            ended = "stopped"
            self._error = CurrlabError("This training was replaced by another one.")
        except BaseException as error:
            # Nobody sees what a thread raises: result() raises it again, the view shows it.
            self._error = error
        if self.kept:
            # What the trainer does from now on, such as an evaluation, is not this run's.
            self.trainer.run = None
            self.kept.close()
        self._publish()
        self._state = ended  # last: whoever waits for the end finds all of it

    def _before_step(self) -> None:
        """The boundary between two steps: wait while paused, then do what was asked for."""
        self._hold_time()
        self._publish()
        with self._signal:
            self._signal.wait_for(
                lambda: not self._paused or self._single_steps or self._stopping or self._abandoned
            )
            self._single_steps = max(0, self._single_steps - 1)
        if self._abandoned:
            raise _AbandonedError
        self._refused = ""
        for wish in self._controls.take():
            self._grant(wish)
        if self._stopping:
            self.trainer.steer(stop_now(self.trainer))
        self._since = time.perf_counter()

    def _grant(self, wish: Wish) -> None:
        change = change_wanted(self.trainer, wish)
        if change is None:
            return
        try:
            self.trainer.steer(change)
        except CurrlabError as error:
            # A strategy that cannot serve this catalog; the run goes on as it was.
            self._refused = str(error)

    def _after_step(self, metrics: Mapping[str, float]) -> None:
        self._steps.append(step_record(self.trainer, metrics))

    def _hold_time(self) -> None:
        if self._since is not None:
            self._seconds += time.perf_counter() - self._since
            self._since = None

    def _publish(self) -> None:
        self._hold_time()
        self._version += 1
        self._snapshot = self._copy()

    def _copy(self) -> Snapshot:
        history = self.trainer.history
        return Snapshot(
            state=self._state,
            version=self._version,
            share=self.trainer.clock.share,
            tokens=self.trainer.clock.tokens,
            seconds=self._seconds,
            recipe=copy.deepcopy(self.trainer.recipe.describe()),
            arms=self.trainer.collector.catalog.arms,
            steps=tuple(self._steps),
            evaluations=tuple(history["eval"]),
            steering=tuple(history["steering"]),
            refused=self._refused,
            error="" if self._error is None else f"{type(self._error).__name__}: {self._error}",
        )


class StillTrainingError(CurrlabError):
    """There is no result yet. A notebook shows the sentence alone: it is no failure."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]
