"""A conversation as lines of JSON: the head first, then a line for each message. Pure.

People edit these files, and disks and programs damage them. So each line is read for itself, and of a line
that is not as this app writes it, whatever can be understood. A `Reading` says which lines were not.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from tray_app.chats.conversation import Attachment, Conversation, Message, Role, title_of
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 1
"""Of what the lines mean, told by the key `chat` of the head."""
_HOTTEST = 2
"""Of temperatures, as OpenAI has it."""
_MOST_TOKENS = 2**53
_LATEST_S = 32e9
"""In the year 2984; Windows takes nothing later for a time."""
_MOST_LINES = 100_000
_MOST_MENDED_BYTES = 4 * 2**20
"""Of a line that is not as this app writes it: as plain values, it may take thirty times as much memory."""
_MARK = b"\xef\xbb\xbf"
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")

Line = TypeVar("Line", bound=Struct)
Number = TypeVar("Number", int, float)
Time = datetime | float
"""Written as a text that people can read; seconds since 1970 are understood as well."""


class _Head(Struct, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    chat: int
    title: str = ""
    created_at: Time | None = None
    updated_at: Time | None = None
    model_id: str = ""
    system_prompt: str = ""
    temperature: Annotated[float, Meta(ge=0, le=_HOTTEST)] | None = None


class _Attached(Struct, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    name: str = ""
    media_type: str = ""
    data: bytes


class _Line(Struct, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    role: Role
    created_at: Time | None = None
    text: str
    attachments: tuple[_Attached, ...] = ()
    reasoning: str = ""
    model_id: str = ""
    tokens: Annotated[int, Meta(ge=0, le=_MOST_TOKENS)] | None = None
    tokens_per_s: Annotated[float, Meta(ge=0)] | None = None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What the lines of a file say."""

    conversation: Conversation | None
    """None if there is nothing in it that this app understands."""
    damaged: tuple[int, ...] = ()
    """Which lines, counted from 1, have something in them that is not in the conversation."""
    newer: bool = False
    """Whether a newer version of this app has written them."""

    @property
    def whole(self) -> bool:
        """Whether the conversation has all that the lines have."""
        return self.conversation is not None and not self.damaged and not self.newer


def to_lines(conversation: Conversation) -> bytes:
    """The content of the file for a conversation, in UTF-8."""
    head = _Head(
        chat=VERSION,
        title=_whole(conversation.title),
        created_at=_written(conversation.created_at),
        updated_at=_written(conversation.updated_at),
        model_id=_whole(conversation.model_id),
        system_prompt=_whole(conversation.system_prompt),
        temperature=_sensible(conversation.temperature, _HOTTEST),
    )
    lines: list[Struct] = [head, *map(_line_of, conversation.messages)]
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def from_lines(content: bytes, conversation_id: str, changed_at: float) -> Reading:
    """The conversation in a file. `changed_at`, when the file was changed, stands in for times it lacks."""
    head: _Head | None = None
    messages: list[_Line] = []
    damaged: list[int] = []
    for number, raw in enumerate(content.removeprefix(_MARK).split(b"\n"), 1):
        line = raw.strip()
        if not line:
            continue
        if number > _MOST_LINES:
            damaged.append(number)
            break
        if head is None and not messages:
            head, exact = _understood(line, _Head)
            if head:
                if not exact:
                    damaged.append(number)
                continue
        message, exact = _understood(line, _Line)
        if message:
            messages.append(message)
        if not (message and exact):
            damaged.append(number)
    if head is None and not messages:
        return Reading(None, tuple(damaged))
    times = kept_time(changed_at)
    conversation = _conversation(conversation_id, head or _Head(chat=VERSION), messages, times)
    return Reading(conversation, tuple(damaged), newer=head is not None and head.chat > VERSION)


def kept_time(time_s: float) -> float:
    """A time as it is after it was saved and read: to the microsecond, and one that every system has."""
    return _read_time(_written(time_s), 0.0)


def _conversation(
    conversation_id: str, head: _Head, lines: Sequence[_Line], changed_at: float
) -> Conversation:
    created_at = _read_time(head.created_at, changed_at)
    messages = tuple(_message_of(line, created_at) for line in lines)
    return Conversation(
        id=conversation_id,
        title=head.title.strip() or title_of(messages),
        created_at=created_at,
        updated_at=_read_time(head.updated_at, changed_at),
        model_id=head.model_id,
        system_prompt=head.system_prompt,
        temperature=head.temperature,
        messages=messages,
    )


def _line_of(message: Message) -> _Line:
    return _Line(
        role=message.role,
        created_at=_written(message.created_at),
        text=_whole(message.text),
        attachments=tuple(
            _Attached(name=_whole(each.name), media_type=_whole(each.media_type), data=each.data)
            for each in message.attachments
        ),
        reasoning=_whole(message.reasoning),
        model_id=_whole(message.model_id),
        tokens=_sensible(message.tokens, _MOST_TOKENS),
        tokens_per_s=_sensible(message.tokens_per_s, math.inf),
        stopped=message.stopped,
    )


def _message_of(line: _Line, created_at: float) -> Message:
    return Message(
        role=line.role,
        text=line.text,
        created_at=_read_time(line.created_at, created_at),
        attachments=tuple(Attachment(each.name, each.media_type, each.data) for each in line.attachments),
        reasoning=line.reasoning,
        model_id=line.model_id,
        tokens=line.tokens,
        tokens_per_s=line.tokens_per_s,
        stopped=line.stopped,
    )


def _understood(line: bytes, kind: type[Line]) -> tuple[Line | None, bool]:
    """A line as `kind`, None if it is none; and whether that is all that the line has."""
    try:
        return msgspec.json.decode(line, type=kind), True
    except NOT_JSON:
        if len(line) > _MOST_MENDED_BYTES:
            return None, False
    try:
        value = json.loads(_whole(line.decode("utf-8", "replace")))
    except (ValueError, RecursionError):
        return None, False
    if not isinstance(value, dict):
        return None, False
    made = {
        name: _converted(value[name], of_kind) for name, of_kind in _fields(kind).items() if name in value
    }
    try:
        return kind(**{name: each for name, each in made.items() if each is not None}), False
    except TypeError:  # what it cannot do without is not there
        return None, False


@cache
def _fields(kind: type[Struct]) -> dict[str, Any]:
    """The names and types of fields. They are found out once, for that takes longer than reading a line."""
    return {each.name: each.type for each in msgspec.structs.fields(kind)}


def _converted(value: Any, kind: Any) -> Any:
    """A value of a field; None if there is none, or one that the field cannot have."""
    try:
        return msgspec.convert(_without_halves(value), kind)
    except (msgspec.ValidationError, ValueError, RecursionError):
        return None


def _without_halves(value: Any) -> Any:
    match value:
        case str():
            return _whole(value)
        case list():
            return [_without_halves(each) for each in value]
        case dict():
            return {_whole(name): _without_halves(each) for name, each in value.items()}
        case _:
            return value


def _whole(text: str) -> str:
    """A text without halves of characters, left of an emoji that was cut: UTF-8 does not have them."""
    return _HALF_A_CHARACTER.sub("\ufffd", text)


def _sensible(value: Number | None, most: float) -> Number | None:
    """A number from 0 to `most`; None for any other, which would not be read again."""
    return value if value is not None and 0 <= value <= most and math.isfinite(value) else None


def _written(time_s: float) -> datetime:
    return datetime.fromtimestamp(min(max(time_s, 0.0), _LATEST_S) if math.isfinite(time_s) else 0.0, UTC)


def _read_time(value: Time | None, otherwise: float) -> float:
    if value is None:
        return otherwise
    if isinstance(value, datetime):
        value = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return min(max(float(value), 0.0), _LATEST_S) if math.isfinite(value) else otherwise
