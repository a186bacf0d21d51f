"""How alike texts are, as a heat map with values and a legend. GUI thread.

Imported when it is first shown, as `plots.py` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QRectF, Qt, Signal
from PySide6.QtGui import QColor

from tray_app.phrases import presentable
from tray_app.ui.style import LARGE, look_of
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtCore import QPointF
    from PySide6.QtGui import QPainter, QResizeEvent

MOST_TEXTS = 200
_LEGEND_TICKS = 6
_MOST_TICKS = 16
_TICK_STEPS = (1, 2, 5, 10, 20, 50)
_DARK_BELOW = 0.55
"""Luminance (0 to 1) below which a cell needs white letters."""
_LEAST_ROOM = 2 * LARGE
"""The least room for the beginning of a text, in pixels."""
_WIDEST_VALUE = "-0.00"


class HeatMap(pg.GraphicsLayoutWidget):  # type: ignore[misc]  # pyqtgraph has no types
    """The cosine similarity of every text with every other."""

    hovered = Signal(str)
    """`Text 1 and text 3: 0.8312` for the cell below the pointer; empty beside the cells."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(tr("Similarity of the texts"))
        self._values = np.zeros((0, 0))
        self._texts: Sequence[str] = ()
        # The brightness of Viridis only rises, so that it can be read in gray and by color-blind people.
        self._colors = pg.colormap.get("viridis")
        self._plot = self.addPlot(enableMenu=False)
        self._plot.invertY(True)  # the first text is at the top
        self._image = pg.ImageItem(axisOrder="row-major")
        self._plot.addItem(self._image)
        self._cells = _CellValues(self._colors)
        self._plot.addItem(self._cells)
        self._legend = pg.ColorBarItem(colorMap=self._colors, interactive=False)
        self._legend.setImageItem(self._image, insert_in=self._plot)
        for side in ("bottom", "left"):
            self._plot.getAxis(side).enableAutoSIPrefix(False)
        self.scene().sigMouseMoved.connect(self._pointer_moved)
        self._adopt_palette()

    def show_similarities(self, values: np.ndarray, texts: Sequence[str] = ()) -> None:
        """Show the `similarities` of at least two texts, whose beginnings are shown at the left."""
        self._values, self._texts = values, texts
        count = len(values)
        lowest = min(0.0, float(values.min()))
        self._image.setImage(values, levels=(lowest, 1.0))
        self._legend.setLevels((lowest, 1.0))
        steps = np.linspace(lowest, 1.0, _LEGEND_TICKS)
        self._legend.axis.setTicks([[(step, tr.number(step, 2)) for step in steps]])
        self._cells.show_values(values, lowest)
        self._show_ticks(count)
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

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show more of the texts where there is more room."""
        super().resizeEvent(event)
        if hasattr(self, "_legend") and len(self._values):
            self._show_ticks(len(self._values))

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
        step = next((step for step in _TICK_STEPS if count / step <= _MOST_TICKS), _TICK_STEPS[-1])
        numbers = range(step, count + 1, step)
        self._plot.getAxis("bottom").setTicks([[(number - 0.5, str(number)) for number in numbers]])
        self._plot.getAxis("left").setTicks([[(number - 0.5, self._title(number)) for number in numbers]])

    def _title(self, number: int) -> str:
        """`3  Bread is baked …`, in at most a quarter of the width."""
        if number > len(self._texts):
            return str(number)
        text = f"{number}  {presentable(' '.join(self._texts[number - 1].split()))}"
        room = max(_LEAST_ROOM, self.width() // 4)
        title: str = self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room)
        return title

    def _adopt_palette(self) -> None:
        look = look_of(self)
        self.setBackground(look.surface)
        for axis in (*map(self._plot.getAxis, ("bottom", "left")), self._legend.axis):
            axis.setPen(look.border)
            axis.setTextPen(look.secondary)

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


class _CellValues(pg.GraphicsObject):  # type: ignore[misc]  # pyqtgraph has no types
    """The numbers in the cells, if the cells are large enough for them, which zooming can make them.

    One item for all: a text item for each cell would take a tenth of a second for a dozen texts.
    """

    def __init__(self, colors: pg.ColorMap) -> None:
        super().__init__()
        self._colors = colors
        self._values = np.zeros((0, 0))
        self._dark = np.zeros((0, 0), dtype=bool)

    def show_values(self, values: np.ndarray, lowest: float) -> None:
        """Write these into the cells; `lowest` is the value of the darkest color."""
        self.prepareGeometryChange()
        self._values = values
        colors = self._colors.map((values - lowest) / (1.0 - lowest), mode="float")
        self._dark = colors[..., :3] @ (0.2126, 0.7152, 0.0722) < _DARK_BELOW
        self.update()

    def boundingRect(self) -> QRectF:
        """All cells, in units of the axes: a cell is 1 by 1."""
        return QRectF(0, 0, len(self._values), len(self._values))

    def paint(self, painter: QPainter, _option: object, _widget: object = None) -> None:
        """Write in pixels, not in the inverted units of the axes."""
        to_pixels = painter.transform()
        cell = to_pixels.mapRect(QRectF(0, 0, 1, 1)).size()
        needed = painter.fontMetrics().size(0, _WIDEST_VALUE)
        if cell.width() < needed.width() or cell.height() < needed.height():
            return
        view = self.viewRect()
        rows, columns = _cells_in(view.top(), view.bottom()), _cells_in(view.left(), view.right())
        painter.resetTransform()
        for row in rows:
            for column in columns:
                if row < len(self._values) and column < len(self._values):
                    where = to_pixels.mapRect(QRectF(column, row, 1, 1))
                    self._write(painter, where, row, column)

    def _write(self, painter: QPainter, where: QRectF, row: int, column: int) -> None:
        white = bool(self._dark[row, column])
        painter.setPen(QColor(Qt.GlobalColor.white if white else Qt.GlobalColor.black))
        value = round(float(self._values[row, column]), 2) + 0.0  # no “-0.00”
        painter.drawText(where, Qt.AlignmentFlag.AlignCenter, tr.number(value, 2))


def _cells_in(first: float, last: float) -> range:
    """The numbers of the cells between two places on an axis."""
    return range(max(0, int(first)), int(np.ceil(last)))


def similarities(vectors: Sequence[Sequence[float]]) -> np.ndarray:
    """The cosine of the angle between each two of the first `MOST_TEXTS` vectors, from -1 to 1.

    It is 0 for a vector of length 0. Many vectors take a tenth of a second, so this is not for the GUI
    thread.
    """
    rows = np.asarray(vectors[:MOST_TEXTS], dtype=float)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    cosines: np.ndarray = np.clip(units @ units.T, -1.0, 1.0)
    return cosines


def nearest_pair(values: np.ndarray) -> tuple[int, int]:
    """The numbers of the two different texts that are nearest to each other."""
    others = values - 3 * np.eye(len(values))  # leaves out each text with itself
    first, second = np.unravel_index(int(np.argmax(others)), others.shape)
    return int(first), int(second)
