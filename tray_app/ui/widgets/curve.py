"""Curves over whole numbers, each with its own axis, symbol and line style. GUI thread.

Imported when it is first shown, as `plots.py` is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from tray_app.ui.style import look_of
from tray_app.ui.texts import tr
from tray_app.ui.widgets.axes import number_axes, paint_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

_AXIS_WIDTH = 64
_SIGNS = ("o", "s", "t", "d")
_LINES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (x, y) in the order of their x, and the label of the y axis."""

    label: str
    points: tuple[tuple[int, float], ...]


class CurvePlot(QWidget):
    """Curves one below the other, since their units differ, over the same x axis."""

    def __init__(self, x_label: str, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self._x_label = x_label
        self._plots: list[pg.PlotWidget] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)

    def show_curves(self, curves: Sequence[Curve]) -> None:
        """Show these curves, each with at least one point."""
        while len(self._plots) < len(curves):
            self._add_plot()
        for number, plot in enumerate(self._plots):
            plot.setVisible(number < len(curves))
        for number, curve in enumerate(curves):
            self._draw(number, curve, last=number == len(curves) - 1)
        self.setAccessibleDescription("\n".join(map(_words, curves)))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the system's change between light and dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            for number in range(len(self._plots)):
                self._adopt_palette(number)

    def _add_plot(self) -> None:
        plot = pg.PlotWidget(axisItems=number_axes())
        plot.setMenuEnabled(False)
        plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        plot.addItem(pg.PlotDataItem())
        plot.getAxis("left").setWidth(_AXIS_WIDTH)  # the same for all, so that their x axes are aligned
        self._plots.append(plot)
        self._column.addWidget(plot)
        self._adopt_palette(len(self._plots) - 1)

    def _draw(self, number: int, curve: Curve, *, last: bool) -> None:
        plot = self._plots[number]
        xs, ys = [point[0] for point in curve.points], [point[1] for point in curve.points]
        plot.listDataItems()[0].setData(xs, ys)
        plot.setLabel("left", curve.label)
        plot.setLabel("bottom", self._x_label if last else None)
        plot.getAxis("bottom").setTicks([[(x, str(x)) for x in xs]])
        plot.setYRange(0, 1.1 * max(ys))
        plot.setXRange(min(xs) - 0.5, max(xs) + 0.5)
        plot.setAccessibleName(curve.label)
        plot.setAccessibleDescription(_words(curve))

    def _adopt_palette(self, number: int) -> None:
        plot, accent = self._plots[number], look_of(self).accent
        paint_axes(plot, self.palette())
        (line,) = plot.listDataItems()
        line.setPen(pg.mkPen(accent, width=2, style=_LINES[number % len(_LINES)]))
        line.setSymbol(_SIGNS[number % len(_SIGNS)])
        line.setSymbolBrush(accent)
        line.setSymbolPen(accent)


def _words(curve: Curve) -> str:
    points = tr(", ").join(f"{x}: {tr.number(y, 1)}" for x, y in curve.points)
    return f"{curve.label}: {points}"
