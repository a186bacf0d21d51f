"""Aliases of models: which texts can be one, and when two names are the same. Pure."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from tray_app.errors import ErrorCode, SettingsError
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from tray_app.phrases import Text

_LONGEST = 200
"""In characters. Longer than the name of any published model; errors for clients show it in full."""
_SEPARATORS = ",;"
"""The separators in a typed list of aliases."""


def read_alias(text: str) -> str:
    """An alias as it is kept; `SettingsError` if the text cannot be one."""
    name = unicodedata.normalize("NFC", text.strip())
    if not name or not name.isprintable() or len(name) > _LONGEST:
        raise _refusal(
            text,
            phrase(
                "{entry} must have 1 to {count} visible characters.",
                entry=repr(text),
                count=_LONGEST,
            ),
        )
    if any(sign in name for sign in _SEPARATORS):
        raise _refusal(
            text, phrase("{entry} contains a comma or semicolon, which separates names.", entry=repr(text))
        )
    if name.startswith(("/", "\\", ".", "~", "-", "hf:", "http:", "https:", "file:")):
        raise _refusal(text, phrase("{entry} looks like a path, a URL or an option.", entry=repr(text)))
    return name


def same_name(text: str) -> str:
    """A form of a name that is equal for names that differ only in upper and lower case."""
    return unicodedata.normalize("NFC", text.strip()).casefold()


def _refusal(text: str, reason: Text) -> SettingsError:
    return SettingsError(
        ErrorCode.ALIAS_INVALID,
        phrase("A model cannot be named {entry}", entry=repr(text)),
        reason,
        "For example: gpt-4o-mini",
    )
