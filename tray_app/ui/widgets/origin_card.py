"""Asks on Home whether an app or a web page may use the server. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout

from tray_app.ui.style import MEDIUM, SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import give_up_focus
from tray_app.ui.widgets.cards import Card
from tray_app.ui.widgets.labels import text_label

if TYPE_CHECKING:
    from PySide6.QtGui import QShowEvent

    from tray_app.ui.presenters.origins import OriginQuestion

_READING_MS = 1000


class OriginCard(Card):
    """One question at a time; hidden while there is none."""

    answered = Signal(str, bool)
    """The origin, and whether it may use the server."""

    def __init__(self) -> None:
        super().__init__()
        self.title = text_label(bold=True)
        self.text = text_label()
        self.allow_button = QPushButton(tr("Al&low"))
        self.refuse_button = QPushButton(tr("&Refuse"))
        self.allow_button.clicked.connect(lambda: self._answer(allow=True))
        self.refuse_button.clicked.connect(lambda: self._answer(allow=False))
        buttons = QHBoxLayout()
        buttons.setSpacing(SMALL)
        buttons.addWidget(self.allow_button)
        buttons.addWidget(self.refuse_button)
        buttons.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        column.addWidget(self.title)
        column.addWidget(self.text)
        column.addLayout(buttons)
        self.setFocusProxy(self.title)
        self._question: OriginQuestion | None = None
        # A question may appear under a click that was meant for something else, such as the second one of a
        # double click on the question before: it cannot be answered before it could be read.
        self._reading = QTimer(self)
        self._reading.setSingleShot(True)
        self._reading.setInterval(_READING_MS)
        self._reading.timeout.connect(self.permit)
        self._set_enabled(enabled=False)
        self.hide()

    def show_question(self, question: OriginQuestion | None) -> None:
        """Ask this; None hides the card."""
        before, self._question = self._question, question
        if question is None:
            give_up_focus(self)
            self.hide()
            return
        self.show()
        self.title.setText(question.title)
        self.text.setText(question.text)
        self.setAccessibleName(question.title)
        self.setAccessibleDescription(question.text)
        self.allow_button.setAccessibleName(tr("Allow {origin}").format(origin=question.name))
        self.refuse_button.setAccessibleName(tr("Refuse {origin}").format(origin=question.name))
        if before is None or before.origin != question.origin:
            self._let_read()

    def permit(self) -> None:
        """Allow an answer to the question that is shown."""
        self._set_enabled(enabled=True)

    def showEvent(self, event: QShowEvent) -> None:
        """Wait again before an answer, since the card may have appeared under the mouse."""
        super().showEvent(event)
        self._let_read()

    def _let_read(self) -> None:
        self._set_enabled(enabled=False)
        self._reading.start()

    def _answer(self, *, allow: bool) -> None:
        if self._question is not None:
            self._reading.stop()
            self._set_enabled(enabled=False)
            self.answered.emit(self._question.origin, allow)

    def _set_enabled(self, *, enabled: bool) -> None:
        buttons = (self.allow_button, self.refuse_button)
        if not enabled and any(button.hasFocus() for button in buttons):
            self.setFocus()  # to the question, which a screen reader reads; the buttons come after it
        for button in buttons:
            button.setEnabled(enabled)
