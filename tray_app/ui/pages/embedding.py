"""The page Test embedding: sends texts as any client would, shows the numbers and a plot. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from tray_app.ui.operations import embed
from tray_app.ui.presenters.embedding import embedded_texts, summary, texts_of, waiting_for
from tray_app.ui.presenters.menu import start_refusal
from tray_app.ui.texts import tr
from tray_app.ui.widgets import MARGIN, SPACING, MessageCard, text_label

if TYPE_CHECKING:
    from tray_app.errors import AppError
    from tray_app.gateway.client import Embeddings
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.plots import VectorPlot
    from tray_app.ui.presenters.embedding import EmbeddedText

_LINES = 5
_EXAMPLE = "The quick brown fox jumps over the lazy dog."


class EmbeddingPage(QWidget):
    """Texts in, vectors out."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._rows: tuple[EmbeddedText, ...] = ()
        self._busy = False
        self.plot: VectorPlot | None = None
        self.texts = QPlainTextEdit(_EXAMPLE)
        self.texts.setTabChangesFocus(True)
        self.texts.setMinimumHeight(_LINES * self.texts.fontMetrics().lineSpacing())
        self.texts.setAccessibleName(tr("Texts, one on each line"))
        self.embed_button = QPushButton(tr("&Embed"))
        self.embed_button.setToolTip(tr("Ctrl+Enter"))
        self.waiting = text_label()
        self.start_button = QPushButton(tr("&Start Server"))
        self.card = MessageCard()
        self.summary = text_label(bold=True)
        self.table = self._make_table()
        self.hover = QLabel()
        self.results = self._make_results()
        self._lay_out()
        self.embed_button.clicked.connect(self.embed)
        self.start_button.clicked.connect(self._start_server)
        self.texts.textChanged.connect(self._permit)
        for keys in ("Ctrl+Return", "Ctrl+Enter"):
            QShortcut(
                QKeySequence(keys), self, self.embed, context=Qt.ShortcutContext.WidgetWithChildrenShortcut
            )
        bridge.status_changed.connect(self._permit)
        self._permit()

    def embed(self) -> None:
        """Embed the texts, if that can be done now."""
        if not self.embed_button.isEnabled():
            return
        texts = texts_of(self.texts.toPlainText())
        self._busy = True
        self._permit()
        self.card.clear()
        self._bridge.run(
            lambda: embed(self._bridge.app, texts), lambda result: self._show(texts, result), self._failed
        )

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(0, 3)
        table.setHorizontalHeaderLabels([tr("Text"), tr("Norm"), tr("First values")])
        table.setAccessibleName(tr("Embedded texts"))
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setTabKeyNavigation(False)
        table.setShowGrid(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + SPACING)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        table.itemSelectionChanged.connect(self._plot_selected)
        return table

    def _make_results(self) -> QWidget:
        results = QWidget()
        self._plot_place = QVBoxLayout()
        column = QVBoxLayout(results)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.summary)
        column.addWidget(self.table, 1)
        column.addLayout(self._plot_place, 2)
        column.addWidget(self.hover)
        results.hide()
        return results

    def _lay_out(self) -> None:
        label = QLabel(tr("&Texts, one on each line:"))
        label.setBuddy(self.texts)
        actions = QHBoxLayout()
        actions.addWidget(self.embed_button)
        actions.addWidget(self.start_button)
        actions.addWidget(self.waiting, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.setSpacing(SPACING)
        column.addWidget(label)
        column.addWidget(self.texts, 1)
        column.addLayout(actions)
        column.addWidget(self.card)
        column.addWidget(self.results, 5)

    def _permit(self) -> None:
        """What can be done now, and why not more."""
        status = self._bridge.status
        reason = waiting_for(status, texts_of(self.texts.toPlainText()), tr)
        self.embed_button.setEnabled(not reason and not self._busy)
        self.start_button.setVisible(not start_refusal(status, tr))
        self.waiting.setText(tr("Embedding …") if self._busy else reason)

    def _start_server(self) -> None:
        self.card.clear()
        self._bridge.run(self._bridge.app.start_server, lambda _: None, self.card.show_error)

    def _show(self, texts: tuple[str, ...], result: Embeddings) -> None:
        self._busy = False
        self._permit()
        self._rows = embedded_texts(texts, result)
        self.summary.setText(summary(result, tr))
        self.table.setRowCount(len(self._rows))
        for number, row in enumerate(self._rows):
            for column, words in enumerate((row.text, row.norm, row.first_values)):
                self.table.setItem(number, column, QTableWidgetItem(words))
        self.table.clearSelection()
        self.table.selectRow(0)
        self.results.show()

    def _failed(self, error: AppError) -> None:
        self._busy = False
        self._permit()
        self.card.show_error(error)

    def _plot_selected(self) -> None:
        rows = self.table.selectionModel().selectedRows()
        if rows:
            self._vector_plot().show_vector(self._rows[rows[0].row()].vector)

    def _vector_plot(self) -> VectorPlot:
        if self.plot is None:
            from tray_app.ui.plots import VectorPlot

            self.plot = VectorPlot()
            self.plot.hovered.connect(self.hover.setText)
            self._plot_place.addWidget(self.plot)
        return self.plot
