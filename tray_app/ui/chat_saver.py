"""Saves conversations one after the other, off the GUI thread. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.chats.conversation import Conversation
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge


class ChatSaver(QObject):
    """What is written to conversations, in the order in which it was wished for. It refers to no widget."""

    saved = Signal(object)
    """The `Conversation` as it is kept now."""
    changed = Signal()
    """The list of conversations is another one."""
    failed = Signal(object)
    """An `AppError`: something could not be written."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._wishes: list[Callable[[], Conversation | None]] = []
        self._busy = False

    def save(self, conversation: Conversation) -> None:
        """Write a conversation."""
        self.do(lambda: self._bridge.app.chats.save(conversation))

    def do(self, wish: Callable[[], Conversation | None]) -> None:
        """Do something else to a conversation, when it is its turn."""
        self._wishes.append(wish)
        self._next()

    def _next(self) -> None:
        if self._wishes and not self._busy:
            self._busy = True
            self._bridge.run(self._wishes.pop(0), self._succeed, self._fail)

    def _succeed(self, kept: Conversation | None) -> None:
        self._busy = False
        if kept is not None:
            self.saved.emit(kept)
        self.changed.emit()
        self._next()

    def _fail(self, error: AppError) -> None:
        self._busy = False
        self.failed.emit(error)
        self._next()
