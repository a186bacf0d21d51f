"""The field for a question, which notices when a person stops typing. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QTimer, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QLineEdit, QToolButton

from tray_app.ui.symbols import symbol_icon
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import name_clear_button

if TYPE_CHECKING:
    from PySide6.QtGui import QAction, QKeyEvent

_TYPING_MS = 400
"""After a pause of this length, the question is asked."""


class QuestionField(QLineEdit):
    """Enter asks at once, a pause also asks, Esc clears the field."""

    asked = Signal()
    paused = Signal()

    def __init__(self) -> None:
        self._symbol: QAction | None = None  # the palette changes while Qt makes the field
        super().__init__()
        self.setPlaceholderText(tr("Ask a question, or describe what you are looking for"))
        self.setAccessibleName(tr("Question"))
        self.setClearButtonEnabled(True)
        name_clear_button(self)
        self._symbol = self.addAction(
            symbol_icon("search", self.palette()), QLineEdit.ActionPosition.LeadingPosition
        )
        self._symbol.triggered.connect(self.asked)
        for button in self.findChildren(QToolButton):
            if not button.accessibleName():
                button.setAccessibleName(tr("Search"))
        self._typing = QTimer(self, singleShot=True, interval=_TYPING_MS)
        self._typing.timeout.connect(self.paused)
        self.textChanged.connect(self._typing.start)
        self.returnPressed.connect(self.asked)

    def words(self) -> str:
        """The question, without spaces around it."""
        return self.text().strip()

    def fill_in(self, words: str) -> None:
        """Fill in a question; the caller asks it."""
        self.setText(words)
        self._typing.stop()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the system's change between light and dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._symbol is not None:
            self._symbol.setIcon(symbol_icon("search", self.palette()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Clear the field on Esc."""
        if event.matches(QKeySequence.StandardKey.Cancel) and self.text():
            self.clear()
        else:
            super().keyPressEvent(event)
