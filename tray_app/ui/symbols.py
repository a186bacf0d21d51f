"""The symbols on buttons and lists: one family of drawings (Lucide) in the palette's colors. GUI thread."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QSize, Qt
from PySide6.QtGui import QIcon, QImageReader, QPainter, QPixmap
from PySide6.QtWidgets import QAbstractButton

from tray_app.system.paths import resources
from tray_app.ui.icons import to_keep
from tray_app.ui.style import ICON, TIGHT, colors

if TYPE_CHECKING:
    from PySide6.QtGui import QPalette
    from PySide6.QtWidgets import QApplication

_PROPERTY = "symbol"
_RATIOS = (1, 2, 3)
"""Pixels of the screen for each of ours, as screens have them."""


def set_symbol(button: QAbstractButton, name: str) -> None:
    """Give a button a symbol, which follows the look from now on: a file of resources/icons/symbols."""
    button.setProperty(_PROPERTY, name)
    _renew(button)


def symbol_icon(name: str, palette: QPalette, size: int = ICON) -> QIcon:
    """A symbol in the text's color, fainter where it is disabled."""
    look = colors(palette)
    return _icon(name, look.text.rgba(), look.border.rgba(), size)


@lru_cache(maxsize=512)
def symbol_pixmap(name: str, rgba: int, size: int, ratio: float = 1.0) -> QPixmap:
    """A symbol of `size` pixels, each of them `ratio` pixels of the screen; `rgba` is 0xAARRGGBB."""
    source = (resources() / "icons" / "symbols" / f"{name}.svg").read_bytes()
    buffer = QBuffer()
    buffer.setData(QByteArray(source.replace(b"currentColor", f"#{rgba & 0xFFFFFF:06x}".encode())))
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    reader = QImageReader(buffer, b"svg")
    side = round(size * ratio)
    reader.setScaledSize(QSize(side, side))
    pixmap = to_keep(QPixmap.fromImage(reader.read()))
    pixmap.setDevicePixelRatio(ratio)
    return pixmap


def renew_all(qt: QApplication) -> None:
    """Draw the symbols of all buttons anew: the look has changed."""
    for widget in qt.allWidgets():
        if isinstance(widget, QAbstractButton) and widget.property(_PROPERTY):
            _renew(widget)


def _renew(button: QAbstractButton) -> None:
    name = button.property(_PROPERTY)
    look = colors(button.window().palette())  # the style sheet may have given the button another one
    primary = button.property("variant") == "primary"
    gap = TIGHT if button.text() else 0  # Qt puts the words right beside it
    usual, disabled = (look.on_accent, look.secondary) if primary else (look.text, look.border)
    button.setIcon(_icon(name, usual.rgba(), disabled.rgba(), ICON, gap))
    button.setIconSize(QSize(ICON + gap, ICON))


@lru_cache(maxsize=256)
def _icon(name: str, rgba: int, disabled_rgba: int, size: int, gap: int = 0) -> QIcon:
    icon = QIcon()
    for ratio in _RATIOS:
        for mode, color in ((QIcon.Mode.Normal, rgba), (QIcon.Mode.Disabled, disabled_rgba)):
            icon.addPixmap(_with_gap(symbol_pixmap(name, color, size, ratio), gap), mode)
    return icon


def _with_gap(symbol: QPixmap, gap: int) -> QPixmap:
    """A symbol, and to its right so many pixels of nothing."""
    if not gap:
        return symbol
    ratio = symbol.devicePixelRatio()
    wider = QPixmap(round(symbol.width() + gap * ratio), symbol.height())
    wider.setDevicePixelRatio(ratio)
    wider.fill(Qt.GlobalColor.transparent)
    painter = QPainter(wider)
    painter.drawPixmap(0, 0, symbol)
    painter.end()
    return to_keep(wider)
