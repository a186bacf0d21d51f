"""JSON whose values stay as they are written, so that no text becomes a Python string. Pure."""

from __future__ import annotations

import codecs
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Raw

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.utf8 import check_utf8
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterable

NULL = Raw(b"null")
Fields = dict[str, Raw]
"""A body whose values are not decoded."""
_HALF_A_CHARACTER = re.compile(
    rb"\\u[dD][89abAB]\w\w(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]\w\w)\\u[dD][c-fC-F]\w\w"
)
"""A surrogate without its partner, as JavaScript writes a text that was cut within an emoji."""
Body = TypeVar("Body")


def decode(data: bytes, kind: type[Body]) -> Body:
    """A body as a value of `kind`.

    Raises
    ------
    ApiError
        400 if it is not JSON, is nested too deeply, or has a field of the wrong type.

    """
    try:
        check_utf8(data)
    except UnicodeDecodeError as exc:
        if b"\0" in data[:4]:
            raise _other_encoding() from exc
        raise ApiError(400, "The body is not encoded in UTF-8.") from exc
    return decode_part(data.removeprefix(codecs.BOM_UTF8), kind)


def from_json(data: bytes | Raw, kind: type[Body]) -> Body:
    """As `msgspec.json.decode`, which looks anew at a type such as `dict[str, Raw]` each time: that takes
    longer than to decode a short body.
    """
    value: Body = _decoder(kind).decode(data)  # type: ignore[arg-type]  # a type can be a key
    return value


@cache
def _decoder(kind: object) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode_part(data: bytes | Raw, kind: type[Body]) -> Body:
    """As `decode`, for what is known to be UTF-8 already: a part of a body that was decoded."""
    try:
        return from_json(data, kind)
    except msgspec.ValidationError as exc:
        found = re.search(r"`\$\.(\w+)", str(exc))
        raise ApiError(400, f"The body is not valid: {exc}", param=found[1] if found else None) from exc
    except NOT_JSON as exc:
        if b"\0" in bytes(data)[:4]:  # JSON begins with two characters of ASCII at least, and has no NUL
            raise _other_encoding() from exc
        if half := _HALF_A_CHARACTER.search(data):
            raise ApiError(
                400,
                f"The body is not valid: {half[0].decode()} at byte {half.start()} is half of a "
                "character. Cut texts between characters, not within them.",
            ) from exc
        raise ApiError(400, f"The body is not JSON: {exc}") from exc


def _other_encoding() -> ApiError:
    return ApiError(400, "The body is encoded in UTF-16 or UTF-32. Send it in UTF-8.")


_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def ascii_json(data: bytes) -> bytes:
    """JSON in ASCII, with all other characters escaped: a client may cut it anywhere without damaging a
    character.
    """
    if data.isascii():
        return data
    return _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], data.decode()).encode()


def value_of(fields: Fields, name: str) -> object:
    """A field as a value; None if it is not there."""
    return decode_part(fields.get(name, NULL), object)


def size_of(fields: Fields) -> int:
    """How many bytes the values of a body have, in JSON."""
    return sum(memoryview(value).nbytes for value in fields.values())


def raw(value: object) -> Raw:
    """A value in JSON."""
    return Raw(msgspec.json.encode(value))


def opening(value: Raw) -> bytes:
    """The first byte of a value, by which JSON tells texts, lists and objects apart."""
    return bytes(memoryview(value)[:1])


def is_text(value: Raw) -> bool:
    """Whether it is a string."""
    return opening(value) == b'"'


def inside(text: Raw) -> bytes:
    """What a string has between its quotation marks."""
    return bytes(memoryview(text)[1:-1])


def joined(texts: Iterable[Raw], between: bytes = b"") -> Raw:
    """Strings as one; `between` stands between them, as JSON writes it."""
    return Raw(b'"%s"' % between.join(map(inside, texts)))
