"""The engines that were offered and are not wanted now, kept in a file. Any thread."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import msgspec

from tray_app.system.files import NOT_JSON, read_regular, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)


class PutOff:
    """The ids of builds that are offered no more. They are few, and so is what is read and written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self.ids = msgspec.json.decode(read_regular(path), type=frozenset[str])
        except (OSError, *NOT_JSON):  # of a first start, or not written by us: then it is offered
            self.ids = frozenset()

    def add(self, build_id: str) -> None:
        """Offer this build no more, if possible not after the next start of the app either."""
        with self._lock:
            self.ids |= {build_id}
            try:
                write_atomically(self._path, msgspec.json.encode(sorted(self.ids)))
            except OSError as exc:
                _log.info("%s could not be written: %s", self._path.name, exc)
