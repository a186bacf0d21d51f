"""Parts that many rows have in common, drawn once and then copied: chips, buttons, symbols. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPen, QPixmap

from tray_app.ui.icons import to_keep
from tray_app.ui.style import ICON, MEDIUM, RADIUS, SMALL, TIGHT, Type, font
from tray_app.ui.symbols import symbol_pixmap

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QColor, QFont

    from tray_app.ui.style import Colors

BADGE = ICON + MEDIUM
"""The side of the ground of the symbol, and the height of the button, in pixels."""
EDGE = SMALL + TIGHT
"""Pixels above and below the lines of a row, between its columns, and beside the words of a button."""
_CHIP_RADIUS = 5
_MOST = 512
"""Pictures that are kept: names of quantizations are few, but those of strangers need not be."""
_HALF = 0.5
"""Half a pixel: a line of one pixel is sharp there."""


class RowFonts:
    """The fonts of rows, and their metrics."""

    def __init__(self, base: QFont) -> None:
        self.title = font(base, Type.BODY, bold=True)
        self.body = base
        self.caption = font(base, Type.CAPTION)
        self.of_title = QFontMetrics(self.title)
        self.of_body = QFontMetrics(self.body)
        self.of_caption = QFontMetrics(self.caption)


class RowStamps:
    """Draws and keeps the parts; made again when font or palette change."""

    def __init__(self, fonts: RowFonts, look: Colors) -> None:
        self._fonts = fonts
        self._look = look
        self._kept: dict[object, QPixmap] = {}

    def chip(self, text: str, ratio: float, *, accent: bool) -> QPixmap:
        """A word in a frame."""

        def draw(painter: QPainter, area: QRectF) -> None:
            look = self._look
            painter.setPen(QPen(look.accent if accent else look.border, 1))
            painter.setBrush(look.accent_soft if accent else look.surface)
            painter.drawRoundedRect(_sharp(area), _CHIP_RADIUS, _CHIP_RADIUS)
            self._word(painter, area, text, self._fonts.caption, look.text if accent else look.secondary)

        size = QSize(
            self._fonts.of_caption.horizontalAdvance(text) + 2 * SMALL, self._fonts.of_title.height()
        )
        return self._stamp(("chip", text, accent, ratio), size, ratio, draw)

    def button(self, text: str, ratio: float, *, hot: bool) -> QPixmap:
        """The button of a row."""

        def draw(painter: QPainter, area: QRectF) -> None:
            look = self._look
            painter.setPen(QPen(look.border, 1))
            painter.setBrush(look.hover if hot else look.surface)
            painter.drawRoundedRect(_sharp(area), RADIUS, RADIUS)
            self._word(painter, area, text, self._fonts.body, look.text)

        size = QSize(self._fonts.of_body.horizontalAdvance(text) + 2 * EDGE, BADGE)
        return self._stamp(("button", text, hot, ratio), size, ratio, draw)

    def badge(self, symbol: str, ratio: float, *, lit: bool) -> QPixmap:
        """The symbol of a row on its ground."""

        def draw(painter: QPainter, area: QRectF) -> None:
            look = self._look
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.accent if lit else look.hover)
            painter.drawRoundedRect(area, RADIUS, RADIUS)
            _put(painter, area, symbol, look.on_accent if lit else look.secondary, ICON, ratio)

        return self._stamp(("badge", symbol, lit, ratio), QSize(BADGE, BADGE), ratio, draw)

    def more(self, ratio: float, *, hot: bool) -> QPixmap:
        """The button that opens the menu of a row."""

        def draw(painter: QPainter, area: QRectF) -> None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._look.hover if hot else Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(area, RADIUS, RADIUS)
            _put(painter, area, "ellipsis", self._look.text, ICON, ratio)

        return self._stamp(("more", hot, ratio), QSize(BADGE, BADGE), ratio, draw)

    def chevron(self, ratio: float) -> QPixmap:
        """The sign that a row opens."""

        def draw(painter: QPainter, area: QRectF) -> None:
            _put(painter, area, "chevron-right", self._look.secondary, ICON, ratio)

        return self._stamp(("chevron", ratio), QSize(BADGE, BADGE), ratio, draw)

    def tick(self, ratio: float, *, checked: bool) -> QPixmap:
        """The check box of a row."""

        def draw(painter: QPainter, area: QRectF) -> None:
            look = self._look
            painter.setPen(QPen(look.accent if checked else look.secondary, 1))
            painter.setBrush(look.accent if checked else look.surface)
            painter.drawRoundedRect(_sharp(area), TIGHT, TIGHT)
            if checked:
                _put(painter, area, "check", look.on_accent, ICON - TIGHT, ratio)

        return self._stamp(("tick", checked, ratio), QSize(ICON, ICON), ratio, draw)

    def _stamp(
        self, key: object, size: QSize, ratio: float, draw: Callable[[QPainter, QRectF], None]
    ) -> QPixmap:
        if (kept := self._kept.get(key)) is not None:
            return kept
        if len(self._kept) >= _MOST:
            self._kept.clear()
        made = QPixmap(size * ratio)
        made.setDevicePixelRatio(ratio)
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        draw(painter, QRectF(0, 0, size.width(), size.height()))
        painter.end()
        self._kept[key] = to_keep(made)
        return self._kept[key]

    def _word(self, painter: QPainter, area: QRectF, text: str, letters: QFont, color: QColor) -> None:
        painter.setFont(letters)
        painter.setPen(color)
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter, text)


def _sharp(area: QRectF) -> QRectF:
    return area.adjusted(_HALF, _HALF, -_HALF, -_HALF)


def _put(painter: QPainter, area: QRectF, symbol: str, color: QColor, side: int, ratio: float) -> None:
    """A symbol in the middle."""
    middle = area.center()
    pixmap = symbol_pixmap(symbol, color.rgba(), side, ratio)
    painter.drawPixmap(QPointF(middle.x() - side / 2, middle.y() - side / 2), pixmap)
