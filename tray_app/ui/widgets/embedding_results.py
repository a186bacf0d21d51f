"""What came back for the texts: numbers, plot, similarity; copied and saved from here. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from tray_app.app.embedding_files import SUFFIXES, results_json, save_file, save_results
from tray_app.ui.garbage import delete_plot
from tray_app.ui.presenters.embedding import embedded_texts, result_summary
from tray_app.ui.presenters.snippets import curl_snippet, fourd_snippet, model_id, python_snippet
from tray_app.ui.style import SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import announce, ask_for_file, text_label
from tray_app.ui.widgets.pictures import choose_picture_file, picture_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtGui import QHideEvent, QShowEvent

    from tray_app.ui.bridge import Bridge
    from tray_app.ui.operations import EmbeddingResult
    from tray_app.ui.presenters.embedding import EmbeddedText
    from tray_app.ui.widgets.heat_map import HeatMap
    from tray_app.ui.widgets.plots import VectorPlot


class EmbeddingResults(QWidget):
    """Hidden until there is a result."""

    failed = Signal(object)
    """An `AppError`: the results could not be saved."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._texts: tuple[str, ...] = ()
        self._embedded: EmbeddingResult | None = None
        self._base_url = ""
        self._rows: tuple[EmbeddedText, ...] = ()
        self.plot: VectorPlot | None = None
        self.heat_map: HeatMap | None = None
        self.summary = text_label(bold=True)
        self.copy_button = QPushButton(tr("&Copy"))
        self.copy_button.setMenu(self._make_copies())
        self.save_button = QPushButton(tr("Sa&ve…"))
        self.save_button.clicked.connect(self._choose_file)
        self.table = self._make_table()
        self.tabs = QTabWidget()
        self.hover = QLabel(textFormat=Qt.TextFormat.PlainText)
        self.tabs.currentChanged.connect(self.hover.clear)  # it spoke of the other plot
        self.picture_button = QPushButton(tr("Save &Picture…"))
        self.picture_button.clicked.connect(lambda: choose_picture_file(self, self.save_picture))
        self._lay_out()
        self.hide()

    def show_result(self, texts: tuple[str, ...], embedded: EmbeddingResult) -> None:
        """Show what came back for these texts."""
        self._texts, self._embedded = texts, embedded
        # That of now may be of another server; without one, examples keep the address of these results.
        self._base_url = self._bridge.status.server.base_url or self._base_url
        result = embedded.result
        self._rows = embedded_texts(texts, result, tr)
        self.summary.setText(result_summary(result, tr))
        self.table.setRowCount(len(self._rows))
        for number, row in enumerate(self._rows):
            for column, words in enumerate((str(number + 1), row.text, row.norm, row.first_values)):
                self.table.setItem(number, column, QTableWidgetItem(words))
        self.table.clearSelection()
        self.table.selectRow(0)
        self._show_similarity(embedded)
        self.show()
        announce(self, self.summary.text())

    def take_over(self, old: EmbeddingResults) -> None:
        """The same results, if there are any, with the same one chosen."""
        if old._embedded is not None:
            self._base_url = old._base_url
            self.show_result(old._texts, old._embedded)
            self.table.selectRow(old.table.currentRow())
            self.tabs.setCurrentIndex(old.tabs.currentIndex())

    def showEvent(self, event: QShowEvent) -> None:
        """Draw again what has been given back."""
        super().showEvent(event)
        if self._embedded is not None and self.plot is None:
            self._plot_selected()
            self._show_similarity(self._embedded)

    def hideEvent(self, event: QHideEvent) -> None:
        """Give the plots back when the window has been closed; the numbers stay."""
        super().hideEvent(event)
        if not self.window().isVisible():
            for plot in (self.plot, self.heat_map):
                if plot is not None:
                    self.tabs.removeTab(self.tabs.indexOf(plot))
                    delete_plot(plot)
            self.plot = self.heat_map = None

    def save(self, path: Path) -> None:
        """Save to a file; its ending says in which form."""
        texts, embedded, model = self._texts, self._embedded, model_id(self._bridge.status)
        if embedded is not None:
            self._bridge.run(
                lambda: save_results(path, texts, embedded.result, model), lambda _: None, self.failed.emit
            )

    def save_picture(self, path: Path) -> None:
        """Save the plot on top to a file; its ending says in which form."""
        plot = self.heat_map if self.tabs.currentWidget() is self.heat_map else self.plot
        if plot is not None:
            content = picture_of(plot, path.suffix.lower())
            self._bridge.run(lambda: save_file(path, content), lambda _: None, self.failed.emit)

    def _make_copies(self) -> QMenu:
        menu = QMenu(self)
        forms: tuple[tuple[str, Callable[[], str]], ...] = (
            (tr("Texts and vectors as &JSON"), self._json),
            (tr("Request for &curl"), lambda: self._snippet(curl_snippet)),
            (tr("Request for &Python"), lambda: self._snippet(python_snippet)),
            (tr("Request for &4D"), lambda: self._snippet(fourd_snippet)),
        )
        for title, make in forms:
            menu.addAction(title).triggered.connect(
                lambda _=False, make=make: QGuiApplication.clipboard().setText(make())
            )
        return menu

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
        table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + SMALL)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        table.itemSelectionChanged.connect(self._plot_selected)
        return table

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.summary, 1)
        top.addWidget(self.copy_button)
        top.addWidget(self.save_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self.table, 2)
        column.addWidget(self.tabs, 5)
        below = QHBoxLayout()
        below.addWidget(self.hover, 1)
        below.addWidget(self.picture_button)
        column.addLayout(below)

    def _plot_selected(self) -> None:
        rows = self.table.selectionModel().selectedRows()
        if rows:
            self._vector_plot().show_vector(self._rows[rows[0].row()].vector)

    def _vector_plot(self) -> VectorPlot:
        if self.plot is None:
            from tray_app.ui.widgets.plots import VectorPlot

            self.plot = VectorPlot()
            self.plot.hovered.connect(self.hover.setText)
            self.tabs.insertTab(0, self.plot, tr("Vect&or"))
        return self.plot

    def _show_similarity(self, embedded: EmbeddingResult) -> None:
        comparable = len(embedded.similarity) > 1
        if comparable and self.heat_map is None:
            from tray_app.ui.widgets.heat_map import HeatMap

            self.heat_map = HeatMap()
            self.heat_map.hovered.connect(self.hover.setText)
            self.tabs.addTab(self.heat_map, tr("Si&milarity"))
        if self.heat_map is not None:
            self.tabs.setTabVisible(self.tabs.indexOf(self.heat_map), comparable)
            if comparable:
                self.heat_map.show_similarities(embedded.similarity)

    def _json(self) -> str:
        model = model_id(self._bridge.status)
        return results_json(self._texts, self._embedded.result, model) if self._embedded else ""

    def _snippet(self, snippet: Callable[[str, str, tuple[str, ...]], str]) -> str:
        return snippet(self._base_url, model_id(self._bridge.status), self._texts)

    def _choose_file(self) -> None:
        question = tr("Save the results")
        titles = (tr("Texts and vectors"), tr("Table"), tr("NumPy, vectors only"))
        forms = [f"{title} (*{suffix})" for title, suffix in zip(titles, SUFFIXES, strict=True)]
        ask_for_file(self, question, forms, self.save)
