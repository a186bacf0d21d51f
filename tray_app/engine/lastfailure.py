"""Keeps on disk why the engine last ended by itself, so that `doctor` can tell it when the app has ended too.

Written by the supervisor's thread, read by any.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import msgspec

from tray_app.errors import ErrorDocument
from tray_app.system.files import NOT_JSON, read_regular, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.engine.supervisor import EngineSnapshot
    from tray_app.errors import EngineError

_FILE_NAME = "last-failure.json"
_log = logging.getLogger(__name__)


class NotedFailure(ErrorDocument, frozen=True, kw_only=True):
    """An engine's failure, and when it was (as `time.time`)."""

    at_s: float


class FailureKeeper:
    """Writes each failure to disk once."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / _FILE_NAME
        self._noted: EngineError | None = None

    def note(self, snapshot: EngineSnapshot) -> None:
        """Note the engine's failure if it is a new one. Called after each change of the engine."""
        failure = snapshot.failure
        if failure is None or failure is self._noted:
            return
        self._noted = failure
        noted = NotedFailure.of(failure, at_s=time.time())
        try:
            write_atomically(self._path, msgspec.json.encode(noted))
        except OSError as exc:
            _log.warning("The failure cannot be noted: %s", exc)


def read(state_dir: Path) -> NotedFailure | None:
    """The last failure that was noted; None if there was none."""
    try:
        return msgspec.json.decode(read_regular(state_dir / _FILE_NAME), type=NotedFailure)
    except (OSError, *NOT_JSON):
        return None
