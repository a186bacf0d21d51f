"""Finds settings by what people call them. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.phrases import Translate
    from tray_app.settings.fields import Field
    from tray_app.settings.keys import Key

_MAY_BE_ACCENT = re.compile("[\u0300-\U0010ffff]")
"""No character before these is an accent, so most of a text need not be looked at one by one."""


def words_of(what: Field | Key, others: Iterable[str], tr: Translate) -> str:
    """The words by which a setting or key is found: name, texts (also in English) and `others`, `folded`."""
    texts = (what.title, what.help, what.details, what.words)
    said = [tr.said(text) for text in texts]
    return folded(" ".join((what.name, what.name.replace("_", " "), *map(str, texts), *said, *others)))


def is_found(words: str, typed: str) -> bool:
    """Whether each typed word occurs in `words`, which are `folded`."""
    return all(word in words for word in folded(typed).split())


def folded(text: str) -> str:
    """A text in lower case without accents, for comparisons."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return _MAY_BE_ACCENT.sub(lambda found: "" if unicodedata.combining(found[0]) else found[0], parts)
