"""The answers under way in all conversations, which are saved when they end. GUI thread."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from tray_app.ui.chat_answer import Answer

if TYPE_CHECKING:
    from tray_app.chats.conversation import Conversation
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.chat_saver import ChatSaver


class ChatAnswers(QObject):
    """At most one answer for each conversation. They go on while another conversation is shown."""

    ended = Signal(object)
    """An `Answer`. Its `kept` conversation contains it, unless nothing has arrived."""

    def __init__(self, bridge: Bridge, saver: ChatSaver) -> None:
        super().__init__()
        self._bridge = bridge
        self._saver = saver
        self._running: dict[str, Answer] = {}

    @property
    def any_running(self) -> bool:
        """Whether an answer is under way in any conversation."""
        return bool(self._running)

    def of(self, conversation_id: str) -> Answer | None:
        """The answer that is under way in a conversation."""
        return self._running.get(conversation_id)

    def begin(self, conversation: Conversation) -> None:
        """Ask for an answer to the last message of a conversation."""
        answer = self._running[conversation.id] = Answer(self._bridge, conversation)
        answer.ended.connect(self._conclude)

    def drop(self, conversation_id: str) -> None:
        """Stop the answer in a conversation, and do not save it."""
        if answer := self._running.pop(conversation_id, None):
            answer.ended.disconnect(self._conclude)
            answer.stop()

    def take_over(self, old: ChatAnswers) -> None:
        """Continue the answers that are under way in `old`."""
        for answer in old._running.values():
            answer.ended.disconnect(old._conclude)
            answer.ended.connect(self._conclude)
        self._running, old._running = old._running, {}

    def _conclude(self, answer: Answer) -> None:
        self._running.pop(answer.conversation.id, None)
        message = answer.message()
        if message.text or message.reasoning:
            answer.kept = replace(answer.kept, messages=(*answer.conversation.messages, message))
            self._saver.save(answer.kept)
        self.ended.emit(answer)
