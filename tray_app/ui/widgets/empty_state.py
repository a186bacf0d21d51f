"""What stands in place of a list that is empty. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from tray_app.ui.style import LARGE, SMALL, Type, look_of
from tray_app.ui.symbols import symbol_pixmap
from tray_app.ui.widgets.labels import heading, small_label

if TYPE_CHECKING:
    from PySide6.QtWidgets import QPushButton


class EmptyState(QWidget):
    """Why there is nothing here, what to do about it, and perhaps the button that does it."""

    def __init__(self, symbol: str, title: str, text: str, button: QPushButton | None = None) -> None:
        super().__init__()
        self._symbol = symbol
        self._icon = QLabel()
        self._icon.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.title = heading(kind=Type.TITLE)
        self.text = small_label()
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, LARGE, LARGE, LARGE)
        column.setSpacing(SMALL)
        column.addStretch()
        column.addWidget(self._icon)
        for label in (self.title, self.text):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(label)
        if button is not None:
            column.addSpacing(SMALL)
            column.addWidget(button, alignment=Qt.AlignmentFlag.AlignCenter)
        column.addStretch()
        self.show_words(title, text)
        self._draw()

    def show_words(self, title: str, text: str) -> None:
        """Show another title and text."""
        self.title.setText(title)
        self.text.setText(text)
        self._icon.setAccessibleName(title)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the system's change between light and dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw()

    def _draw(self) -> None:
        rgba = look_of(self).secondary.rgba()
        self._icon.setPixmap(symbol_pixmap(self._symbol, rgba, 2 * LARGE, self.devicePixelRatioF()))
