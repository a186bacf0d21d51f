"""A state as a small sign in color; what it means is written beside it. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QLabel

from tray_app.ui.style import SMALL, TIGHT, look_of
from tray_app.ui.symbols import symbol_pixmap

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

_EDGE = 2
"""Pixels of a circle's line."""
_WHOLE, _QUARTER = 360 * 16, 90 * 16
"""Angles as Qt counts them."""


class StateDot(QLabel):
    """A disc (ready), a half disc (loading), a circle (not loaded) or a warning sign."""

    def __init__(self, size: int = SMALL + TIGHT) -> None:
        super().__init__()
        self._sign = ""
        self.setFixedSize(size + TIGHT, size + TIGHT)

    def show_sign(self, sign: str, words: str) -> None:
        """Show `●`, `◐`, `○` or `⚠`; a screen reader says the words."""
        self.setAccessibleName(words)
        if sign != self._sign:
            self._sign = sign
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw it in its color; the shapes differ, too."""
        look = look_of(self)
        area = QRectF(self.rect()).adjusted(_EDGE, _EDGE, -_EDGE, -_EDGE)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        match self._sign:
            case "⚠":
                ratio = self.devicePixelRatioF()
                painter.drawPixmap(
                    0, 0, symbol_pixmap("triangle-alert", look.warning.rgba(), self.width(), ratio)
                )
            case "●":
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(look.success)
                painter.drawEllipse(area)
            case "◐":
                painter.setPen(QPen(look.accent, _EDGE))
                painter.drawEllipse(area)
                painter.setBrush(look.accent)
                painter.drawPie(area, _QUARTER, _WHOLE // 2)
            case "○":
                painter.setPen(QPen(look.secondary, _EDGE))
                painter.drawEllipse(area)
        painter.end()
