"""English texts that a user interface may say in another language, with the values they speak of. Pure.

What a person may read is written where it is known, far below any window. A `Phrase` keeps its words apart
from its values, so that the words can be translated later; `str()` of it is the English text.
"""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sentence with values in it."""

    template: str
    """English words, with a `{name}` for each value."""
    values: Mapping[str, object]
    """Numbers with a format in the template (`{size:.1f}`) are told as the person's language writes them;
    values that are phrases are translated too."""

    def __str__(self) -> str:
        return self.template.format(**self.values)


Text = str | Phrase
"""What a person may read. A `str` is translated if it stands in the sources as it is, else shown as it is."""


_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_NOT_SHOWN = ("Cs", "Cc", "Cf", "Zl", "Zp")
"""Unicode's classes of what no screen shows: halves of characters, controls, formatting, ends of lines."""
_JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
"""Formatting that languages and emoji are written with."""


def presentable(name: object) -> str:
    """The name of a file, or a path, in one line that every screen, log and JSON takes.

    Bytes that are no letters of UTF-8 (Python keeps them as surrogates), control characters, ends of lines
    and what turns the direction of writing become "�"; all else stays. What it gives is for reading: it may
    name no file any more.
    """
    text = os.fspath(name) if isinstance(name, os.PathLike) else str(name)
    if text.isprintable():
        return text
    return "".join(_REPLACEMENT if _is_not_shown(sign) else sign for sign in text)


def _is_not_shown(sign: str) -> bool:
    return unicodedata.category(sign) in _NOT_SHOWN and sign not in _JOINERS


def phrase(template: str, **values: object) -> Phrase:
    """A phrase. `template` is a literal: `dev.py translate` collects these calls.

    Paths and texts among the values are made `presentable`.
    """
    shown = {
        key: presentable(value) if isinstance(value, str | os.PathLike) else value
        for key, value in values.items()
    }
    return Phrase(template, shown)


def joined(separator: str, parts: Iterable[Text]) -> Phrase:
    """Texts in a row."""
    values = {f"part{number}": part for number, part in enumerate(parts)}
    return Phrase(separator.join(f"{{{name}}}" for name in values), values)
