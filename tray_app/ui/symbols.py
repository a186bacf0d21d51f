"""The symbols on buttons and in lists, from Lucide, in the colors of the palette. GUI thread."""

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
"""Pixels of the screen for one of ours, on usual screens."""


def set_symbol(button: QAbstractButton, name: str) -> None:
    """Give a button a symbol, which follows the look: `name` is a file in resources/icons/symbols."""
    button.setProperty(_PROPERTY, name)
    _renew(button)


def symbol_icon(name: str, palette: QPalette) -> QIcon:
    """A symbol in the color of text, fainter where it is disabled."""
    look = colors(palette)
    return _icon(name, look.text.rgba(), look.border.rgba())


@lru_cache(maxsize=512)
def symbol_pixmap(name: str, rgba: int, size: int, ratio: float) -> QPixmap:
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
    """Draw the symbols of all buttons again, after the look has changed."""
    for widget in qt.allWidgets():
        if isinstance(widget, QAbstractButton) and widget.property(_PROPERTY):
            _renew(widget)


def _renew(button: QAbstractButton) -> None:
    name = button.property(_PROPERTY)
    look = colors(button.window().palette())  # the style sheet may give buttons another one
    primary = button.property("variant") == "primary"
    gap = TIGHT if button.text() else 0  # Qt leaves no space before the words
    usual, disabled = (look.on_accent, look.secondary) if primary else (look.text, look.border)
    button.setIcon(_icon(name, usual.rgba(), disabled.rgba(), gap))
    button.setIconSize(QSize(ICON + gap, ICON))


@lru_cache(maxsize=256)
def _icon(name: str, rgba: int, disabled_rgba: int, gap: int = 0) -> QIcon:
    icon = QIcon()
    for ratio in _RATIOS:
        for mode, color in ((QIcon.Mode.Normal, rgba), (QIcon.Mode.Disabled, disabled_rgba)):
            icon.addPixmap(_with_gap(symbol_pixmap(name, color, ICON, ratio), gap), mode)
    return icon


def _with_gap(symbol: QPixmap, gap: int) -> QPixmap:
    """A symbol with so many empty pixels to its right."""
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
