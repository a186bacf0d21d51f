"""A conversation as rows, of which only those in view are drawn. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.chats.conversation import Role
from tray_app.ui.presenters.chat_blocks import blocks_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tray_app.chats.conversation import Attachment, Message
    from tray_app.phrases import Translate
    from tray_app.ui.presenters.chat_blocks import Block

_FIRST_WHOLE = 100
"""Rates from here on are shown without decimals."""
_MOST_PLAIN = 4000
"""Characters of a person's message in one row."""


class RowKind(StrEnum):
    """What a row shows."""

    QUESTION = "question"
    """A person's message, or a piece of it."""
    PICTURES = "pictures"
    THOUGHTS = "thoughts"
    """The button that shows or hides the reasoning of a model."""
    THOUGHT = "thought"
    """A piece of that reasoning."""
    ANSWER = "answer"
    CODE = "code"
    FOOT = "foot"
    """Facts about a message, and buttons for what can be done with it."""


class ChatAction(StrEnum):
    """What can be done with a message."""

    COPY = "copy"
    EDIT = "edit"
    """Change it, and ask again from there."""
    REGENERATE = "regenerate"


@dataclass(frozen=True, slots=True)
class ChatRow:
    """One row."""

    kind: RowKind
    message: int
    """The number of the message it belongs to, from 0."""
    text: str = ""
    language: str = ""
    """The language of code."""
    whole: str = ""
    """All of the code that this is the first piece of."""
    first: bool = True
    last: bool = True
    """Whether it is the first or last row of what is drawn as one, such as a block of code."""
    pictures: tuple[Attachment, ...] = ()
    unfolded: bool = False
    actions: tuple[ChatAction, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """The rows of a message, and the pieces that they were made from."""

    rows: tuple[ChatRow, ...] = ()
    answer: tuple[Block, ...] = ()
    thoughts: tuple[Block, ...] = ()


def rows_of(messages: Sequence[Message], named: Callable[[str], str], tr: Translate) -> list[Shown]:
    """The rows of each message of a conversation in which no answer is awaited.

    `named` gives the name of a model for its id.
    """
    last = len(messages) - 1
    return [
        shown(
            number,
            message,
            foot_text(message, named, tr),
            is_last=number == last,
            thoughts=thoughts_text(message, tr),
        )
        for number, message in enumerate(messages)
    ]


def shown(  # noqa: PLR0913 - a message depends on this much
    number: int,
    message: Message,
    foot: str,
    *,
    is_last: bool = False,
    running: bool = False,
    unfolded: bool = False,
    before: Shown | None = None,
    thoughts: str = "",
) -> Shown:
    """The rows of a message.

    `running`: it still grows, and `before` has the rows of a beginning of it. `thoughts`: the label of the
    button that shows the reasoning.
    """
    if message.role is Role.USER:
        return Shown(_question(number, message, foot))
    before = before or Shown()
    rows: list[ChatRow] = []
    thought: tuple[Block, ...] = ()
    if message.reasoning:
        rows.append(ChatRow(RowKind.THOUGHTS, number, thoughts, unfolded=unfolded))
        if unfolded:
            thought = blocks_of(message.reasoning, before.thoughts)
            rows += [ChatRow(RowKind.THOUGHT, number, each.text) for each in thought]
    answer = blocks_of(message.text, before.answer)
    rows += _answer(number, answer)
    if not running:
        actions = (ChatAction.COPY, *((ChatAction.REGENERATE,) if is_last else ()))
        rows.append(ChatRow(RowKind.FOOT, number, foot, actions=actions))
    return Shown(tuple(rows), answer, thought)


def foot_text(message: Message, named: Callable[[str], str], tr: Translate) -> str:
    """Facts about an answer: `Qwen3 4B · 42.1 tokens/s · 512 tokens · Stopped`; empty for a question."""
    if message.role is Role.USER:
        return ""
    parts = [named(message.model_id)] if message.model_id else []
    if message.tokens_per_s is not None:
        decimals = 1 if message.tokens_per_s < _FIRST_WHOLE else 0
        parts.append(tr("{rate} tokens/s").format(rate=tr.number(message.tokens_per_s, decimals)))
    if message.tokens is not None:
        parts.append(tr.count("{count} token", "{count} tokens", message.tokens))
    if message.stopped:
        parts.append(tr("Stopped"))
    return " · ".join(parts)


def thoughts_text(message: Message, tr: Translate, *, running: bool = False) -> str:
    """The label of the button that shows the reasoning of a model."""
    return tr("Thinking …") if running and not message.text else tr("Thoughts")


def _question(number: int, message: Message, foot: str) -> tuple[ChatRow, ...]:
    rows: list[ChatRow] = []
    if message.attachments:
        rows.append(ChatRow(RowKind.PICTURES, number, pictures=message.attachments))
    pieces = list(_plain_pieces(message.text)) if message.text else []
    for place, piece in enumerate(pieces):
        first, last = place == 0, place == len(pieces) - 1
        rows.append(ChatRow(RowKind.QUESTION, number, piece, first=first, last=last))
    rows.append(ChatRow(RowKind.FOOT, number, foot, actions=(ChatAction.COPY, ChatAction.EDIT)))
    return tuple(rows)


def _plain_pieces(text: str) -> Sequence[str]:
    pieces: list[str] = []
    start = 0
    while len(text) - start > _MOST_PLAIN:
        most = start + _MOST_PLAIN
        end = max(text.rfind("\n", start + 1, most), start)
        end = end if end > start else max(text.rfind(" ", start + 1, most), start)
        end = end if end > start else most
        pieces.append(text[start:end])
        start = end + 1 if text[end] == "\n" else end
    return [*pieces, text[start:]]


def _answer(number: int, blocks: tuple[Block, ...]) -> list[ChatRow]:
    rows = []
    for place, block in enumerate(blocks):
        if not block.is_code:
            rows.append(ChatRow(RowKind.ANSWER, number, block.text))
            continue
        ends = place + 1 == len(blocks) or not blocks[place + 1].goes_on
        rows.append(
            ChatRow(
                RowKind.CODE,
                number,
                block.text,
                block.language,
                block.whole,
                first=not block.goes_on,
                last=ends,
            )
        )
    return rows
