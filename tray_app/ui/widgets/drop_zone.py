"""A place to drop files, with buttons that do the same. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRectF, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from tray_app.ui.style import LARGE, RADIUS, SMALL, Type, look_of
from tray_app.ui.symbols import symbol_pixmap
from tray_app.ui.widgets.labels import heading, small_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPaintEvent
    from PySide6.QtWidgets import QPushButton


class DropZone(QWidget):
    """Says inside a dashed line what can be dropped here. The page around it takes what is dropped."""

    def __init__(self, symbol: str, title: str, text: str, rows: Sequence[Sequence[QPushButton]]) -> None:
        super().__init__()
        self._symbol = symbol
        self._aimed_at = False
        self._icon = QLabel()
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, LARGE, LARGE, LARGE)
        column.setSpacing(SMALL)
        column.addStretch()
        column.addWidget(self._icon)
        self._icon.setAlignment(Qt.AlignmentFlag.AlignCenter)
        for label in (heading(title, Type.TITLE), small_label(text)):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(label)
        for buttons in rows:
            column.addSpacing(SMALL)
            row = QHBoxLayout()
            row.setSpacing(SMALL)
            row.addStretch()
            for button in buttons:
                row.addWidget(button)
            row.addStretch()
            column.addLayout(row)
        column.addStretch()
        self._draw_symbol()

    def show_aim(self, *, aimed_at: bool) -> None:
        """Stand out while something that can be dropped is dragged over the page."""
        if aimed_at != self._aimed_at:
            self._aimed_at = aimed_at
            self._draw_symbol()
            self.update()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the system's change between light and dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw_symbol()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the dashed line."""
        look = look_of(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(look.accent_soft if self._aimed_at else look.surface)
        color = look.accent if self._aimed_at else look.secondary
        painter.setPen(QPen(color, 1, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
        painter.end()

    def _draw_symbol(self) -> None:
        look = look_of(self)
        rgba = (look.accent if self._aimed_at else look.secondary).rgba()
        self._icon.setPixmap(symbol_pixmap(self._symbol, rgba, 2 * LARGE, self.devicePixelRatioF()))
