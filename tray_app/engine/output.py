"""Keeps what an engine prints: the last lines in memory, and for the app, all of it in a rotated file.

Written by the engine's reader thread and its supervisor, read by anybody.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tray_app.system.engine_id import MAIN_ENGINE
from tray_app.system.files import private_folder
from tray_app.system.logs import Lines, PrivateLogFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tray_app.system.engine_id import EngineId

_MAX_BYTES = 5_000_000
_KEPT_FILES = 2
_KEPT_LINES = 100_000


def file_name(engine: EngineId) -> str:
    """The name of an engine's log file."""
    return "engine.log" if engine == MAIN_ENGINE else f"engine-{engine}.log"


class EngineOutput:
    """The output of all runs of an engine, in order; without a folder, in memory alone."""

    def __init__(self, folder: Path | None, engine: EngineId = MAIN_ENGINE) -> None:
        self._file = _output_file(folder / file_name(engine)) if folder else logging.NullHandler()
        self.lines = Lines(_KEPT_LINES)

    @property
    def count(self) -> int:
        """How many lines have been added so far."""
        return self.lines.count

    def add(self, line: str) -> None:
        """Add a line."""
        self.extend([line])

    def extend(self, lines: Sequence[str]) -> None:
        """Add several lines."""
        self._file.handle(logging.makeLogRecord({"msg": "\n".join(lines)}))
        self.lines.extend(lines)

    def since(self, count: int) -> tuple[str, ...]:
        """The lines after the first `count`, as far as they are still in memory."""
        return tuple(line.text for line in self.lines.since(count))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _output_file(path: Path) -> logging.Handler:
    private_folder(path.parent)
    return PrivateLogFile(
        path,
        maxBytes=_MAX_BYTES,
        backupCount=_KEPT_FILES,
        encoding="utf-8",
        errors="backslashreplace",
        delay=True,
    )
