"""A conversation, what a list shows of it, and the title that it gets by itself. Pure."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.phrases import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_TITLE = 60


class Role(StrEnum):
    """Who has written a message."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a message: a picture for a model that can see."""

    name: str
    media_type: str
    """Such as `image/png`."""
    data: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """What one side has written."""

    role: Role
    text: str
    created_at: float
    """As `time.time` has it; kept to the microsecond."""
    attachments: tuple[Attachment, ...] = ()
    reasoning: str = ""
    """What the model thought before it answered."""
    model_id: str = ""
    """The model that wrote it; empty for a person's."""
    tokens: int | None = None
    """Of the answer and the thoughts; None if not known."""
    tokens_per_s: float | None = None
    stopped: bool = False
    """Whether a person stopped the answer before its end."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages of a person and a model in turn, and how the model is to answer."""

    id: str
    """The name of its file, without the ending."""
    title: str
    created_at: float
    updated_at: float
    """When it was last saved; both as `time.time` has it, and kept to the microsecond."""
    model_id: str = ""
    """Empty: whichever chat model the server answers with."""
    system_prompt: str = ""
    temperature: float | None = None
    """From 0 to 2; None leaves it to the server."""
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list of conversations shows of one."""

    id: str
    title: str
    """In one line."""
    updated_at: float
    model_id: str
    messages: int


def title_of(messages: Iterable[Message]) -> str:
    """The first line that a person has written, shortened; the name of a file if that is all there is.

    Empty if there is nothing.
    """
    for message in messages:
        if message.role is Role.USER:
            lines = (one_line(line) for line in message.text.splitlines())
            names = (one_line(each.name) for each in message.attachments)
            if found := next(filter(None, (*lines, *names)), ""):
                return _shortened(found)
    return ""


def _shortened(line: str) -> str:
    """At most 60 characters, cut between words where there are any, and never within a letter or an emoji."""
    if len(line) <= _LONGEST_TITLE:
        return line
    end = _LONGEST_TITLE - 1
    space = line.rfind(" ", end // 2, end + 1)
    if space > 0:
        end = space
    while end > 1 and (_continues(line[end]) or _joins(line[end - 1])):
        end -= 1
    return f"{line[:end].rstrip()}…"


def _continues(sign: str) -> bool:
    """Whether it belongs to the character before it."""
    return unicodedata.category(sign).startswith("M") or _joins(sign) or "\U0001f3fb" <= sign <= "\U0001f3ff"


def _joins(sign: str) -> bool:
    return sign == "\u200d"
