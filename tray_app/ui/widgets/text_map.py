"""Texts as points: those with similar meanings are near each other. GUI thread.

Imported when it is first shown, as `plots.py` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt, Signal

from tray_app.phrases import presentable
from tray_app.search.collection import MapOfTexts
from tray_app.ui.style import LARGE, SMALL, TIGHT, look_of
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy.typing as npt
    from PySide6.QtCore import QPointF

_REACH = 12
"""Pixels around a point within which the pointer is on it."""
_HOVERED_LETTERS = 160
_ROOM = 0.12
"""The margin around the outermost points, as a share of the whole."""
_LEAST = 1e-6
"""The least extent of the points, which may all be at one place."""
_NOTHING = MapOfTexts(np.zeros((0, 2), dtype=np.float32), (), (), (0.0, 0.0))


class TextMap(pg.PlotWidget):  # type: ignore[misc]  # pyqtgraph has no types
    """Points without axes, as their units mean nothing. Found ones stand out, a question is a star."""

    hovered = Signal(str)
    """The text of the point below the pointer; empty beside them."""
    pressed = Signal(int)
    """The number of the point that was clicked."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.setAccessibleName(tr("Map of the texts"))
        self.setMinimumSize(4 * LARGE, 4 * LARGE)
        self._map = _NOTHING
        self._found: frozenset[int] = frozenset()
        for side in ("bottom", "left"):
            self.hideAxis(side)
        self._texts = pg.ScatterPlotItem(size=SMALL, pxMode=True)
        self._hits = pg.ScatterPlotItem(size=SMALL + TIGHT, pxMode=True)
        self._mark = pg.ScatterPlotItem(size=2 * SMALL, pxMode=True)
        self._question = pg.ScatterPlotItem(size=2 * SMALL + TIGHT, symbol="star", pxMode=True)
        self._labels: list[pg.TextItem] = []
        for item in (self._texts, self._hits, self._mark, self._question):
            self.addItem(item)
        self.scene().sigMouseMoved.connect(self._pointer_moved)
        self.scene().sigMouseClicked.connect(self._clicked)
        self._adopt_palette()

    def show_map(self, texts: MapOfTexts, found: Collection[int] = (), labels: Sequence[str] = ()) -> None:
        """Show these points; `found` are the numbers of those that were found, `labels` stand beside them."""
        self._map, self._found = texts, frozenset(found)
        self._draw_points()
        for label in self._labels:
            self.removeItem(label)
        self._labels = [pg.TextItem(label, anchor=(-0.3, 0.5)) for label in labels]
        for label, point in zip(self._labels, texts.points, strict=False):
            label.setPos(*map(float, point))
            self.addItem(label)
        self._adopt_palette()
        self._show_all()
        self.setAccessibleDescription(self._words())

    def choose(self, number: int | None) -> None:
        """Put a ring around one of the points, or none."""
        self._mark.setData(pos=self._map.points[[] if number is None else [number]])

    def changeEvent(self, event: QEvent) -> None:
        """Follow the system's change between light and dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_labels"):
            self._adopt_palette()

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is below the pointer any more."""
        super().leaveEvent(event)
        self.hovered.emit("")

    def _draw_points(self) -> None:
        chosen = np.zeros(len(self._map.points), dtype=bool)
        chosen[list(self._found)] = True
        self._texts.setData(pos=self._map.points[~chosen])
        self._hits.setData(pos=self._map.points[chosen])
        self.choose(None)
        question = self._map.question
        self._question.setData(pos=np.asarray([] if question is None else [question]).reshape(-1, 2))

    def _show_all(self) -> None:
        points = self._all_points(self._map)
        if len(points):
            # As Python floats: pyqtgraph compares them with limits that 32 bits cannot hold.
            low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
            room = _ROOM * np.maximum(high - low, _LEAST)
            view = self.getPlotItem().getViewBox()
            view.setRange(
                xRange=(low[0] - room[0], high[0] + room[0]),
                yRange=(low[1] - room[1], high[1] + room[1]),
                padding=0,
            )

    def _all_points(self, texts: MapOfTexts) -> npt.NDArray[np.float32]:
        if texts.question is None:
            return texts.points
        return np.vstack((texts.points, np.asarray([texts.question], dtype=np.float32)))

    def _words(self) -> str:
        words = tr.count("{count} text", "{count} texts", len(self._map.points))
        if self._found:
            found = tr.count("{count} of them was found", "{count} of them were found", len(self._found))
            words = tr(", ").join((words, found))
        return words

    def _adopt_palette(self) -> None:
        look = look_of(self)
        self.setBackground(look.surface)
        self._texts.setPen(pg.mkPen(look.surface, width=1))
        self._texts.setBrush(look.secondary if not self._found else look.border)
        self._hits.setPen(pg.mkPen(look.surface, width=1))
        self._hits.setBrush(look.accent)
        self._mark.setPen(pg.mkPen(look.text, width=2))
        self._mark.setBrush(pg.mkBrush(None))
        self._question.setPen(pg.mkPen(look.surface, width=1))
        self._question.setBrush(look.danger)
        for label in self._labels:
            label.setColor(look.text)

    def _number_at(self, position: QPointF) -> int | None:
        """The number of the point at a place of the scene, in its coordinates."""
        if not len(self._map.points):
            return None
        view = self.getPlotItem().getViewBox()
        place, pixel = view.mapSceneToView(position), view.viewPixelSize()
        away = (self._map.points - (place.x(), place.y())) / pixel
        distances = np.hypot(away[:, 0], away[:, 1])
        nearest = int(distances.argmin())
        return nearest if distances[nearest] <= _REACH else None

    def _pointer_moved(self, position: QPointF) -> None:
        number = self._number_at(position)
        self.setCursor(Qt.CursorShape.ArrowCursor if number is None else Qt.CursorShape.PointingHandCursor)
        self.hovered.emit("" if number is None else self._short(number))

    def _clicked(self, event: pg.GraphicsScene.mouseEvents.MouseClickEvent) -> None:
        number = self._number_at(event.scenePos())
        if number is not None:
            self.pressed.emit(number)

    def _short(self, number: int) -> str:
        text = presentable(" ".join(self._map.texts[number].split()))
        return text if len(text) <= _HOVERED_LETTERS else f"{text[: _HOVERED_LETTERS - 1]}…"
