"""The table of models as Qt's item views want it, and the bar in a row. GUI thread."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSize, Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionProgressBar,
    QTableView,
)

from tray_app.ui.style import SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import plain_tooltip

if TYPE_CHECKING:
    from PySide6.QtGui import QPainter
    from PySide6.QtWidgets import (
        QStyleOptionViewItem,
    )

    from tray_app.ui.presenters.models import ModelRow

Index = QModelIndex | QPersistentModelIndex

PERMILLE_ROLE = Qt.ItemDataRole.UserRole
_AIR = 14
_GAP = "\N{EN SPACE}"
"""Between a number, which ends at the right of its cell, and the text of the next one."""
_MEASURED_ROWS = 200
"""So many rows say how wide a column must be: to ask all of thousands would hold up the window."""
_TOP = QModelIndex()


class Column(IntEnum):
    """The columns, from the left: what matters most is in view also in a small window with large letters."""

    NAME = 0
    STATE = 1
    SIZE = 2
    FIT = 3
    QUANTIZATION = 4
    CONTEXT = 5
    KIND = 6


_WIDTHS_CHARACTERS = {Column.NAME: 37, Column.STATE: 34}
_NUMBERS = (Column.CONTEXT, Column.SIZE)


class ModelTable(QAbstractTableModel):
    """Rows as the presenter made them."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[ModelRow, ...] = ()

    def show_rows(self, rows: tuple[ModelRow, ...]) -> bool:
        """Show these rows. True if they are of other models than before: then nothing is selected."""
        if [row.id for row in rows] == [row.id for row in self.rows]:
            changed = [
                number
                for number, (old, new) in enumerate(zip(self.rows, rows, strict=True))
                if old is not new and old != new
            ]
            self.rows = rows
            for number in changed:
                self.dataChanged.emit(self.index(number, min(Column)), self.index(number, max(Column)))
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
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        if role == Qt.ItemDataRole.DisplayRole:
            return _headings()[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell says; in the state's cell also how far a download is."""
        row = self.rows[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return _cells(row)[index.column()]
            case Qt.ItemDataRole.AccessibleTextRole:  # what the shape says, the word says too
                return row.fit if index.column() == Column.FIT else _cells(row)[index.column()].strip()
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tooltip("\n".join((row.name, row.state, *row.details)))
            case Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(index.column())
            case Qt.ItemDataRole.FontRole if row.chosen:
                font = QApplication.font()
                font.setBold(True)
                return font
        return row.permille if role == PERMILLE_ROLE else None


def _headings() -> tuple[str, ...]:
    return (
        tr("Model"),
        tr("State"),
        tr("Size") + _GAP,
        tr("This machine"),
        tr("Quantization"),
        tr("Context") + _GAP,
        tr("Kind"),
    )


def _cells(row: ModelRow) -> tuple[str, ...]:
    fit = f"{row.fit_shape} {row.fit}".strip()
    size, context = row.size + _GAP, row.context + _GAP
    return (row.name, row.state, size, fit, row.quantization, context, row.kind)


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMBERS else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def make_table(model: ModelTable) -> QTableView:
    """A table in which one model at a time is selected."""
    table = QTableView()
    table.setModel(model)
    table.setAccessibleName(tr("Models"))
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setItemDelegate(ProgressDelegate(table))
    table.setShowGrid(False)
    table.setAlternatingRowColors(True)
    table.setTabKeyNavigation(False)
    table.setWordWrap(False)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + SMALL)
    header = table.horizontalHeader()
    header.setHighlightSections(False)
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(Column.KIND, QHeaderView.ResizeMode.Stretch)
    header.setResizeContentsPrecision(_MEASURED_ROWS)
    for column, characters in _WIDTHS_CHARACTERS.items():
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
        header.resizeSection(column, table.fontMetrics().averageCharWidth() * characters)
    return table


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
        room = bar.rect.width() - _AIR
        bar.text = option.fontMetrics.elidedText(index.data(), Qt.TextElideMode.ElideRight, room)
        bar.textVisible = True
        bar.textAlignment = Qt.AlignmentFlag.AlignCenter
        style.drawControl(QStyle.ControlElement.CE_ProgressBar, bar, painter, option.widget)
