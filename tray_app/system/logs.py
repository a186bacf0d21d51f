"""The app's own log file, and the last lines of a log in memory. Every thread may log.

Secrets are never passed to a logger: no keys, no headers, no request bodies.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from itertools import islice
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from tray_app.errors import AppError
from tray_app.phrases import visible
from tray_app.system.files import open_private, private_folder, unwritable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import TextIOWrapper
    from pathlib import Path

_MAX_BYTES = 1_000_000
_KEPT_FILES = 3
_KEPT_LINES = 10_000
_KEPT_BYTES = 20_000_000
"""The most memory for one log: 100,000 lines of 100 characters. A program may print lines of any length."""
_LINE_BYTES = 100  # Python's overhead for a string
_SHOWN_CHARACTERS = 2_000
"""The longest line in memory; the file has all of it."""
_FORMAT = "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"


class LogLine(msgspec.Struct, frozen=True, gc=False):
    """A line of a log. Not tracked by the garbage collector, which would take 100 ms for 100,000 of them."""

    at_s: float
    """When it came, as `time.time`."""
    level: int
    """As in `logging`; `NOTSET` if the line has no level."""
    text: str


class Batch(NamedTuple):
    """Lines that follow each other."""

    end: int
    """The number of lines so far, including these."""
    lines: tuple[LogLine, ...]


class Lines:
    """The last lines of a log: at most `kept`, and fewer if they are long. Any thread may add and read."""

    def __init__(self, kept: int, kept_bytes: int = _KEPT_BYTES) -> None:
        self._lock = threading.Lock()
        self._last: deque[LogLine] = deque()
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._bytes = 0
        self._count = 0

    @property
    def count(self) -> int:
        """The number of lines added so far."""
        return self._count

    def add(self, text: str, level: int = logging.NOTSET) -> None:
        """Add a line."""
        self.extend([text], level)

    def extend(self, texts: Sequence[str], level: int = logging.NOTSET) -> None:
        """Add several lines."""
        now_s = time.time()
        lines = [LogLine(now_s, level, _shortened(text)) for text in texts]
        with self._lock:
            self._last.extend(lines)
            self._bytes += sum(map(_size, lines))
            self._count += len(lines)
            while len(self._last) > self._kept or self._bytes > self._kept_bytes:
                self._bytes -= _size(self._last.popleft())

    def since(self, count: int) -> tuple[LogLine, ...]:
        """The lines after the first `count`, as far as they are still in memory."""
        return self.after(count, len(self._last)).lines

    def after(self, count: int, most: int) -> Batch:
        """The first `most` of the lines after the first `count`, as far as they are still in memory."""
        with self._lock:
            there = max(0, min(self._count - count, len(self._last)))
            newer = max(0, there - most)
            # From the end, where a deque is fast: usually only the last few lines are wanted.
            newest_first = list(islice(reversed(self._last), newer, there))
            return Batch(self._count - newer, tuple(reversed(newest_first)))


def _size(line: LogLine) -> int:
    """The memory of a line in bytes, at most."""
    return _LINE_BYTES + len(line.text) * (1 if line.text.isascii() else 4)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]} …"


class PrivateLogFile(RotatingFileHandler):
    """A rotated log that other users cannot read."""

    def _open(self) -> TextIOWrapper:
        file = open(  # noqa: SIM115  the handler closes it
            self.baseFilename, self.mode, encoding=self.encoding, errors=self.errors, opener=open_private
        )
        return cast("TextIOWrapper", file)  # what a mode for text gives


class _Formatter(logging.Formatter):
    """Writes one line for each record, whatever text it contains; lines of a traceback are indented.

    So untrusted text cannot fake a line of the log.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """As in `logging`."""
        return visible(super().formatMessage(record), kept="\t")

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """As in `logging`."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        """As in `logging`."""
        return _indented(super().formatStack(stack_info))


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in visible(text).split("\n"))


class AppLog:
    """Keeps what the app logs: the last lines in memory, all of it in `folder/app.log`, rotated.

    Without a folder, in memory alone: two programs cannot rotate one file. `AppError` if the folder cannot be
    written.
    """

    def __init__(self, folder: Path | None) -> None:
        self._handler = _log_file(folder) if folder else logging.NullHandler()
        self.lines = Lines(_KEPT_LINES)
        self._memory = _Memory(self.lines)
        self._logger = logging.getLogger("tray_app")
        self._logger.addHandler(self._handler)
        self._logger.addHandler(self._memory)
        self._logger.setLevel(logging.INFO)

    def close(self) -> None:
        """Stop writing."""
        self._logger.removeHandler(self._memory)
        self._logger.removeHandler(self._handler)
        self._handler.close()


def _log_file(folder: Path) -> logging.Handler:
    try:
        private_folder(folder)
        handler = PrivateLogFile(
            folder / "app.log",
            maxBytes=_MAX_BYTES,
            backupCount=_KEPT_FILES,
            encoding="utf-8",
            errors="backslashreplace",
        )
    except OSError as exc:
        raise unwritable(exc, AppError) from exc
    handler.setFormatter(_Formatter(_FORMAT))
    return handler


class _Memory(logging.Handler):
    """Keeps log records in memory, each line of a traceback as a line of its own."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines
        self.setFormatter(_Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        for text in self.format(record).split("\n"):
            self._lines.add(text, record.levelno)
