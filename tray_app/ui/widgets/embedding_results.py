"""The results for some texts: how alike they are, and their vectors, to copy and save. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from tray_app.app.embedding_files import SUFFIXES, results_json, save_file, save_results
from tray_app.ui.garbage import delete_plot
from tray_app.ui.presenters.embedding import embedded_texts, result_summary
from tray_app.ui.presenters.snippets import curl_snippet, fourd_snippet, key_for, model_id, python_snippet
from tray_app.ui.style import LARGE, SMALL
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import announce
from tray_app.ui.widgets.file_dialogs import ask_where_to_save
from tray_app.ui.widgets.labels import text_label
from tray_app.ui.widgets.pictures import choose_picture_file, picture_of
from tray_app.ui.widgets.vector_view import VectorView

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtGui import QHideEvent, QShowEvent

    from tray_app.ui.bridge import Bridge
    from tray_app.ui.embedding_operations import EmbeddingResult
    from tray_app.ui.widgets.comparison import Comparison

_LEAST_HEIGHT = 12 * LARGE


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
        self.comparison: Comparison | None = None
        self.vectors = VectorView()
        self.summary = text_label(bold=True)
        self.copy_button = QPushButton(tr("&Copy"))
        set_symbol(self.copy_button, "copy")
        self.copy_button.setMenu(self._make_copies())
        self.save_button = QPushButton(tr("Sa&ve…"))
        set_symbol(self.save_button, "download")
        self.save_button.clicked.connect(self._choose_file)
        self.hover = QLabel(textFormat=Qt.TextFormat.PlainText)
        self.vectors.hovered.connect(self.hover.setText)
        self.tabs = QTabWidget()
        # Plots ask for much room. They get what the window has, and at least enough to be read.
        self.tabs.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self.tabs.setMinimumHeight(_LEAST_HEIGHT)
        self.tabs.addTab(self.vectors, tr("Vect&or"))
        self.tabs.currentChanged.connect(self.hover.clear)  # it spoke of the other plot
        self.picture_button = QPushButton(tr("Save &Picture…"))
        set_symbol(self.picture_button, "image")
        self.picture_button.clicked.connect(lambda: choose_picture_file(self, self.save_picture))
        self._lay_out()
        self.hide()

    def show_result(self, texts: tuple[str, ...], embedded: EmbeddingResult) -> None:
        """Show the results for these texts."""
        self._texts, self._embedded = texts, embedded
        # Examples keep the address at which these results came, as long as the server has no other one.
        self._base_url = self._bridge.status.server.base_url or self._base_url
        self.summary.setText(result_summary(embedded.result, tr))
        self.vectors.show_rows(embedded_texts(texts, embedded.result, tr))
        self._compare(embedded)
        self.show()
        announce(self, self.summary.text())

    def take_over(self, old: EmbeddingResults) -> None:
        """Show the same results, if there are any, with the same row selected."""
        if old._embedded is not None:
            self._base_url = old._base_url
            self.show_result(old._texts, old._embedded)
            self.vectors.table.selectRow(old.vectors.table.currentRow())
            self.tabs.setCurrentIndex(old.tabs.currentIndex())

    def showEvent(self, event: QShowEvent) -> None:
        """Draw the plots again, if they were deleted."""
        super().showEvent(event)
        if self._embedded is not None and self.vectors.plot is None:
            self.vectors.draw()
            self._compare(self._embedded)

    def hideEvent(self, event: QHideEvent) -> None:
        """Delete the plots when the window is closed, to free memory; the numbers stay."""
        super().hideEvent(event)
        if not self.window().isVisible():
            self.vectors.give_back()
            if self.comparison is not None:
                self.tabs.removeTab(self.tabs.indexOf(self.comparison))
                delete_plot(self.comparison)
                self.comparison = None

    def save(self, path: Path) -> None:
        """Save the results to a file, in the format of its ending."""
        texts, embedded, model = self._texts, self._embedded, model_id(self._bridge.status)
        if embedded is not None:
            self._bridge.run(
                lambda: save_results(path, texts, embedded.result, model), lambda _: None, self.failed.emit
            )

    def save_picture(self, path: Path) -> None:
        """Save the visible plot to a file, in the format of its ending."""
        compared = self.comparison is not None and self.tabs.currentWidget() is self.comparison
        plot = self.comparison.heat_map if self.comparison and compared else self.vectors.plot
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

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(SMALL)
        top.addWidget(self.summary, 1)
        top.addWidget(self.copy_button)
        top.addWidget(self.save_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SMALL)
        column.addLayout(top)
        column.addWidget(self.tabs, 1)
        below = QHBoxLayout()
        below.addWidget(self.hover, 1)
        below.addWidget(self.picture_button)
        column.addLayout(below)

    def _compare(self, embedded: EmbeddingResult) -> None:
        comparable = len(embedded.similarity) > 1
        if comparable and self.comparison is None:
            from tray_app.ui.widgets.comparison import Comparison

            self.comparison = Comparison()
            self.comparison.hovered.connect(self.hover.setText)
            self.tabs.insertTab(0, self.comparison, tr("Si&milarity"))
            self.tabs.setCurrentIndex(0)
        if self.comparison is not None:
            self.tabs.setTabVisible(self.tabs.indexOf(self.comparison), comparable)
            if comparable:
                self.comparison.show_result(self._texts, embedded)

    def _json(self) -> str:
        model = model_id(self._bridge.status)
        return results_json(self._texts, self._embedded.result, model) if self._embedded else ""

    def _snippet(self, snippet: Callable[[str, str, tuple[str, ...], str], str]) -> str:
        status = self._bridge.status
        return snippet(self._base_url, model_id(status), self._texts, key_for(status))

    def _choose_file(self) -> None:
        question = tr("Save the results")
        titles = (tr("Texts and vectors"), tr("Table"), tr("NumPy, vectors only"))
        forms = [f"{title} (*{suffix})" for title, suffix in zip(titles, SUFFIXES, strict=True)]
        ask_where_to_save(self, question, forms, self.save)
