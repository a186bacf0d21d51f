"""The lines of both logs on the page Logs, and its filter. Pure."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.phrases import Translate
    from tray_app.system.logs import LogLine


class LogSource(StrEnum):
    """Whose log a line is from."""

    APP = "app"
    ENGINE = "engine"


class Severity(IntEnum):
    """How much a line matters."""

    NORMAL = 0
    WARNING = 1
    ERROR = 2


class LogRow(msgspec.Struct, frozen=True, gc=False):
    """One line in the table. There may be many: see `LogLine`."""

    at_s: float
    source: LogSource
    severity: Severity
    text: str


# Engines print no levels, so these words decide.
_ERROR = re.compile(r"\b(?:error|fatal|failed|exception|abort\w*|traceback)\b")
_WARNING = re.compile(r"\bwarn(?:ing)?\b")
_PARTS = ("error", "fa", "exception", "abort", "traceback", "warn")
"""One of them is in every such word. Most lines have none, which is ten times as fast to find out."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines are shown."""

    text: str = ""
    least: Severity = Severity.NORMAL
    source: LogSource | None = None
    """Only lines of this log; None: of both logs."""

    def passes(self, rows: Iterable[LogRow]) -> list[LogRow]:
        """The rows that pass, in their order."""
        wanted, least, source = self.text.casefold(), self.least, self.source
        return [
            row
            for row in rows
            if row.severity >= least
            and (source is None or row.source is source)
            and (not wanted or wanted in row.text.casefold())
        ]


def log_rows(app: Iterable[LogLine], engine: Iterable[LogLine]) -> list[LogRow]:
    """The lines of both logs, in the order of their times."""
    rows = [LogRow(line.at_s, LogSource.APP, severity_of(line), line.text) for line in app]
    rows += [LogRow(line.at_s, LogSource.ENGINE, severity_of(line), line.text) for line in engine]
    rows.sort(key=attrgetter("at_s"))  # two sorted runs, which are merged in linear time
    return rows


def severity_of(line: LogLine) -> Severity:
    """The level of a line, or what its words suggest if it has none."""
    if line.level == logging.NOTSET:
        return _severity_by_words(line.text.lower())
    if line.level >= logging.ERROR:
        return Severity.ERROR
    return Severity.WARNING if line.level >= logging.WARNING else Severity.NORMAL


def _severity_by_words(text: str) -> Severity:
    if not any(part in text for part in _PARTS):
        return Severity.NORMAL
    if _ERROR.search(text):
        return Severity.ERROR
    return Severity.WARNING if _WARNING.search(text) else Severity.NORMAL


def time_text(at_s: float) -> str:
    """`14:05:09.123`, in local time."""
    return f"{time.strftime('%H:%M:%S', time.localtime(at_s))}.{int(at_s * 1000) % 1000:03}"


def source_title(source: LogSource, tr: Translate) -> str:
    """Whose line it is."""
    return {LogSource.APP: tr("App"), LogSource.ENGINE: tr("Engine")}[source]


def severity_title(severity: Severity, tr: Translate) -> str:
    """How much a line matters, in a word; empty for most lines."""
    return {Severity.NORMAL: "", Severity.WARNING: tr("Warning"), Severity.ERROR: tr("Error")}[severity]


def copied_rows(rows: Iterable[LogRow]) -> str:
    """Lines to paste elsewhere, in English."""
    return "\n".join(f"{time_text(row.at_s)} {row.source} {row.text}" for row in rows)


def count_text(shown: int, known: int, tr: Translate) -> str:
    """How many lines there are, and how many of them pass the filter."""
    if shown == known:
        return tr.count("{count} line", "{count} lines", known)
    return tr("{shown} of {known} lines").format(shown=tr.number(shown), known=tr.number(known))
