"""When each model was last loaded, kept in a file of the state folder. Any thread.

Accurate to a day, so that each model is written at most once a day.
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
_LAST_S = 32e9
"""In the year 2984. Windows converts neither later times nor those of the first day of 1970."""
_FILE_NAME = "last-use.json"
_MOST_MODELS = 1000
"""More are forgotten, the longest unused first."""
_log = logging.getLogger(__name__)


class LastUse:
    """When the models, by their ids, were last used, in a file of the folder `state`."""

    def __init__(self, state: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = state / _FILE_NAME
        self._clock = clock
        self._lock = threading.Lock()
        self._noted: dict[str, float] = {}
        """What this process has written, in seconds since 1970."""

    def note(self, model_id: str) -> None:
        """Note that the model is used now. If that cannot be written, it is only logged."""
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
        """The last uses in seconds since 1970, by model id; without models whose use was never noted."""
        try:
            noted = msgspec.json.decode(read_regular(self._path), type=dict[str, float])
        except (OSError, *NOT_JSON):
            return {}
        return {model_id: calendar_s(used_s) for model_id, used_s in noted.items()}


def calendar_s(time_s: float) -> float:
    """A time, in seconds since 1970, limited to what every system can convert into a date.

    Files from archives and damaged notes may have any time.
    """
    return min(max(time_s, DAY_S), _LAST_S)
