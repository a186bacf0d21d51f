"""The results of a search, as a list and on a map of all texts. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QStackedWidget, QVBoxLayout

from tray_app.ui.garbage import delete_plot
from tray_app.ui.presenters.search import hit_rows, map_text
from tray_app.ui.style import SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.cards import Card
from tray_app.ui.widgets.empty_state import EmptyState
from tray_app.ui.widgets.hit_list import HitList
from tray_app.ui.widgets.labels import small_label
from tray_app.ui.widgets.pair import Pair

if TYPE_CHECKING:
    from PySide6.QtGui import QHideEvent, QShowEvent

    from tray_app.search.collection import Collection, MapOfTexts
    from tray_app.ui.search_operations import Answer
    from tray_app.ui.widgets.text_map import TextMap


_MARKED = 5
"""The nearest texts that stand out on the map; in a small collection, everything is found."""


class SearchResults(Pair):
    """What is selected in the list is marked on the map, and the other way round."""

    def __init__(self) -> None:
        super().__init__()
        self._answer: Answer | None = None
        self._collection: Collection | None = None
        self._points: tuple[int | None, ...] = ()
        """For each row the number of its point, if that is on the map."""
        self.map: TextMap | None = None
        self.list = HitList()
        self.list.chosen.connect(self._choose_point)
        self._nothing = EmptyState(
            "search",
            tr("Ask a question"),
            tr("The texts that are nearest to it in meaning appear here, whatever words they use."),
        )
        self._left = QStackedWidget()
        self._left.addWidget(self._nothing)
        self._left.addWidget(self.list)
        self._side = Card()
        self.caption = small_label()
        self._column = QVBoxLayout(self._side)
        self._column.setContentsMargins(SMALL, SMALL, SMALL, SMALL)
        self._column.setSpacing(SMALL)
        self._column.addWidget(self.caption)
        self.set_views(self._left, self._side)
        self._side.hide()

    def show_answer(self, answer: Answer, collection: Collection) -> None:
        """Show an answer about a collection."""
        self._answer, self._collection = answer, collection
        rows = hit_rows(answer.hits, tr)
        places = {
            (text, source): number
            for number, (text, source) in enumerate(zip(answer.map.texts, answer.map.sources, strict=True))
        }
        self._points = tuple(places.get((hit.text, hit.source)) for hit in answer.hits)
        self._draw(answer.map)
        self.list.show_rows(rows)
        self._left.setCurrentWidget(self.list if rows else self._nothing)

    def clear(self) -> None:
        """Show no results."""
        self._answer = None
        self._points = ()
        self.list.show_rows(())
        self._left.setCurrentWidget(self._nothing)
        self._side.hide()

    def showEvent(self, event: QShowEvent) -> None:
        """Draw the map again, if it was deleted."""
        super().showEvent(event)
        if self._answer is not None and self.map is None:
            self._draw(self._answer.map)
            self._choose_point(self.list.currentIndex().row())

    def hideEvent(self, event: QHideEvent) -> None:
        """Delete the map when the window is closed, to free memory; the list stays."""
        super().hideEvent(event)
        if self.map is not None and not self.window().isVisible():
            self._column.removeWidget(self.map)
            delete_plot(self.map)
            self.map = None

    def _draw(self, texts: MapOfTexts) -> None:
        is_map = len(texts.points) > 1
        self._side.setVisible(is_map)
        if not is_map:
            return
        if self.map is None:
            from tray_app.ui.widgets.text_map import TextMap

            self.map = TextMap()
            self.map.hovered.connect(self._show_caption)
            self.map.pressed.connect(self._choose_row)
            self._column.insertWidget(0, self.map, 1)
        self.map.show_map(texts, [number for number in self._points[:_MARKED] if number is not None])
        self._show_caption("")

    def _show_caption(self, hovered: str) -> None:
        if self._answer is None or self._collection is None:
            return
        texts = self._answer.map
        usual = map_text(texts.explained, len(texts.points), self._collection.texts, tr)
        self.caption.setText(hovered or usual)

    def _choose_point(self, row: int) -> None:
        if self.map is not None:
            self.map.choose(self._points[row] if 0 <= row < len(self._points) else None)

    def _choose_row(self, point: int) -> None:
        if point in self._points:
            self.list.setCurrentIndex(self.list.hits.index(self._points.index(point)))
        elif self.map is not None:
            self.map.choose(point)
