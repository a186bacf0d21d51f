"""The page Embeddings with its tabs: embed, measure. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QTabWidget

from tray_app.ui.pages.embedding import EmbeddingPage
from tray_app.ui.pages.measure import MeasurePanel
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from tray_app.ui.bridge import Bridge


class TrialPage(QTabWidget):
    """What can be tried out with the running server."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.setDocumentMode(True)
        self.embedding = EmbeddingPage(bridge)
        self.measure = MeasurePanel(bridge)
        self.addTab(self.embedding, tr("Test embedding"))
        self.addTab(self.measure, tr("Measure"))

    def take_over(self, old: TrialPage) -> None:
        """The same tab, and in each what was there."""
        self.embedding.take_over(old.embedding)
        self.measure.take_over(old.measure)
        self.setCurrentIndex(old.currentIndex())
