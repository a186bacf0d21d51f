"""A word or two on a colored ground: a state, a verdict, a kind. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from tray_app.ui.presenters.tone import Tone
from tray_app.ui.style import ICON, MEDIUM, RADIUS, SMALL, TIGHT, Type, colors, look_of, set_type, tinted
from tray_app.ui.symbols import symbol_pixmap
from tray_app.ui.widgets.labels import explain, line_width

if TYPE_CHECKING:
    from PySide6.QtGui import QColor, QPaintEvent, QPalette, QResizeEvent

_CHIP = ICON + MEDIUM
_FEW_LETTERS, _MOST_LETTERS = 12, 36
"""Longer texts, such as the names of many models, are cut short, so that the window stays narrow."""


class Badge(QLabel):
    """The word in the color of its tone, on a tint of that color."""

    def __init__(self) -> None:
        super().__init__()
        self._tone = Tone.NEUTRAL
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        set_type(self, Type.CAPTION)

    def show_word(self, word: str, tone: Tone = Tone.NEUTRAL) -> None:
        """Show this word; nothing for an empty one."""
        self._tone = tone
        self.setText(word)
        self.setVisible(bool(word))
        self._explain()
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Room for the word and the ground around it."""
        return self._size_of(_MOST_LETTERS)

    def minimumSizeHint(self) -> QSize:
        """Room for a few letters of it."""
        return self._size_of(_FEW_LETTERS)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show the full text as a tooltip if it is cut short."""
        super().resizeEvent(event)
        self._explain()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw it in the colors of the palette, which may change at any time."""
        color = tone_color(self._tone, self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(tinted(color, look_of(self).surface))
        area = QRectF(self.rect())
        painter.drawRoundedRect(area, area.height() / 2, area.height() / 2)
        painter.setPen(color)
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter, self._shown())
        painter.end()

    def _size_of(self, letters: int) -> QSize:
        """The size of the word, but at most that of so many letters."""
        metrics = self.fontMetrics()
        width = min(line_width(self.text(), self.font()), letters * metrics.averageCharWidth())
        return QSize(width + 2 * SMALL, metrics.height() + TIGHT)

    def _shown(self) -> str:
        room = self.width() - 2 * SMALL
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room)

    def _explain(self) -> None:
        explain(self, self.text() if self._shown() != self.text() else "")


class SymbolChip(QWidget):
    """A symbol at the beginning of a row, on a ground that shows whether the thing is in use."""

    def __init__(self) -> None:
        super().__init__()
        self._symbol = ""
        self._active = False
        self.setFixedSize(_CHIP, _CHIP)

    def show_symbol(self, name: str, *, active: bool) -> None:
        """Show another one."""
        self._symbol, self._active = name, active
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw it in the palette's colors."""
        look = look_of(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.accent if self._active else look.hover)
        painter.drawRoundedRect(QRectF(self.rect()), RADIUS, RADIUS)
        color = look.on_accent if self._active else look.secondary
        place = (_CHIP - ICON) // 2
        painter.drawPixmap(
            place, place, symbol_pixmap(self._symbol, color.rgba(), ICON, self.devicePixelRatioF())
        )
        painter.end()


def tone_color(tone: Tone, palette: QPalette) -> QColor:
    """The color of words of that tone."""
    look = colors(palette)
    return {
        Tone.NEUTRAL: look.secondary,
        Tone.PLAIN: look.text,
        Tone.GOOD: look.success,
        Tone.WARNING: look.warning,
        Tone.BAD: look.danger,
    }[tone]
