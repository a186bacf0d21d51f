"""The page Chat with its tabs: conversations and completion. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QTabWidget

from tray_app.ui.pages.completion import CompletionPanel
from tray_app.ui.pages.conversations import ConversationsPanel
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from tray_app.ui.bridge import Bridge


class ChatPage(QTabWidget):
    """What chat models are used for."""

    discover_wanted = Signal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.setObjectName("tabs")  # for the style sheet
        self.setDocumentMode(True)
        self.chat = ConversationsPanel(bridge)
        self.completion = CompletionPanel(bridge)
        self.addTab(self.chat, tr("Chat"))
        self.addTab(self.completion, tr("Completion"))
        self.chat.models_wanted.connect(self.discover_wanted)

    def take_over(self, old: ChatPage) -> None:
        """Show the same tab, and in each what was there."""
        self.chat.take_over(old.chat)
        self.completion.take_over(old.completion)
        self.setCurrentIndex(old.currentIndex())
