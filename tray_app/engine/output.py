"""Keeps what engines print: all of it in a rotated file, the last lines in memory.

Written by an engine's reader thread and the supervisor, read by anybody.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from itertools import islice
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "engine.log"
_MAX_BYTES = 5_000_000
_KEPT_FILES = 2
_KEPT_LINES = 1000


class EngineOutput:
    """The output of all runs, in the order in which it came."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = RotatingFileHandler(
            folder / FILE_NAME,
            maxBytes=_MAX_BYTES,
            backupCount=_KEPT_FILES,
            encoding="utf-8",
            errors="backslashreplace",
            delay=True,
        )
        self._lock = threading.Lock()
        self._last: deque[str] = deque(maxlen=_KEPT_LINES)
        self._count = 0

    @property
    def count(self) -> int:
        """How many lines there have been."""
        return self._count

    def add(self, line: str) -> None:
        """Take a line."""
        self._file.handle(logging.makeLogRecord({"msg": line}))
        with self._lock:
            self._last.append(line)
            self._count += 1

    def since(self, count: int) -> tuple[str, ...]:
        """The lines after the first `count`, as far as they are still in memory."""
        with self._lock:
            forgotten = self._count - len(self._last)
            return tuple(islice(self._last, max(0, count - forgotten), None))

    def last(self, count: int) -> tuple[str, ...]:
        """The last lines."""
        return self.since(self._count - count)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
