"""Plots of numbers, with pyqtgraph. GUI thread.

Imported when the first result is shown, not before: pyqtgraph and numpy cost a quarter of a second and 60 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Signal

from tray_app.ui.style import look_of
from tray_app.ui.texts import tr
from tray_app.ui.widgets.axes import number_axes, paint_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtCore import QPointF


class VectorPlot(pg.PlotWidget):  # type: ignore[misc]  # pyqtgraph has no types
    """The values of a vector as bars from zero; the one below the pointer is marked."""

    hovered = Signal(str)
    """`Dimension 17: +0.1234` for the bar below the pointer; empty beside the bars."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False, axisItems=number_axes())
        self.setAccessibleName(tr("Plot of the vector"))
        self._values = np.zeros(0)
        # One filled curve with steps, not a rectangle for each value, so that 8192 values are drawn fast.
        self._bars = pg.PlotDataItem(stepMode="center", fillLevel=0)
        self._marked = pg.BarGraphItem(x=[], height=[], width=1)
        self.addItem(self._bars)
        self.addItem(self._marked)
        self.setLabel("bottom", tr("Dimension"))
        self.setLabel("left", tr("Value"))
        self.scene().sigMouseMoved.connect(self._pointer_moved)
        self._adopt_palette()

    def show_vector(self, vector: Sequence[float]) -> None:
        """Show these values, all of them in view."""
        self._values = np.asarray(vector, dtype=float)
        count = len(self._values)
        self._bars.setData(np.arange(count + 1) - 0.5, self._values)
        self._mark(None)
        self.getPlotItem().getViewBox().setLimits(xMin=-1, xMax=count)
        self.setAccessibleDescription(
            tr("{count} values from {low} to {high}").format(
                count=tr.number(count),
                low=tr.number(self._values.min(), 4, signed=True),
                high=tr.number(self._values.max(), 4, signed=True),
            )
        )
        self.autoRange()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the system's change between light and dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_marked"):
            self._adopt_palette()

    def leaveEvent(self, event: QEvent) -> None:
        """Mark no bar."""
        super().leaveEvent(event)
        self._mark(None)

    def _adopt_palette(self) -> None:
        look = look_of(self)
        text, accent = look.text, look.accent
        paint_axes(self, self.palette())
        self._bars.setPen(pg.mkPen(accent, width=0))
        self._bars.setFillBrush(accent)
        self._marked.setOpts(pen=pg.mkPen(text), brush=text)

    def _pointer_moved(self, position: QPointF) -> None:
        point = self.getPlotItem().getViewBox().mapSceneToView(position)
        index = round(point.x())
        self._mark(index if 0 <= index < len(self._values) else None)

    def _mark(self, index: int | None) -> None:
        """Mark one bar, or none."""
        if index is None:
            self._marked.setOpts(x=[], height=[])
            self.hovered.emit("")
            return
        value = float(self._values[index])
        self._marked.setOpts(x=[index], height=[value])
        self.hovered.emit(
            tr("Dimension {index}: {value}").format(index=index, value=tr.number(value, 6, signed=True))
        )
