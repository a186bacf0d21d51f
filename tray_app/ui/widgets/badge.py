"""A word or two on a ground of their own: a state, a verdict, a kind. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from tray_app.ui.presenters.tone import Tone
from tray_app.ui.style import ICON, MEDIUM, RADIUS, SMALL, TIGHT, Type, colors, look_of, set_type, tinted
from tray_app.ui.symbols import symbol_pixmap

if TYPE_CHECKING:
    from PySide6.QtGui import QColor, QPaintEvent, QPalette

_CHIP = ICON + MEDIUM


class Badge(QLabel):
    """The word in the colour of its tone, and behind it a little of that colour."""

    def __init__(self) -> None:
        super().__init__()
        self._tone = Tone.NEUTRAL
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        set_type(self, Type.CAPTION)

    def show_word(self, word: str, tone: Tone = Tone.NEUTRAL) -> None:
        """Show this word; nothing for an empty one."""
        self._tone = tone
        self.setText(word)
        self.setVisible(bool(word))
        self.update()

    def sizeHint(self) -> QSize:
        """Room for the word and the ground around it."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(self.text()) + 2 * SMALL, metrics.height() + TIGHT)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw it in the palette's colours, which may change at any time."""
        color = tone_color(self._tone, self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(tinted(color, look_of(self).surface))
        area = QRectF(self.rect())
        painter.drawRoundedRect(area, area.height() / 2, area.height() / 2)
        painter.setPen(color)
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter, self.text())
        painter.end()


class SymbolChip(QWidget):
    """A symbol at the beginning of a row, on a ground that tells whether the thing is in use."""

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
        """Draw it in the palette's colours."""
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
    """The colour of words of that tone."""
    look = colors(palette)
    return {
        Tone.NEUTRAL: look.secondary,
        Tone.PLAIN: look.text,
        Tone.GOOD: look.success,
        Tone.WARNING: look.warning,
        Tone.BAD: look.danger,
    }[tone]
