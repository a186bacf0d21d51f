"""When each model was last loaded, kept in a file of the state folder. Any thread.

To the day: nobody removes a model for an hour's sake, and a day is written once.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from tray_app.system.files import NOT_JSON, read_regular, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

DAY_S = 24 * 60 * 60.0
_FILE_NAME = "last-use.json"
_MOST_MODELS = 1000
"""The file does not grow with every model that somebody has ever tried."""
_log = logging.getLogger(__name__)


class LastUse:
    """The days of the models, by their ids, in the folder `state`."""

    def __init__(self, state: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = state / _FILE_NAME
        self._clock = clock
        self._lock = threading.Lock()
        self._noted: dict[str, float] = {}
        """What this process has written."""

    def note(self, model_id: str) -> None:
        """The model is used now."""
        now_s = self._clock()
        with self._lock:
            if now_s - self._noted.get(model_id, 0.0) < DAY_S:
                return
            self._noted[model_id] = now_s
            newest = sorted((dict(self.all()) | {model_id: now_s}).items(), key=lambda item: item[1])
            try:
                write_atomically(self._path, msgspec.json.encode(dict(newest[-_MOST_MODELS:])))
            except OSError as exc:
                _log.warning("The use of a model cannot be noted: %s", exc)

    def all(self) -> Mapping[str, float]:
        """As `time.time` has them; nothing of models that were not used since this is noted."""
        try:
            return msgspec.json.decode(read_regular(self._path), type=dict[str, float])
        except (OSError, *NOT_JSON):
            return {}
