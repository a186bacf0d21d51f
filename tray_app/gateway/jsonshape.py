"""Whether JSON is built so that it costs far more than its size: keys, depth, digits, values. Pure.

Everything here is a search by the machine's own routines: a body of 32 MiB takes some hundredths of a second,
and one that is refused not more.
"""

from __future__ import annotations

from dataclasses import dataclass

from tray_app.gateway import limits
from tray_app.gateway.openai import ApiError

_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_NUMBER = b"0" * (limits.MAX_DIGITS + 1)
_BUT_STRUCTURE = bytes(set(range(256)) - set(b"{}[]:"))
_CLOSING = b"}]"
_COLON = ord(":")


@dataclass(frozen=True, slots=True)
class Excess:
    """What there is too much of, in words."""

    words: str


def check_body(data: bytes) -> None:
    """Refuse a body that would keep an engine, or us, busy for minutes; `ApiError` 400."""
    if found := excess(data, limits.MAX_STRINGS):
        raise ApiError(400, f"The body has {found.words}.", code="body_too_complex")


def check_answer(data: bytes) -> None:
    """Refuse such an answer of a remote server; `ApiError` 502."""
    if found := excess(data, limits.MAX_ANSWER_STRINGS):
        raise ApiError(
            502, f"The remote server's answer has {found.words}.", code="engine_answer", final=True
        )


def excess(data: bytes, most_strings: int) -> Excess | None:
    """What a JSON text has too much of; None if it is of a usual build, or no JSON at all."""
    if (
        len(data) <= limits.MAX_DIGITS
        and data.count(b":") <= limits.MAX_KEYS
        and data.count(b"{") + data.count(b"[") <= limits.MAX_DEPTH
    ):
        return None
    plain = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    if plain.count(b'"') > 2 * most_strings:
        return Excess(f"more than {most_strings} texts and names")
    outside = b'"'.join(plain.split(b'"')[::2])
    del plain
    if outside.count(b",") > limits.MAX_NUMBERS:
        return Excess(f"more than {limits.MAX_NUMBERS} values")
    if _LONG_NUMBER in outside.translate(_DIGITS):
        return Excess(f"a number of more than {limits.MAX_DIGITS} digits")
    return _nested_excess(outside.translate(None, _BUT_STRUCTURE), most_strings)


def _nested_excess(structure: bytes, most_brackets: int) -> Excess | None:
    """The same for nothing but brackets and colons."""
    brackets = structure.count(b"{") + structure.count(b"[")
    if brackets > most_brackets:
        return Excess(f"more than {most_brackets} objects and lists")
    if brackets <= limits.MAX_DEPTH and structure.count(b":") <= limits.MAX_KEYS:
        return None
    keys = [0]
    for sign in structure:
        if sign == _COLON:
            keys[-1] += 1
            if keys[-1] > limits.MAX_KEYS:
                return Excess(f"an object with more than {limits.MAX_KEYS} keys")
        elif sign not in _CLOSING:
            keys.append(0)
            if len(keys) > limits.MAX_DEPTH + 1:
                return Excess(f"more than {limits.MAX_DEPTH} objects and lists within each other")
        elif len(keys) > 1:  # else it is no JSON: whoever reads it says so
            keys.pop()
    return None
