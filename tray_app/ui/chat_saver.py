"""Saves conversations one after the other, off the GUI thread. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.chats.conversation import Conversation
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge

    _Wish = Callable[[], Conversation | None]


class ChatSaver(QObject):
    """Changes conversations in the order of the calls. It refers to no widget."""

    saved = Signal(object)
    """The `Conversation` as it was saved."""
    changed = Signal()
    """The list of conversations has changed."""
    failed = Signal(object)
    """An `AppError`: something could not be saved."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._wishes: list[tuple[_Wish, Callable[[AppError], object]]] = []
        self._busy = False

    def save(self, conversation: Conversation) -> None:
        """Save a conversation."""
        self.do(lambda: self._bridge.app.chats.save(conversation))

    def do(self, wish: _Wish, failed: Callable[[AppError], object] | None = None) -> None:
        """Change a conversation in another way, after the changes before. `failed` hears the error."""
        self._wishes.append((wish, failed or self.failed.emit))
        self._next()

    def _next(self) -> None:
        if self._wishes and not self._busy:
            self._busy = True
            wish, failed = self._wishes.pop(0)
            self._bridge.run(wish, self._succeed, lambda error: self._fail(error, failed))

    def _succeed(self, kept: Conversation | None) -> None:
        self._busy = False
        if kept is not None:
            self.saved.emit(kept)
        self.changed.emit()
        self._next()

    def _fail(self, error: AppError, failed: Callable[[AppError], object]) -> None:
        self._busy = False
        failed(error)
        self._next()
