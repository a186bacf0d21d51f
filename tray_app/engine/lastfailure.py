"""Keeps on disk why the engine of each model last ended by itself, also for when the app is not running.

Written by the supervisors' threads, read by any thread.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from tray_app.engine.launch_plan import LaunchPlan, RemotePlan
from tray_app.errors import ErrorDocument
from tray_app.system.files import NOT_JSON, read_regular, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.engine.launch_plan import Plan
    from tray_app.engine.snapshot import EngineSnapshot
    from tray_app.errors import EngineError
    from tray_app.system.engine_id import EngineId

_FILE_NAME = "last-failure.json"
_MOST_MODELS = 20
"""How many models have their last failure kept, so that the file does not grow."""
_log = logging.getLogger(__name__)


class NotedFailure(ErrorDocument, frozen=True, kw_only=True):
    """An engine's failure, and when it was (as `time.time`)."""

    at_s: float
    model: str = ""
    """The id of its model, or the address of a remote server."""


class FailureKeeper:
    """Writes each failure to disk once."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / _FILE_NAME
        self._lock = threading.Lock()
        self._noted: dict[EngineId, EngineError] = {}

    def note(self, snapshot: EngineSnapshot) -> None:
        """Note the engine's failure if it is a new one. Called after each change of the engine."""
        failure = snapshot.failure
        with self._lock:
            if failure is None or failure is self._noted.get(snapshot.engine):
                return
            self._noted[snapshot.engine] = failure
            noted = NotedFailure.of(failure, at_s=time.time(), model=_name_of(snapshot.plan))
            self._write({**read(self._path.parent), noted.model: noted})

    def _write(self, noted: dict[str, NotedFailure]) -> None:
        newest = sorted(noted.items(), key=lambda item: item[1].at_s)[-_MOST_MODELS:]
        try:
            write_atomically(self._path, msgspec.json.encode(dict(newest)))
        except OSError as exc:
            _log.warning("The failure cannot be noted: %s", exc)


def _name_of(plan: Plan | None) -> str:
    """The id of the plan's model, or the address of its remote server."""
    match plan:
        case LaunchPlan():
            return plan.model.id
        case RemotePlan():
            return plan.url
    return ""


def read(state_dir: Path) -> dict[str, NotedFailure]:
    """The last failure of each model, by its id, and of a remote server by its address; the newest last."""
    try:
        content = read_regular(state_dir / _FILE_NAME)
    except OSError:
        return {}
    with suppress(*NOT_JSON):
        return msgspec.json.decode(content, type=dict[str, NotedFailure])
    return {}
