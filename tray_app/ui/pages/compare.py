"""The tab Compare: embeds texts as any client would, and shows how alike they are. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from tray_app.app.embedding_files import read_texts
from tray_app.ui.cancellable_job import CancellableJob
from tray_app.ui.embedding_operations import embed_texts
from tray_app.ui.presenters.embedding import server_reason, texts_of
from tray_app.ui.presenters.snippets import EXAMPLE
from tray_app.ui.style import LARGE, SMALL, Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import accept_copy, add_shortcut, dropped_paths, scrolled
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.embedding_results import EmbeddingResults
from tray_app.ui.widgets.empty_state import EmptyState
from tray_app.ui.widgets.labels import label_for, text_label
from tray_app.ui.widgets.server_line import ServerLine

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtCore import QMimeData
    from PySide6.QtGui import QDropEvent

    from tray_app.ui.bridge import Bridge
    from tray_app.ui.embedding_operations import EmbeddingResult

_LINES = 5


class TextsEdit(QPlainTextEdit):
    """Takes texts, and a file of texts that is dropped on it."""

    file_dropped = Signal(object)
    """The `Path` of the file."""

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Also a file."""
        return bool(_dropped_file(source)) or super().canInsertFromMimeData(source)

    def dropEvent(self, event: QDropEvent) -> None:
        """Take a file as a copy, whatever keys are held: it must stay where it is."""
        super().dropEvent(event)
        if _dropped_file(event.mimeData()):
            accept_copy(event)

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Insert texts; a file is read by the page, in place of inserting its name."""
        if path := _dropped_file(source):
            self.file_dropped.emit(path)
        else:
            super().insertFromMimeData(source)


def _height_of_lines(edit: QPlainTextEdit) -> int:
    """The height of a few lines in pixels. Qt scrolls as soon as the last one touches the margin."""
    edit.ensurePolished()  # the style sheet changes font and frame
    margins = 2 * (edit.document().documentMargin() + edit.frameWidth())
    return _LINES * edit.fontMetrics().lineSpacing() + round(margins) + 1


def _dropped_file(source: QMimeData) -> Path | None:
    paths = dropped_paths(source)
    return paths[0] if len(paths) == len(source.urls()) == 1 else None


class ComparePanel(QWidget):
    """Texts in, vectors out."""

    navigate = Signal(object)
    """A `Page` to open."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.texts = TextsEdit(EXAMPLE[0])
        self.texts.setTabChangesFocus(True)
        self.texts.setMinimumHeight(_height_of_lines(self.texts))
        self.texts.setAccessibleName(tr("Texts, one on each line"))
        self.embed_button = QPushButton(tr("&Embed"))
        self.embed_button.setToolTip(tr("Ctrl+Enter"))
        set_variant(self.embed_button, Variant.PRIMARY)
        self.cancel_button = QPushButton(tr("Ca&ncel"))
        self.cancel_button.setToolTip(tr("Esc"))
        set_variant(self.cancel_button, Variant.QUIET)
        self.waiting = text_label()
        self.server = ServerLine(bridge)
        self.server.navigate.connect(self.navigate)
        self.card = MessageCard()
        self._job = CancellableJob(bridge, self._permit, self.card.show_error)
        self.results = EmbeddingResults(bridge)
        self._hint = EmptyState(
            "chart-scatter",
            tr("How alike are your texts?"),
            tr("Embed two or more to see how near they are to each other in meaning."),
        )
        self._lay_out()
        self.embed_button.clicked.connect(self.embed)
        self.server.failed.connect(self.card.show_error)
        self.cancel_button.clicked.connect(self.cancel)
        self.texts.textChanged.connect(self._permit)
        self.texts.file_dropped.connect(self._read_file)
        self.results.failed.connect(self.card.show_error)
        for keys, act in (("Ctrl+Return", self.embed), ("Ctrl+Enter", self.embed), ("Esc", self.cancel)):
            add_shortcut(self, keys, act)
        bridge.status_changed.connect(self._permit)
        self._permit()

    def embed(self) -> None:
        """Embed the texts, if that can be done now."""
        if not self.embed_button.isEnabled():
            return
        texts = texts_of(self.texts.toPlainText())
        app = self._bridge.app
        self.card.clear()
        self._job.start(
            lambda cancelled: (texts, embed_texts(app, texts, cancelled)), lambda done: self._show(*done)
        )

    def cancel(self) -> None:
        """Drop the result; texts that have not been sent yet are not sent."""
        self._job.abandon()

    def take_over(self, old: ComparePanel) -> None:
        """Show the same texts and results, and the result that is awaited when it comes."""
        self.texts.setPlainText(old.texts.toPlainText())
        self.results.take_over(old.results)
        self._hint.setVisible(self.results.isHidden())
        self._job.take_over(old._job, lambda done: self._show(*done))

    def _show(self, texts: tuple[str, ...], embedded: EmbeddingResult) -> None:
        self._hint.hide()
        self.results.show_result(texts, embedded)

    def _read_file(self, path: Path) -> None:
        self.card.clear()
        self._bridge.run(lambda: read_texts(path), self.texts.setPlainText, self.card.show_error)

    def _lay_out(self) -> None:
        label = label_for(tr("&Texts, one on each line; or drop a file here:"), self.texts)
        actions = QHBoxLayout()
        actions.setSpacing(SMALL)
        actions.addWidget(self.embed_button)
        actions.addWidget(self.cancel_button)
        actions.addWidget(self.waiting)
        actions.addStretch()
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(LARGE, LARGE, LARGE, LARGE)
        column.setSpacing(SMALL)
        column.addWidget(label)
        column.addWidget(self.texts, 1)
        column.addLayout(actions)
        column.addWidget(self.server)
        column.addWidget(self.card)
        column.addWidget(self.results, 5)
        column.addWidget(self._hint, 5)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scrolled(content))  # the plots would not fit on a small screen

    def _permit(self) -> None:
        """Show what can be done now, or why nothing can."""
        texts, busy = texts_of(self.texts.toPlainText()), self._job.busy
        reason = "" if busy else server_reason(self._bridge.status, tr)
        self.server.show_reason(reason)
        self.embed_button.setVisible(not busy and not reason)
        self.embed_button.setEnabled(bool(texts) and not busy and not reason)
        self.cancel_button.setVisible(busy)
        self.waiting.setText(
            tr("Embedding …") if busy else "" if texts or reason else tr("Type a text first.")
        )
        self.waiting.setVisible(bool(self.waiting.text()))
