"""The tab Completion: lets the model continue a text, and shows it as it comes. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QPushButton, QSpinBox, QVBoxLayout, QWidget

from tray_app.ui.cancellable_job import CancellableJob
from tray_app.ui.presenters.embedding import reason_to_wait, texts_of
from tray_app.ui.style import LARGE, MEDIUM, SMALL, TIGHT, Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import add_shortcut
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.labels import label_for, text_label

if TYPE_CHECKING:
    from threading import Event

    from tray_app.ui.bridge import Bridge

_MOST_TOKENS = 4096
_EXAMPLE = "The quick brown fox jumps"


class CompletionPanel(QWidget):
    """A text in, its continuation out."""

    _arrived = Signal(object, str)
    """Which answer, and a piece of it."""
    _passed_on = Signal(object, str)
    """The same, for the panel that has taken the answer over."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.prompt = QPlainTextEdit(_EXAMPLE)
        self.prompt.setTabChangesFocus(True)
        self.tokens = QSpinBox(minimum=1, maximum=_MOST_TOKENS, value=128)
        self.tokens.lineEdit().setTextMargins(TIGHT, 0, 0, 0)
        self.go_button = QPushButton(tr("&Complete"))
        self.go_button.setToolTip(tr("Ctrl+Enter"))
        set_variant(self.go_button, Variant.PRIMARY)
        self.stop_button = QPushButton(tr("St&op"))
        self.stop_button.setToolTip(tr("Esc"))
        self.waiting = text_label()
        self.card = MessageCard()
        self._job = CancellableJob(bridge, self._permit, self.card.show_error)
        self.answer = QPlainTextEdit(readOnly=True)
        self.answer.setTabChangesFocus(True)
        self.temperature = text_label()
        self._lay_out()
        self._connect()
        self._permit()

    def go(self) -> None:
        """Ask for a continuation, if that can be done now."""
        if not self.go_button.isEnabled():
            return
        app, prompt, tokens = self._bridge.app, self.prompt.toPlainText(), self.tokens.value()
        self.card.clear()
        self.answer.clear()

        def complete(cancelled: Event) -> None:
            for piece in app.client.complete(prompt, tokens, cancelled):
                self._arrived.emit(cancelled, piece)

        self._job.start(complete, lambda _: None)

    def stop(self) -> None:
        """Stop the answer; what has arrived stays."""
        self._job.abandon()

    def take_over(self, old: CompletionPanel) -> None:
        """Show the same text and answer, and continue the answer that is under way."""
        self.prompt.setPlainText(old.prompt.toPlainText())
        self.tokens.setValue(old.tokens.value())
        self.answer.setPlainText(old.answer.toPlainText())
        old._passed_on.connect(self._add)
        self._job.take_over(old._job, lambda _: None)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, MEDIUM, LARGE, LARGE)
        column.setSpacing(SMALL)
        column.addWidget(label_for(tr("&Text:"), self.prompt))
        column.addWidget(self.prompt, 1)
        actions = QHBoxLayout()
        actions.addWidget(self.go_button)
        actions.addWidget(self.stop_button)
        actions.addWidget(label_for(tr("To&kens at most:"), self.tokens))
        actions.addWidget(self.tokens)
        actions.addWidget(self.temperature)
        column.addLayout(actions)
        column.addWidget(self.waiting)
        column.addWidget(self.card)
        column.addWidget(label_for(tr("Ans&wer:"), self.answer))
        column.addWidget(self.answer, 2)

    def _connect(self) -> None:
        self.go_button.clicked.connect(self.go)
        self.stop_button.clicked.connect(self.stop)
        self.prompt.textChanged.connect(self._permit)
        self._arrived.connect(self._add)
        self._bridge.status_changed.connect(self._permit)
        for keys, act in (("Ctrl+Return", self.go), ("Ctrl+Enter", self.go), ("Esc", self.stop)):
            add_shortcut(self, keys, act)

    def _permit(self) -> None:
        status, busy = self._bridge.status, self._job.busy
        reason = reason_to_wait(status, texts_of(self.prompt.toPlainText()), tr)
        self.go_button.setEnabled(not reason and not busy)
        self.stop_button.setVisible(busy)
        self.waiting.setText(reason)
        self.waiting.setVisible(bool(reason))
        self.temperature.setText(
            tr("Temperature {value}").format(value=tr.number(status.model_settings.temperature, 2))
        )

    def _add(self, answer: Event, piece: str) -> None:
        if self._job.is_current(answer):  # else it was stopped, or taken over
            cursor = QTextCursor(self.answer.document())
            cursor.movePosition(QTextCursor.MoveOperation.End)
            cursor.insertText(piece)
        else:
            self._passed_on.emit(answer, piece)
