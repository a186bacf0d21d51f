"""English texts that a user interface may say in another language, with the values they speak of. Pure.

What a person may read is written where it is known, far below any window. A `Phrase` keeps its words apart
from its values, so that the words can be translated later; `str()` of it is the English text.
"""

from __future__ import annotations

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


def phrase(template: str, **values: object) -> Phrase:
    """A phrase. `template` is a literal: `dev.py translate` collects these calls."""
    return Phrase(template, values)


def joined(separator: str, parts: Iterable[Text]) -> Phrase:
    """Texts in a row."""
    values = {f"part{number}": part for number, part in enumerate(parts)}
    return Phrase(separator.join(f"{{{name}}}" for name in values), values)
