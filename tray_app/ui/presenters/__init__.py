"""What each view shows for a snapshot: pure functions from values to words, shapes and permitted actions.

No Qt here, so every word and every state is tested without a display. Texts and numbers go through the
translator that the caller passes as `tr`; `dev.py translate` collects the literals of its calls.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

from tray_app.phrases import Phrase

if TYPE_CHECKING:
    from tray_app.phrases import Text

_FIRST_GROUPED = 10_000


class Translate:
    """What is said and how numbers are written in a person's language; this one speaks English."""

    def __call__(self, text: str) -> str:
        """A text that stands here in the sources, as a literal."""
        return self._lookup(text)

    def count(self, one: str, many: str, count: int) -> str:
        """So many of something: `one` and `many` are literals with `{count}`, for 1 and for other numbers."""
        return self._lookup_counted(one, many, count).format(count=self.number(count))

    def said(self, text: Text) -> str:
        """A text from below the user interface."""
        if isinstance(text, Phrase):
            return _Formatter(self).format(self._lookup(text.template), **text.values)
        return self._lookup(text)

    def number(self, value: float, decimals: int = 0, *, signed: bool = False) -> str:
        """A number with so many decimals, and a `+` if it is `signed` and not negative."""
        written = self._written(value, decimals, grouped=abs(value) >= _FIRST_GROUPED)
        return f"+{written}" if signed and value >= 0 else written

    def _lookup(self, text: str) -> str:
        return text

    def _lookup_counted(self, one: str, many: str, count: int) -> str:
        return one if count == 1 else many

    def _written(self, value: float, decimals: int, *, grouped: bool) -> str:
        return f"{value:{',' if grouped else ''}.{decimals}f}"


class _Formatter(string.Formatter):
    """Puts values into a translated template: those with a format are numbers, the others as they are."""

    def __init__(self, tr: Translate) -> None:
        self._tr = tr

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, Phrase):
            return self._tr.said(value)
        if format_spec:
            return self._tr.number(value, int(format_spec.strip(",.f") or 0))
        return str(value)
