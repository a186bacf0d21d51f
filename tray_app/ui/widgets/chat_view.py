"""A conversation: its messages, the growing answer, and what went wrong. GUI thread."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from tray_app.ui.presenters.chat_rows import Shown, foot_text, shown, thoughts_text
from tray_app.ui.style import SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.chat_transcript import Transcript
from tray_app.ui.widgets.labels import small_label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QImage

    from tray_app.chats.conversation import Attachment, Message
    from tray_app.errors import AppError


class ChatView(QWidget):
    """Turns messages into rows of a `Transcript`."""

    retry_wanted = Signal()

    def __init__(
        self,
        named: Callable[[str], str],
        thumbnail: Callable[[Attachment, Callable[[QImage], object]], object],
    ) -> None:
        super().__init__()
        self._named = named
        self._messages: tuple[Message, ...] = ()
        self._shown: list[Shown] = []
        self._growing: Message | None = None
        self._grown = Shown()
        self.unfolded: set[int] = set()
        """The numbers of the messages whose reasoning is shown."""
        self.waiting = small_label()
        self.failure = MessageCard()
        tail = QWidget()
        column = QVBoxLayout(tail)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SMALL)
        column.addWidget(self.waiting)
        column.addWidget(self.failure)
        self.waiting.hide()
        self.transcript = Transcript(tail, self.text_of, thumbnail)
        self.transcript.unfold_wanted.connect(self._unfold)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.transcript)

    def begin(self, messages: tuple[Message, ...], rows: Sequence[Shown] = ()) -> None:
        """Show another conversation at its end. `rows` are those of its messages, if they are known."""
        self.unfolded = set()
        self._growing, self._grown = None, Shown()
        self.waiting.hide()
        self.failure.clear()
        self.transcript.clear()
        self._messages = messages
        self._shown = list(rows)
        if len(rows) == len(messages):
            self.transcript.show_rows(list(chain.from_iterable(each.rows for each in rows)))
        else:
            self._render(0)

    def show_messages(self, messages: tuple[Message, ...], *, waits: bool = False) -> None:
        """Show other messages of this conversation; `waits`: the last one is being answered."""
        same = 0
        for before, now in zip(self._messages, messages, strict=False):
            if before is not now:
                break
            same += 1
        self._messages = messages
        self._growing, self._grown = None, Shown()
        if not waits:
            self.waiting.hide()
        self.failure.clear()
        self.unfolded = {each for each in self.unfolded if each < len(messages)}
        # The message that was or is the last one may have lost or gained a button.
        self._render(max(0, min(same, len(messages) - 1) - 1), waits=waits)

    def show_growing(self, message: Message) -> None:
        """Show what has arrived of the answer so far."""
        self._growing = message
        self.waiting.hide()
        self._render_growing(self._grown)

    def show_waiting(self, words: str) -> None:
        """Say what is happening before the first word."""
        if self.waiting.isHidden() or words != self.waiting.text():
            self.waiting.setText(words)
            self.waiting.show()
            self.transcript.refresh()

    def show_failure(self, error: AppError) -> None:
        """Say why there is no answer, or only a part."""
        self.failure.show_error(error)
        self.failure.offer(tr("&Try Again"), self.retry_wanted.emit)
        self.transcript.refresh()

    def show_unanswered(self) -> None:
        """Say that the last message has no answer, and offer to ask again."""
        self.failure.show_message(
            tr("This message has no answer"), tr("The answer failed, or was stopped before it began.")
        )
        self.failure.offer(tr("&Try Again"), self.retry_wanted.emit)
        self.transcript.refresh()

    def show_note(self, title: str, text: str) -> None:
        """Show a message below the last answer."""
        self.failure.show_message(title, text)
        self.transcript.refresh()

    def refresh(self) -> None:
        """Show the rows again, since models may have other names."""
        if self._growing is None and self._shown:
            self._render(0)

    def text_of(self, message: int) -> str:
        """The whole text of a message."""
        return self._messages[message].text if message < len(self._messages) else ""

    def _render(self, number: int, *, waits: bool = False) -> None:
        """Show the messages from this one on."""
        del self._shown[number:]
        first, last = self._first_row(number), len(self._messages) - 1
        for place, message in enumerate(self._messages[number:], start=number):
            foot = foot_text(message, self._named, tr)
            self._shown.append(
                shown(
                    place,
                    message,
                    foot,
                    is_last=place == last and not waits,
                    unfolded=place in self.unfolded,
                    thoughts=thoughts_text(message, tr),
                )
            )
        rows = list(chain.from_iterable(each.rows for each in self._shown[number:]))
        self.transcript.show_rows(rows, first)

    def _render_growing(self, before: Shown) -> None:
        if self._growing is None:
            return
        number = len(self._messages)
        self._grown = shown(
            number,
            self._growing,
            "",
            running=True,
            unfolded=number in self.unfolded,
            before=before,
            thoughts=thoughts_text(self._growing, tr, running=True),
        )
        self.transcript.show_rows(self._grown.rows, self._first_row(number))

    def _unfold(self, message: int) -> None:
        self.unfolded ^= {message}
        if message < len(self._messages):
            self._render(message)
        else:
            self._render_growing(Shown())

    def _first_row(self, number: int) -> int:
        return sum(len(each.rows) for each in self._shown[:number])
