"""Qt's model of the lines on the page Logs: the last ones, filtered, added in batches. GUI thread."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from tray_app.ui.presenters.logs import LogFilter, severity_title, source_title, time_text
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.ui.presenters.logs import LogRow

Index = QModelIndex | QPersistentModelIndex

CAPACITY = 100_000
SEVERITY_ROLE = Qt.ItemDataRole.UserRole
"""How much a line matters: a `Severity`."""
_TOP = QModelIndex()


class LogColumn(IntEnum):
    """The columns, from the left."""

    TIME = 0
    SOURCE = 1
    LEVEL = 2
    TEXT = 3


class LogTable(QAbstractTableModel):
    """The last `capacity` lines, of which those that pass the filter are shown."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        super().__init__()
        self._capacity = capacity
        self._filter = LogFilter()
        self._known: list[LogRow] = []
        self.shown: list[LogRow] = []

    @property
    def known_count(self) -> int:
        """How many lines are kept, shown or not."""
        return len(self._known)

    def append(self, rows: Sequence[LogRow]) -> int:
        """Add lines at the end; how many of the shown ones were removed at the start."""
        rows = rows[-self._capacity :]
        self._known.extend(rows)
        forgotten = self._known[: max(0, len(self._known) - self._capacity)]
        del self._known[: len(forgotten)]
        removed = min(len(self._filter.passes(forgotten)), len(self.shown))
        if removed:
            self.beginRemoveRows(_TOP, 0, removed - 1)
            del self.shown[:removed]
            self.endRemoveRows()
        if added := self._filter.passes(rows):
            self.beginInsertRows(_TOP, len(self.shown), len(self.shown) + len(added) - 1)
            self.shown.extend(added)
            self.endInsertRows()
        return removed

    def set_filter(self, log_filter: LogFilter) -> None:
        """Show the lines that pass another filter."""
        self.beginResetModel()
        self._filter = log_filter
        self.shown = log_filter.passes(self._known)
        self.endResetModel()

    def rowCount(self, parent: Index = _TOP) -> int:
        """The number of lines shown."""
        return 0 if parent.isValid() else len(self.shown)

    def columnCount(self, parent: Index = _TOP) -> int:
        """The number of columns."""
        return 0 if parent.isValid() else len(LogColumn)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """The headings."""
        if role != Qt.ItemDataRole.DisplayRole or orientation is not Qt.Orientation.Horizontal:
            return None
        return (tr("Time"), tr("From"), tr("Level"), tr("Message"))[section]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell says."""
        if role == SEVERITY_ROLE:
            return self.shown[index.row()].severity
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return None
        row = self.shown[index.row()]
        match index.column():
            case LogColumn.TIME:
                return time_text(row.at_s)
            case LogColumn.SOURCE:
                return source_title(row.source, tr)
            case LogColumn.LEVEL:
                return severity_title(row.severity, tr)
            case _:
                return row.text
