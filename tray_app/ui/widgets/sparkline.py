"""A small chart of one quantity over the last two minutes. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from tray_app.ui.presenters.usage import SPAN_S, peak
from tray_app.ui.style import LARGE, look_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtGui import QPaintEvent

    from tray_app.ui.presenters.usage import Point

_HEADROOM = 1.1
_FILL_ALPHA = 60
_LINE = 1.5
"""Pixels."""


class Sparkline(QWidget):
    """A filled line from left (two minutes ago) to right (now). Its values are written beside it."""

    def __init__(self) -> None:
        super().__init__()
        self._points: tuple[Point, ...] = ()
        self.setFixedHeight(2 * LARGE)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_points(self, points: tuple[Point, ...]) -> None:
        """Show a series, with gaps where a value is not known."""
        self._points = points
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the known values above a base line, which means zero."""
        look = look_of(self)
        area = QRectF(self.rect()).adjusted(0, _LINE, 0, -_LINE)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(look.border, 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        fill = QColor(look.accent)
        fill.setAlpha(_FILL_ALPHA)
        for run in self._runs(area):
            below = [QPointF(run[-1].x(), area.bottom()), QPointF(run[0].x(), area.bottom())]
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(fill)
            painter.drawPolygon(QPolygonF([*run, *below]))
            painter.setPen(QPen(look.accent, _LINE))
            painter.drawPolyline(QPolygonF(run))
        painter.end()

    def _runs(self, area: QRectF) -> Iterator[list[QPointF]]:
        """The places of the points, in runs without gaps."""
        most = (peak(self._points) or 1.0) * _HEADROOM
        run: list[QPointF] = []
        for point in self._points:
            if point.value is None:
                if run:
                    yield run
                run = []
            else:
                x = area.right() - area.width() * point.age_s / SPAN_S
                run.append(QPointF(x, area.bottom() - area.height() * point.value / most))
        if run:
            yield run
