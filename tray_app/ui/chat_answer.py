"""The answer of a model while it grows: asked for on a thread of its own, collected here. GUI thread."""

from __future__ import annotations

import time
from collections import deque
from threading import Event
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from tray_app.chats.conversation import Message, Role
from tray_app.ui.chat_operations import stream_answer

if TYPE_CHECKING:
    from tray_app.chats.conversation import Conversation
    from tray_app.errors import AppError
    from tray_app.gateway.public_client import ChatPiece
    from tray_app.ui.bridge import Bridge


class Answer(QObject):
    """The answer to the last message of a conversation. It refers to no widget, since pages are replaced.

    Pieces may come a thousand times per second. They wait here until `take` is called.
    """

    ended = Signal(object)
    """This answer, which is complete, was stopped, or has failed."""

    def __init__(self, bridge: Bridge, conversation: Conversation) -> None:
        super().__init__()
        self.conversation = conversation
        self.kept = conversation
        """The same conversation with what was chosen for it meanwhile, such as another model."""
        self.error: AppError | None = None
        self.running = True
        self.began_s = time.monotonic()
        self.cut_off = False
        """Whether the model had to end because its context is full."""
        self._pieces: deque[ChatPiece] = deque()
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._tokens: int | None = None
        self._rate: float | None = None
        self._model_id = conversation.model_id
        self._stopped = False
        self._created_at = time.time()
        self._cancelled = Event()
        app, cancelled, pieces = bridge.app, self._cancelled, self._pieces
        self._forget = bridge.run(
            lambda: stream_answer(app, conversation, cancelled, pieces.append), self._succeed, self._fail
        )

    @property
    def began(self) -> bool:
        """Whether any text or reasoning has been taken."""
        return any(self._texts) or any(self._thoughts)

    def take(self) -> bool:
        """Add the pieces that have arrived; whether there were any."""
        came = False
        while self._pieces:
            self._add(self._pieces.popleft())
            came = True
        return came

    def stop(self) -> None:
        """End the answer; what has arrived stays."""
        if self.running:
            self._cancelled.set()
            self._forget()
            self._stopped = True
            self._end()

    def message(self) -> Message:
        """What has arrived so far, as a message."""
        self._texts, self._thoughts = ["".join(self._texts)], ["".join(self._thoughts)]
        return Message(
            Role.ASSISTANT,
            self._texts[0],
            self._created_at,
            reasoning=self._thoughts[0],
            model_id=self._model_id,
            tokens=self._tokens,
            tokens_per_s=self._rate,
            stopped=self._stopped,
        )

    def _add(self, piece: ChatPiece) -> None:
        if piece.text:
            self._texts.append(piece.text)
        if piece.reasoning:
            self._thoughts.append(piece.reasoning)
        if piece.tokens is not None:
            self._tokens, self._rate = piece.tokens, piece.tokens_per_s
        self._model_id = piece.model_id or self._model_id
        self.cut_off = self.cut_off or piece.finish_reason == "length"

    def _succeed(self, _: None) -> None:
        self._end()

    def _fail(self, error: AppError) -> None:
        self.error = error
        self._end()

    def _end(self) -> None:
        self.take()
        # An answer that broke off after its first words counts as stopped, not as ended by the model.
        self._stopped = self._stopped or (self.error is not None and any(self._texts))
        self.running = False
        self._forget = lambda: None  # else a cycle: it refers to this object
        self.ended.emit(self)
