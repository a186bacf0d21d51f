"""A supervisor without engine and thread: what it shows changes where a test says so."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from psygnal import Signal

from tests.fakes.app import make_snapshot
from tray_app.engine.lifecycle import State
from tray_app.engine.snapshot import EngineSnapshot

if TYPE_CHECKING:
    from tray_app.engine.launch_plan import Plan
    from tray_app.errors import EngineError
    from tray_app.system.engine_id import EngineId, RunId


class ScriptedSupervisor:
    """Takes requests as a supervisor does; the engine moves only where a test says so."""

    changed = Signal(EngineSnapshot)

    def __init__(self, engine_id: EngineId) -> None:
        self.id = engine_id
        self.has_heard = True
        self.wanted: Plan | None = None
        self.checked: list[RunId] = []
        self.told_to_stop = threading.Event()
        self._now = replace(make_snapshot(State.STOPPED), engine=engine_id, run=0)

    def snapshot(self) -> EngineSnapshot:
        return self._now

    def ensure(self, plan: Plan) -> None:
        self.wanted = plan
        if self._now.state is not State.READY or self._now.plan != plan:
            self._begin(State.LOADING, plan)

    def stop(self) -> None:
        self.wanted = None
        self.told_to_stop.set()
        if self._now.state in (State.LOADING, State.READY):
            self._begin(State.STOPPING, None)

    def check(self, run: RunId) -> None:
        self.checked.append(run)

    def close(self, timeout_s: float) -> None:
        """Nothing to end."""

    def becomes(self, state: State, failure: EngineError | None = None) -> None:
        """The engine moves, and those who listen are told."""
        self.shows(state, failure)
        self.changed.emit(self._now)

    def shows(self, state: State, failure: EngineError | None = None) -> None:
        """The engine has moved, and nobody has been told yet."""
        plan = self.wanted if state is not State.STOPPED else None
        self.has_heard = True
        self._now = replace(self._now, state=state, plan=plan, pid=None, failure=failure)

    def _begin(self, state: State, plan: Plan | None) -> None:
        """As a supervisor shows it once it has heard; nobody is told on the thread that asks."""
        self._now = replace(self._now, state=state, plan=plan, pid=None)
