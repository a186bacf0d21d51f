"""What is in the body of a request: null fields, stop texts, letters, addresses of pictures. Pure.

Many clients send every option they know, with null for those that are not set: these are left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from tray_app.gateway.openai import stop_words
from tray_app.gateway.raw_json import NULL, Fields, decode_part, from_json, opening
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterable

_WITH_OPTIONS = (
    *("messages", "tools", "tool_choice", "response_format"),
    *("stream_options", "chat_template_kwargs", "logit_bias"),
)
"""Fields that have options within."""
_NOT_FIRST = bytes(range(0x80, 0xC0))
"""The bytes of UTF-8 that go on with a letter."""
_BACKSLASH, _DIGITS = rb"\\", 4
"""How JSON writes a backslash, and in how many digits any other letter."""
_SCHEMAS = frozenset({"parameters", "schema", "arguments"})
"""In a JSON schema and in the arguments of a tool call, null is a value."""
_NULL_OPTION = re.compile(rb":\s*null")
"""Four letters of a picture may well be `null`, but no colon is before them."""
_NO_TEXT = frozenset({"image_url", "input_audio", "video_url", "file", "image", "audio", "video"})
"""Parts of a message that are not text; their data is long."""

_MEDIA = _NO_TEXT - {"file"} | {"input_video", "audio_url"}
_OPENING_BYTES = 64
"""Where an address says that it is one. What it is the address of has more."""
_DATA = b'"data:'
_OF_ADDRESSES = re.compile(rb":|\\u")
"""What is in an address but not in base64, however JSON writes it."""


def without_nulls(fields: Fields) -> Fields:
    """The fields that are not null, without options in them that are null."""
    present = {name: value for name, value in fields.items() if value != NULL}
    for name in _WITH_OPTIONS:
        if name in present and _NULL_OPTION.search(present[name]):
            present[name] = Raw(msgspec.json.encode(_pruned(msgspec.json.decode(present[name]))))
    return present


def letters_of(fields: Fields, names: Iterable[str], least: int) -> int:
    """How many letters these fields hold, but for pictures and sound; 0 if `least` bytes hold them."""
    held = [fields[name] for name in names if name in fields]
    if sum(memoryview(each).nbytes for each in held) <= least:
        return 0
    return sum(map(_letters, held))


def _letters(value: Raw) -> int:
    """As JSON, where what counts for nothing takes no memory."""
    match opening(value):
        case b'"':
            return letters_in(value)
        case b"{":
            items = decode_part(value, Fields).items()
            return sum(_letters(inner) for name, inner in items if name not in _NO_TEXT)
        case b"[":
            return sum(map(_letters, decode_part(value, list[Raw])))
        case _:
            return 0


def letters_in(text: Raw) -> int:
    r"""How many letters a text in JSON has; those written as two halves (\ud83d\ude00) count twice."""
    letters = bytes(text)[1:-1]
    if not letters.isascii():
        letters = letters.translate(None, _NOT_FIRST)
    if b"\\" not in letters:
        return len(letters)
    letters = letters.replace(_BACKSLASH, b"-")
    return len(letters) - letters.count(b"\\") - _DIGITS * letters.count(b"\\u")


def address_within(messages: Raw) -> str | None:
    """The place of the first picture, sound or film of which a chat tells only where it is; None if there is
    none. Messages that are not as they should be have none: no engine reads them.
    """
    for number, message in enumerate(_items(messages)):
        for place, part in enumerate(_items(_members(message).get("content", NULL))):
            media = [value for name, value in _members(part).items() if name in _MEDIA]
            told = [inner for value in media for inner in (value, *_members(value).values())]
            if any(map(_is_address, told)):
                return f"messages[{number}].content[{place}]"
    return None


def _is_address(value: Raw) -> bool:
    opening = bytes(memoryview(value)[:_OPENING_BYTES])
    is_text = opening.startswith(b'"')
    return is_text and not opening.startswith(_DATA) and _OF_ADDRESSES.search(opening) is not None


def _items(value: Raw) -> list[Raw]:
    """Those of a list in JSON; none of anything else."""
    try:
        return from_json(value, list[Raw])
    except NOT_JSON:
        return []


def _members(value: Raw) -> Fields:
    """Those of an object in JSON; none of anything else."""
    try:
        return from_json(value, Fields)
    except NOT_JSON:
        return {}


def with_stops(fields: Fields, stop: object) -> Fields:
    """The fields without empty stop texts, at which llama.cpp would stop before the first token."""
    if isinstance(stop, str | list) and "" in ([stop] if isinstance(stop, str) else stop):
        left = list(stop_words(stop))
        fields = {name: value for name, value in fields.items() if name != "stop"}
        return {**fields, "stop": Raw(msgspec.json.encode(left))} if left else fields
    return fields


def _pruned(value: Any) -> Any:
    match value:
        case dict():
            return {
                name: inner if name in _SCHEMAS else _pruned(inner)
                for name, inner in value.items()
                if inner is not None or name == "content"  # a message that calls a tool may have no content
            }
        case list():
            return [_pruned(inner) for inner in value]
        case _:
            return value
