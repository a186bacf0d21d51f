"""The values of settings as people type and read them. Pure."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import msgspec

from tray_app.settings.fields import field_named
from tray_app.settings.schema import AUTO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.settings.fields import Field

_NEEDS_QUOTES = re.compile(r"""^$|^\[|[\s"'\\]""")


def parse_value(name: str, text: str) -> Any:
    """The value of a setting that a person has typed; `SettingsError` if the setting cannot have it."""
    field = field_named(name)
    try:
        text.encode()  # a TOML file cannot contain undecodable bytes
        return field.check(_from_text(field, text))
    except (ValueError, RecursionError) as exc:  # raised by int, float, shlex, or the parsers of lists
        raise field.refusal(text) from exc


def _from_text(field: Field, text: str) -> object:
    if field.may_be_auto and text == AUTO:
        return AUTO
    if field.kind is bool:
        words = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
        return words.get(text.lower(), text)
    if field.kind is tuple:
        if text.strip().startswith("["):
            return _bracketed(text.strip())
        return _words(text, separators=",;" if field.read_entry else "")
    return field.kind(text)


def value_text(value: object) -> str:
    """A setting's value as it is typed; `parse_value` reads it back."""
    return list_text(value) if isinstance(value, tuple) else str(value)


def list_text(words: Iterable[str]) -> str:
    """A list as it is typed; `parse_value` reads it back."""
    return " ".join(shlex.quote(word) if _NEEDS_QUOTES.search(word) else word for word in words)


def _words(text: str, separators: str) -> list[str]:
    """The words of a text as a shell reads them; on Windows a backslash is an ordinary character."""
    reader = shlex.shlex(text, posix=True)
    reader.whitespace += separators
    reader.whitespace_split = True
    reader.commenters = ""
    if sys.platform == "win32":
        reader.escape = ""
    return list(reader)


def _bracketed(text: str) -> list[Any]:
    """A list as JSON, TOML and `settings get` write it; `ValueError` if it is none."""
    try:
        return list(msgspec.json.decode(text, type=list))
    except msgspec.DecodeError:
        return list(tomllib.loads(f"list = {text}")["list"])
