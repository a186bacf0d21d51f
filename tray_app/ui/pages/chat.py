"""The page Chat: talks with a model. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QTabWidget

from tray_app.ui.pages.completion import CompletionPanel
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from tray_app.ui.bridge import Bridge


class ChatPage(QTabWidget):
    """What can be said to a model that writes."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.setDocumentMode(True)
        self.completion = CompletionPanel(bridge)
        self.addTab(self.completion, tr("Completion"))

    def take_over(self, old: ChatPage) -> None:
        """The same tab, and in each what was there."""
        self.completion.take_over(old.completion)
        self.setCurrentIndex(old.currentIndex())
