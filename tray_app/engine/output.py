"""Keeps what engines print: all of it in a rotated file, the last lines in memory.

Written by an engine's reader thread and the supervisor, read by anybody.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tray_app.system.files import private_folder
from tray_app.system.logs import Lines, PrivateLogFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE_NAME = "engine.log"
_MAX_BYTES = 5_000_000
_KEPT_FILES = 2
_KEPT_LINES = 100_000


class EngineOutput:
    """The output of all runs, in the order in which it came."""

    def __init__(self, folder: Path) -> None:
        private_folder(folder)
        self._file = PrivateLogFile(
            folder / FILE_NAME,
            maxBytes=_MAX_BYTES,
            backupCount=_KEPT_FILES,
            encoding="utf-8",
            errors="backslashreplace",
            delay=True,
        )
        self.lines = Lines(_KEPT_LINES)

    @property
    def count(self) -> int:
        """How many lines there have been."""
        return self.lines.count

    def add(self, line: str) -> None:
        """Take a line."""
        self.extend([line])

    def extend(self, lines: Sequence[str]) -> None:
        """Take lines that came at once."""
        self._file.handle(logging.makeLogRecord({"msg": "\n".join(lines)}))
        self.lines.extend(lines)

    def since(self, count: int) -> tuple[str, ...]:
        """The lines after the first `count`, as far as they are still in memory."""
        return tuple(line.text for line in self.lines.since(count))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
