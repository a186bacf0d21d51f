"""The processes that compute one engine's model, used like a single supervisor. Any thread.

A sparse model has one or several, each with a supervisor, record, log and restarts of its own; any other
model has one. The engine has the state of its best process: it is ready when the first one is, and has failed
when all have.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from psygnal import Signal

from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.engine.snapshot import EngineSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from tray_app.engine.launch_plan import Plan
    from tray_app.engine.supervisor import Supervisor
    from tray_app.system.engine_id import EngineId, RunId
    from tray_app.system.logs import Lines

_BEST_FIRST = (
    *(State.READY, State.LOADING, State.STARTING, State.STOPPING),
    *(State.BACKOFF, State.WAITING, State.FAILED, State.STOPPED),
)


class WorkerGroup:
    """Runs an engine's plan in as many processes as it says. Methods without an explanation are as those of
    `Supervisor`.

    `ensure`, `stop` and `close` are for its owner, one call at a time; the others for any thread.
    """

    changed = Signal(EngineSnapshot)
    """Emitted on the thread of a process's supervisor whenever that one's is."""

    def __init__(self, engine_id: EngineId, make_supervisor: Callable[[EngineId], Supervisor]) -> None:
        self.id = engine_id
        self._make_supervisor = make_supervisor
        self._moved = threading.Condition()
        self._supervisors: tuple[Supervisor, ...] = (self._made(1),)

    def ensure(self, plan: Plan) -> None:
        """See `Supervisor`. Supervisors are made when they are first needed, and kept."""
        count = plan.workers if isinstance(plan, LaunchPlan) else 1
        there = len(self._supervisors)
        self._supervisors += tuple(self._made(number) for number in range(there + 1, count + 1))
        for each in self._supervisors[:count]:
            each.ensure(plan)
        for each in self._supervisors[count:]:
            each.stop()

    def stop(self) -> None:
        """Ask for all processes to end."""
        for each in self._supervisors:
            each.stop()

    def check(self, run: RunId) -> None:
        """See `Supervisor`; `run` is that of any process of any engine."""
        for each in self._supervisors:
            if each.id == run.engine:
                each.check(run)

    def snapshot(self) -> EngineSnapshot:
        """The best process, with all of them as its `workers` where there are several."""
        first, *others = self._supervisors
        now = first.snapshot()
        return _merged((now, *(each.snapshot() for each in others))) if others else now

    @property
    def has_heard(self) -> bool:
        """Whether `snapshot` shows the effect of all requests so far."""
        return all(each.has_heard for each in self._supervisors)

    @property
    def lines(self) -> Lines:
        """What the first process prints; each one has a log file."""
        return self._supervisors[0].lines

    def wait_for(self, states: Container[State], timeout_s: float) -> EngineSnapshot:
        """As `Supervisor.wait_for`, for the best process. `TimeoutError`."""
        if len(self._supervisors) == 1:
            return self._supervisors[0].wait_for(states, timeout_s)
        deadline_s = time.monotonic() + timeout_s
        for each in self._supervisors:  # until it has taken all requests
            each.wait_for(tuple(State), max(0.0, deadline_s - time.monotonic()))
        with self._moved:
            if self._moved.wait_for(
                lambda: self.snapshot().state in states, max(0.0, deadline_s - time.monotonic())
            ):
                return self.snapshot()
        raise TimeoutError(f"The engine is {self.snapshot().state}")

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop all processes and their supervisors."""
        deadline_s = time.monotonic() + timeout_s
        self.stop()
        for each in self._supervisors:
            each.close(max(0.0, deadline_s - time.monotonic()))

    def _made(self, number: int) -> Supervisor:
        supervisor = self._make_supervisor(self.id.worker(number))
        supervisor.changed.connect(self._on_change)
        return supervisor

    def _on_change(self, _: EngineSnapshot) -> None:
        with self._moved:
            self._moved.notify_all()
        self.changed.emit(self.snapshot())


def _merged(processes: Sequence[EngineSnapshot]) -> EngineSnapshot:
    there = tuple(each for each in processes if each.state is not State.STOPPED) or processes[:1]
    best = min(there, key=lambda each: _BEST_FIRST.index(each.state))
    if len(there) == 1:
        return best
    failures = (each.failure for each in (best, *there))
    return replace(
        best,
        restarts=sum(each.restarts for each in there),
        failure=next(filter(None, failures), None),
        workers=tuple(there),
    )
