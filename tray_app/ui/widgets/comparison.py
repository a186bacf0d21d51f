"""How alike texts are: in numbers on a heat map, and as points beside it. GUI thread.

Imported when it is first shown, as `plots.py` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout

from tray_app.ui.style import SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.cards import Card
from tray_app.ui.widgets.heat_map import HeatMap
from tray_app.ui.widgets.pair import Pair
from tray_app.ui.widgets.text_map import TextMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QWidget

    from tray_app.ui.embedding_operations import EmbeddingResult

_MOST_LABELS = 40
"""More points than these have no numbers, which would overlap."""


class Comparison(Pair):
    """Two views of the same texts, with the same numbers for them."""

    hovered = Signal(str)
    """What is below the pointer, in words; empty if nothing is."""

    def __init__(self) -> None:
        super().__init__()
        self.setContentsMargins(0, SMALL, 0, 0)  # below the line of the tabs
        self.heat_map, self.map = HeatMap(), TextMap()
        self.map.setToolTip(tr("Similar texts are near each other."))
        for plot in (self.heat_map, self.map):
            plot.hovered.connect(self.hovered)
        self.set_views(_framed(self.heat_map), _framed(self.map))

    def show_result(self, texts: Sequence[str], embedded: EmbeddingResult) -> None:
        """Show at least two texts."""
        self.heat_map.show_similarities(embedded.similarity, texts)
        count = len(embedded.map.points)
        self.map.show_map(
            embedded.map, labels=[str(number + 1) for number in range(count)] if count <= _MOST_LABELS else ()
        )


def _framed(plot: QWidget) -> Card:
    card = Card()
    column = QVBoxLayout(card)
    column.setContentsMargins(SMALL, SMALL, SMALL, SMALL)
    column.addWidget(plot)
    return card
