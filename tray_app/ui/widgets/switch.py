"""A switch that is on or off. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QAbstractButton

from tray_app.ui.style import LARGE, TIGHT, look_of

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

_EDGE = 2
"""Pixels around the groove, and between groove and knob."""
_DISABLED = 0.5
"""The opacity of a switch that cannot be used."""


class Switch(QAbstractButton):
    """A switch as on phones, which takes effect at once. For screen readers it is a check box."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setCheckable(True)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        """Twice as wide as high."""
        return QSize(2 * LARGE, LARGE + TIGHT)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the groove, in the accent color if it is on, and the knob."""
        look = look_of(self)
        size = self.sizeHint()
        area = QRectF(0, (self.height() - size.height()) / 2, size.width(), size.height()).adjusted(
            _EDGE, _EDGE, -_EDGE, -_EDGE
        )
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self.isEnabled():
            painter.setOpacity(_DISABLED)
        painter.setPen(QPen(look.text, _EDGE) if self.hasFocus() else Qt.PenStyle.NoPen)
        painter.setBrush(look.accent if self.isChecked() else look.secondary)
        painter.drawRoundedRect(area, area.height() / 2, area.height() / 2)
        knob = QRectF(area).adjusted(_EDGE, _EDGE, -_EDGE, -_EDGE)
        knob.setWidth(knob.height())
        if self.isChecked():
            knob.moveRight(area.right() - _EDGE)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.on_accent)
        painter.drawEllipse(knob)
        painter.end()
