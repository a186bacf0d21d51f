"""English texts with values, which the user interface can translate, and harmless forms of untrusted text.
Pure.

Texts for people are written where their facts are known, far below any window. A `Phrase` keeps its words
apart from its values, so that the words can be translated later; its `str()` is the English text. Untrusted
text (from servers, engines, models, file names) is made harmless here and nowhere else.
"""

from __future__ import annotations

import json
import os
import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sentence with values in it."""

    template: str
    """The English text, with a `{name}` for each value."""
    values: Mapping[str, object]
    """Numbers with a format in the template (`{size:.1f}`) are formatted for the user's language; values that
    are phrases are translated, too."""

    def __str__(self) -> str:
        return self.template.format(**self.values)


Text = str | Phrase
"""A text for people. A `str` is translated if it is a literal in the sources, and otherwise shown as it
is."""


LINE_LIMIT = 200
"""The most characters of untrusted text in a message: about two lines in a window."""
_FIRST_GROUPED = 10_000
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_SIGNS = (
    "\x00-\x1f\x7f-\x9f"  # control characters: they control terminals and end lines
    "\u2028\u2029"  # ends of lines and paragraphs
    "\ud800-\udfff"  # lone surrogates, with which Python represents undecodable bytes
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # the direction of writing
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u3164\ufeff\uffa0"  # invisible
    "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\ufff9-\ufffb\U000110bd\U000110cd"  # drawn over the next ones
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
    "\ufdd0-\ufdef"  # noncharacters, like the last two of each plane: D-Bus and XML refuse them
    + "".join(f"{chr(plane | 0xFFFE)}{chr(plane | 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
)
_JOINERS = "\u200c\u200d"
_HARMFUL = re.compile(f"[{_SIGNS}{_JOINERS}]")
"""Characters that untrusted text (from a server, an engine, a file name, a model) may not contain, because
they control a terminal, end a line, change the direction of writing, or are invisible. All others stay.

Joiners are included, and some of them are allowed, see `_joins`."""
_WITHIN_WORDS = re.compile(f"[^{_SIGNS}{_JOINERS}\x00-\x7f]")


def presentable(name: object) -> str:
    """An untrusted text, such as a file name or path, as one line that every screen, log and JSON accepts.

    Harmful characters become "�". The result is only for display: it may no longer be the name of the file.
    """
    text = os.fspath(name) if isinstance(name, os.PathLike) else str(name)
    return rewritten(text, lambda _: _REPLACEMENT)


def rewritten(text: str, rewrite: Callable[[str], str], kept: str = "") -> str:
    """An untrusted text with `rewrite(character)` for each harmful character that is not in `kept`."""
    there = set(text).difference(kept)  # engines print a lot of text with few different characters
    if not (harmful := _HARMFUL.findall("".join(there))):
        return text
    found_here = re.compile(f"[{re.escape(''.join(harmful))}]")
    return found_here.sub(lambda found: found[0] if _joins(found) else rewrite(found[0]), text)


def _joins(found: re.Match[str]) -> bool:
    """Whether it is a joiner between letters or symbols that may need one, such as emoji.

    Elsewhere, a joiner only makes different names look alike.
    """
    if found[0] not in _JOINERS:
        return False
    before, after = (
        found.string[max(0, found.start() - 1) : found.start()],
        found.string[found.end() : found.end() + 1],
    )
    return all(map(_WITHIN_WORDS.match, (before, after)))


def one_line(text: object) -> str:
    """An untrusted text as part of a message: one line of at most `LINE_LIMIT` characters."""
    words = str(text)[: 10 * LINE_LIMIT].split()
    line = presentable(" ".join(words))
    return line if len(line) <= LINE_LIMIT else f"{line[: LINE_LIMIT - 1]}…"


def visible(text: str, kept: str = "\n\t") -> str:
    r"""A text of several lines, with escapes such as `\x1b` for harmful characters that are not in `kept`."""
    return rewritten(text, _escaped, kept)


def json_text(value: object) -> str:
    """JSON for people: harmful characters in it are written as JSON's escapes."""
    return rewritten(json.dumps(value, ensure_ascii=False), _escaped_for_json)


def _escaped_for_json(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode()


def phrase(template: str, **values: object) -> Phrase:
    """A phrase. `template` must be a literal, because `dev.py translate` collects these calls.

    All values except numbers and phrases are made `presentable`.
    """
    shown = {
        key: value if isinstance(value, Phrase | int | float) else presentable(value)
        for key, value in values.items()
    }
    return Phrase(template, shown)


def joined(separator: str, parts: Iterable[Text]) -> Phrase:
    """Texts joined by a separator, as a phrase."""
    values = {f"part{number}": part for number, part in enumerate(parts)}
    return Phrase(separator.join(f"{{{name}}}" for name in values), values)


class Translate:
    """Texts and numbers in the user's language; this class is for English."""

    def __call__(self, text: str) -> str:
        """The translation of a literal."""
        return self._lookup(text)

    def count(self, one: str, many: str, count: int) -> str:
        """The translation of a text with a number: `one` and `many` are literals with `{count}`, for 1 and
        others.
        """
        return self._lookup_counted(one, many, count).format(count=self.number(count))

    def said(self, text: Text) -> str:
        """The translation of a text from outside the user interface."""
        if isinstance(text, Phrase):
            return _Formatter(self).format(self._lookup(text.template), **text.values)
        return self._lookup(text)

    def number(self, value: float, decimals: int = 0, *, signed: bool = False) -> str:
        """A number with this many decimals, and a `+` if it is `signed` and not negative."""
        written = self._written(value, decimals, grouped=abs(value) >= _FIRST_GROUPED)
        return f"+{written}" if signed and value >= 0 else written

    def _lookup(self, text: str) -> str:
        return text

    def _lookup_counted(self, one: str, many: str, count: int) -> str:
        return one if count == 1 else many

    def _written(self, value: float, decimals: int, *, grouped: bool) -> str:
        return f"{value:{',' if grouped else ''}.{decimals}f}"


class _Formatter(string.Formatter):
    """Inserts values into a translated template: numbers with a format in the user's language, others
    unchanged.
    """

    def __init__(self, tr: Translate) -> None:
        self._tr = tr

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, Phrase):
            return self._tr.said(value)
        if format_spec:
            return self._tr.number(value, int(format_spec.strip(",.f") or 0))
        return str(value)
