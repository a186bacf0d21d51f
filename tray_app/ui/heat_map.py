"""How near texts are to each other, as a heat map with values and a legend. GUI thread.

Imported when it is first shown, as `plots.py` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Signal
from PySide6.QtGui import QPalette

from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtCore import QPointF
    from PySide6.QtGui import QColor
    from PySide6.QtWidgets import QWidget

MOST_TEXTS = 200
_MOST_VALUES = 12
"""Texts up to which every cell carries its value; beyond, the pointer reads it."""
_MOST_TICKS = 40
_LEGEND_TICKS = 6
_DARK_BELOW = 0.55
"""Luminance below which a cell needs white letters."""


class HeatMap(pg.GraphicsLayoutWidget):  # type: ignore[misc]  # pyqtgraph has no types
    """The cosine similarity of every text with every other."""

    hovered = Signal(str)
    """`Text 1 and text 3: 0.8312` for the cell below the pointer; empty beside the cells."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(tr("Similarity of the texts"))
        self._values = np.zeros((0, 0))
        # Viridis rises in brightness all the way: it can be read in grey and by the colour-blind.
        self._colours = pg.colormap.get("viridis")
        self._labels: list[pg.TextItem] = []
        self._plot = self.addPlot()
        self._plot.setMenuEnabled(False)
        self._plot.invertY(True)  # the first text is at the top
        self._image = pg.ImageItem(axisOrder="row-major")
        self._plot.addItem(self._image)
        self._legend = pg.ColorBarItem(colorMap=self._colours, interactive=False)
        self._legend.setImageItem(self._image, insert_in=self._plot)
        for side in ("bottom", "left"):
            self._plot.setLabel(side, tr("Text"))
            self._plot.getAxis(side).enableAutoSIPrefix(False)
        self.scene().sigMouseMoved.connect(self._pointer_moved)
        self._adopt_palette()

    def show_vectors(self, vectors: Sequence[Sequence[float]]) -> None:
        """Show how near these vectors are to each other; the first 200 of them."""
        self._values = similarities(vectors[:MOST_TEXTS])
        count = len(self._values)
        lowest = min(0.0, float(self._values.min()))
        self._image.setImage(self._values, levels=(lowest, 1.0))
        self._legend.setLevels((lowest, 1.0))
        steps = np.linspace(lowest, 1.0, _LEGEND_TICKS)
        self._legend.axis.setTicks([[(step, tr.number(step, 2)) for step in steps]])
        self._show_ticks(count)
        self._show_values(count, lowest)
        self._plot.setLimits(xMin=0, yMin=0, xMax=count, yMax=count)
        self._plot.setRange(xRange=(0, count), yRange=(0, count), padding=0)
        first, second = nearest_pair(self._values)
        self.setAccessibleDescription(
            tr("The nearest of {count} texts are {first} and {second}: {value}").format(
                count=count,
                first=first + 1,
                second=second + 1,
                value=tr.number(self._values[first, second], 4),
            )
        )

    def changeEvent(self, event: QEvent) -> None:
        """Follow the system's change between light and dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_legend"):
            self._adopt_palette()

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is below the pointer any more."""
        super().leaveEvent(event)
        self.hovered.emit("")

    def _show_ticks(self, count: int) -> None:
        step = max(1, -(-count // _MOST_TICKS))
        ticks = [(number + 0.5, str(number + 1)) for number in range(0, count, step)]
        for side in ("bottom", "left"):
            self._plot.getAxis(side).setTicks([ticks])

    def _show_values(self, count: int, lowest: float) -> None:
        for label in self._labels:
            self._plot.removeItem(label)
        self._labels.clear()
        if count > _MOST_VALUES:
            return
        for row in range(count):
            for column in range(count):
                value = float(self._values[row, column])
                label = pg.TextItem(tr.number(value, 2), color=self._ink(value, lowest), anchor=(0.5, 0.5))
                label.setPos(column + 0.5, row + 0.5)
                self._plot.addItem(label)
                self._labels.append(label)

    def _ink(self, value: float, lowest: float) -> str:
        """Black or white, whichever is read on the cell's colour."""
        share = (value - lowest) / (1.0 - lowest)
        red, green, blue = self._colours.map(share, mode="float")[:3]
        return "w" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < _DARK_BELOW else "k"

    def _adopt_palette(self) -> None:
        palette = self.palette()
        text: QColor = palette.color(QPalette.ColorRole.Text)
        self.setBackground(palette.color(QPalette.ColorRole.Base))
        for axis in (*map(self._plot.getAxis, ("bottom", "left")), self._legend.axis):
            axis.setPen(text)
            axis.setTextPen(text)

    def _pointer_moved(self, position: QPointF) -> None:
        point = self._plot.getViewBox().mapSceneToView(position)
        column, row = int(np.floor(point.x())), int(np.floor(point.y()))
        count = len(self._values)
        if not (0 <= column < count and 0 <= row < count):
            self.hovered.emit("")
            return
        self.hovered.emit(
            tr("Text {first} and text {second}: {value}").format(
                first=row + 1, second=column + 1, value=tr.number(self._values[row, column], 4)
            )
        )


def similarities(vectors: Sequence[Sequence[float]]) -> np.ndarray:
    """The cosine of the angle between each two vectors; 0 where one of them has no length."""
    rows = np.asarray(vectors, dtype=float)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    cosines: np.ndarray = np.clip(units @ units.T, -1.0, 1.0)
    return cosines


def nearest_pair(values: np.ndarray) -> tuple[int, int]:
    """The two different texts that are nearest to each other."""
    others = values - 3 * np.eye(len(values))  # a text is nearest to itself, which says nothing
    first, second = np.unravel_index(int(np.argmax(others)), others.shape)
    return int(first), int(second)
