"""The page Embeddings with its tabs: search, compare, measure. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QTabWidget

from tray_app.ui.pages.compare import ComparePanel
from tray_app.ui.pages.measure import MeasurePanel
from tray_app.ui.pages.search import SearchPanel
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from tray_app.ui.bridge import Bridge


class EmbeddingsPage(QTabWidget):
    """What embeddings are used for, and how fast they are computed."""

    navigate = Signal(object)
    """A `Page` to open."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.setObjectName("tabs")  # for the style sheet
        self.setDocumentMode(True)
        self.search = SearchPanel(bridge)
        self.compare = ComparePanel(bridge)
        self.measure = MeasurePanel(bridge)
        for panel in (self.search, self.compare, self.measure):
            panel.navigate.connect(self.navigate)
        self.addTab(self.search, tr("Search"))
        self.addTab(self.compare, tr("Compare"))
        self.addTab(self.measure, tr("Measure"))

    def take_over(self, old: EmbeddingsPage) -> None:
        """Show the same tab, and in each what was there."""
        self.search.take_over(old.search)
        self.compare.take_over(old.compare)
        self.measure.take_over(old.measure)
        self.setCurrentIndex(old.currentIndex())
