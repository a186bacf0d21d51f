"""The vectors of texts in a table, and the values of the selected one. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from tray_app.ui.garbage import delete_plot
from tray_app.ui.style import SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.cards import Card

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.ui.presenters.embedding import EmbeddedText
    from tray_app.ui.widgets.plots import VectorPlot

_MOST_ROWS = 4
"""Rows in view; the others are scrolled to."""


class VectorView(QWidget):
    """A table of the texts, and a plot of one vector."""

    hovered = Signal(str)
    """The value below the pointer, in words; empty if there is none."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[EmbeddedText] = ()
        self.plot: VectorPlot | None = None
        self.table = self._make_table()
        frame = Card()
        self._inner = QVBoxLayout(frame)
        self._inner.setContentsMargins(SMALL, SMALL, SMALL, SMALL)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, SMALL, 0, 0)
        column.setSpacing(SMALL)
        column.addWidget(self.table)
        column.addWidget(frame, 1)

    def show_rows(self, rows: Sequence[EmbeddedText]) -> None:
        """Show these texts, and the values of the first one."""
        self._rows = rows
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column, words in enumerate((str(number + 1), row.text, row.norm, row.first_values)):
                self.table.setItem(number, column, QTableWidgetItem(words))
        height = self.table.verticalHeader().defaultSectionSize()
        header = self.table.horizontalHeader().sizeHint().height()
        self.table.setFixedHeight(header + min(len(rows), _MOST_ROWS) * height + SMALL)
        self.table.clearSelection()
        self.table.selectRow(0)

    def draw(self) -> None:
        """Plot the values of the selected row."""
        rows = self.table.selectionModel().selectedRows()
        if not rows:
            return
        if self.plot is None:
            from tray_app.ui.widgets.plots import VectorPlot

            self.plot = VectorPlot()
            self.plot.hovered.connect(self.hovered)
            self._inner.addWidget(self.plot)
        self.plot.show_vector(self._rows[rows[0].row()].vector)

    def give_back(self) -> None:
        """Delete the plot, to free memory; `draw` makes another one."""
        if self.plot is not None:
            self._inner.removeWidget(self.plot)
            delete_plot(self.plot)
            self.plot = None

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(0, 4)
        table.setHorizontalHeaderLabels([tr("No."), tr("Text"), tr("Norm"), tr("First values")])
        table.setAccessibleName(tr("Embedded texts"))
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setTabKeyNavigation(False)
        table.setShowGrid(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + 2 * SMALL)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        table.itemSelectionChanged.connect(self.draw)
        return table
