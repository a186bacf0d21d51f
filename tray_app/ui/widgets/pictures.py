"""Saves plots as pictures: PNG for documents, SVG for print. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QRect
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtWidgets import QWidget

from tray_app.ui.texts import tr
from tray_app.ui.widgets.file_dialogs import ask_where_to_save

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtWidgets import QGraphicsView

_DOTS_PER_PIXEL = 2


def picture_of(plot: QGraphicsView, suffix: str) -> bytes:
    """What the plot shows now, as the bytes of an SVG file if `suffix` is `.svg`, else of a PNG file."""
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    if suffix == ".svg":
        _draw_svg(plot, buffer)
    else:
        _pixmap_of(plot).save(buffer, "PNG")
    return bytes(content.data())


def choose_picture_file(parent: QWidget, chosen: Callable[[Path], object]) -> None:
    """Ask where to save a picture; the ending decides its format."""
    ask_where_to_save(parent, tr("Save the picture"), [tr("Picture (*.png)"), tr("Drawing (*.svg)")], chosen)


def _pixmap_of(plot: QGraphicsView) -> QPixmap:
    pixmap = QPixmap(plot.size() * _DOTS_PER_PIXEL)
    pixmap.setDevicePixelRatio(_DOTS_PER_PIXEL)
    QWidget.render(plot, pixmap)
    return pixmap


def _draw_svg(plot: QGraphicsView, buffer: QBuffer) -> None:
    from PySide6.QtSvg import QSvgGenerator  # only needed here

    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(plot.size())
    generator.setViewBox(QRect(0, 0, plot.width(), plot.height()))
    painter = QPainter(generator)
    plot.render(painter)
    painter.end()
