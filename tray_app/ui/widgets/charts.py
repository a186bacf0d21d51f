"""A small chart of one quantity over the last two minutes, with pyqtgraph. GUI thread.

Imported when it is first shown, as `plots.py` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QPalette

from tray_app.ui.presenters.usage import SPAN_S, peak

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from tray_app.ui.presenters.usage import Point

_HEADROOM = 1.15
_FILL_ALPHA = 70


class Chart(pg.GraphicsView):  # type: ignore[misc]  # pyqtgraph has no types
    """A filled line from left (two minutes ago) to right (now). What it means is written beside it.

    Not a `PlotWidget`: that has axes, and menus which are windows of their own.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # there is nothing to do with it
        self._view = pg.ViewBox(enableMenu=False, enableMouse=False)
        self._line = pg.PlotCurveItem(connect="finite", fillLevel=0)
        self._view.addItem(self._line)
        self._view.setXRange(-SPAN_S, 0, padding=0)
        self.setCentralItem(self._view)
        self._adopt_palette()

    def show_points(self, points: tuple[Point, ...]) -> None:
        """Show a series; gaps where a value is not known."""
        values = np.array([np.nan if point.value is None else point.value for point in points])
        self._line.setData(np.array([-point.age_s for point in points]), values)
        self._view.setYRange(0, (peak(points) or 1.0) * _HEADROOM, padding=0)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the system's change between light and dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_line"):
            self._adopt_palette()

    def _adopt_palette(self) -> None:
        palette = self.palette()
        line = palette.color(QPalette.ColorRole.Highlight)
        fill = palette.color(QPalette.ColorRole.Highlight)
        fill.setAlpha(_FILL_ALPHA)
        self.setBackground(palette.color(QPalette.ColorRole.Base))
        self._line.setPen(pg.mkPen(line, width=1))
        self._line.setBrush(fill)
