"""The table of models as Qt's item views want it, and the bar in a row. GUI thread."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSize, Qt
from PySide6.QtWidgets import (
    QApplication,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionProgressBar,
)

from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from PySide6.QtGui import QPainter
    from PySide6.QtWidgets import (
        QStyleOptionViewItem,
    )

    from tray_app.ui.presenters.models import ModelRow

Index = QModelIndex | QPersistentModelIndex

PERMILLE_ROLE = Qt.ItemDataRole.UserRole
_AIR = 18
_TOP = QModelIndex()


class Column(IntEnum):
    """The columns, from the left."""

    NAME = 0
    KIND = 1
    SIZE = 2
    STATE = 3


class ModelTable(QAbstractTableModel):
    """Rows as the presenter made them."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[ModelRow, ...] = ()

    def show_rows(self, rows: tuple[ModelRow, ...]) -> bool:
        """Show these rows. True if they are of other files than before: then nothing is selected."""
        if [row.file_name for row in rows] == [row.file_name for row in self.rows]:
            changed = [
                number for number, (old, new) in enumerate(zip(self.rows, rows, strict=True)) if old != new
            ]
            self.rows = rows
            for number in changed:
                self.dataChanged.emit(self.index(number, Column.NAME), self.index(number, Column.STATE))
            return False
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()
        return True

    def rowCount(self, parent: Index = _TOP) -> int:
        """The number of models."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _TOP) -> int:
        """The number of columns."""
        return 0 if parent.isValid() else len(Column)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """The headings."""
        if role != Qt.ItemDataRole.DisplayRole or orientation is not Qt.Orientation.Horizontal:
            return None
        return (tr("Model"), tr("Kind"), tr("Size"), tr("State"))[section]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell says; in the state's cell also how far a download is."""
        row = self.rows[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return (row.name, row.kind, row.size, row.state)[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.note
        if role == Qt.ItemDataRole.FontRole and row.chosen:
            font = QApplication.font()
            font.setBold(True)
            return font
        return row.permille if role == PERMILLE_ROLE else None


class ProgressDelegate(QStyledItemDelegate):
    """Draws a bar with its text where a row has a download, else what every cell looks like."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Columns with air between them."""
        return super().sizeHint(option, index) + QSize(_AIR, 0)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw one cell."""
        permille = index.data(PERMILLE_ROLE) if index.column() == Column.STATE else None
        if permille is None:
            super().paint(painter, option, index)
            return
        style = option.widget.style()
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, option.widget)
        bar = QStyleOptionProgressBar()
        bar.initFrom(option.widget)
        bar.rect = option.rect.adjusted(3, 3, -3, -3)
        bar.state |= QStyle.StateFlag.State_Horizontal
        bar.minimum, bar.maximum, bar.progress = 0, 1000, permille
        bar.text, bar.textVisible = index.data(), True
        bar.textAlignment = Qt.AlignmentFlag.AlignCenter
        style.drawControl(QStyle.ControlElement.CE_ProgressBar, bar, painter, option.widget)
