"""What a collection consists of on disk, and the file that says it. Any thread; blocks.

A collection is a folder. `collection.json` names its sources and its parts; a part has three files that
never change: `….vectors.npy` (a row of float32 for each text), `….texts.jsonl` (a text in each line) and
`….rows.npy` (for each text: the number of its source, first and last line or page, where its line begins). A
text is in the collection if its source is: the texts of a file that has changed stay in their part, unseen,
until parts are merged.

Whatever ends the program, `collection.json` is either the old or the new one, and files that it does not name
are deleted by the next addition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec.structs import replace

from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase
from tray_app.system.files import NOT_JSON, read_regular, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.phrases import Text

MOST_TEXTS = 200_000
"""Of one collection. More could not be looked through, one by one, while a person waits."""
HEAD = "collection.json"
"""The file that makes a folder a collection."""
VECTORS, ROWS, TEXTS = ENDINGS = ("vectors.npy", "rows.npy", "texts.jsonl")
"""Of the files of a part, behind its name and a dot."""
_VERSION = 1
_MOST_HEAD_BYTES = 256 * 2**20

_Count = Annotated[int, msgspec.Meta(ge=0, lt=10**9)]
_Time = Annotated[float, msgspec.Meta(ge=0, lt=10**11)]


class Source(msgspec.Struct, frozen=True):
    """A file whose texts are in the collection, or what was pasted."""

    number: _Count
    """No other source of this collection ever has it."""
    path: str
    """Or `PASTED`."""
    size_bytes: int = 0
    modified_ns: int = 0
    """Since 1970."""
    digest: str = ""
    """SHA-256 of the file; empty for what was pasted."""
    texts: _Count = 0
    """All that it has; for each of the first `kept` there is a vector."""
    kept: _Count = 0
    by_page: bool = False
    """Whether its texts are counted by pages, as those of a PDF, and not by lines."""


class Part(msgspec.Struct, frozen=True):
    """Texts that were written together: what the names of its files begin with, and how many there are."""

    name: Annotated[str, msgspec.Meta(pattern=r"^\d{6,9}\Z")]
    rows: _Count


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What `collection.json` says. Times are seconds since 1970."""

    version: int = _VERSION
    name: str
    created_at: _Time
    updated_at: _Time
    model_id: str = ""
    model_digest: str = ""
    dimensions: _Count = 0
    rebuilds: float = 0.0
    """For a collection that is to replace another: the `updated_at` of that one."""
    sources: tuple[Source, ...] = ()
    parts: tuple[Part, ...] = ()
    next_source: _Count = 1
    next_part: _Count = 1

    @property
    def texts(self) -> int:
        """How many texts have vectors."""
        return sum(source.kept for source in self.sources)


class _Version(msgspec.Struct):
    version: int


@dataclass(frozen=True, slots=True)
class StoredText:
    """A text, and where it comes from: its first and last line or page, counted from 1."""

    text: str
    source: Source
    first: int
    last: int

    @property
    def place(self) -> Text:
        """Where in its source it is."""
        if self.source.by_page:
            return phrase("page {number}", number=self.first)
        if self.first == self.last:
            return phrase("line {number}", number=self.first)
        return phrase("lines {first}\N{EN DASH}{last}", first=self.first, last=self.last)


def read_head(path: Path) -> Head:
    """The head of a collection; `AppError` if it is damaged, or a newer version's."""
    try:
        raw = read_regular(path, _MOST_HEAD_BYTES)
        if msgspec.json.decode(raw, type=_Version).version > _VERSION:
            raise AppError(
                ErrorCode.COLLECTION_FILE_NEWER,
                "This collection was saved by a newer version of this app",
                str(path),
                "Update this app, or create a new collection.",
            )
        head = msgspec.json.decode(raw, type=Head)
    except (OSError, *NOT_JSON) as exc:
        raise unreadable(path, exc) from exc
    if sum(part.rows for part in head.parts) < head.texts:
        raise unreadable(path, ValueError("parts are missing"))
    # Whatever the file says: nothing is written over a part that there is, and no source becomes another.
    return replace(
        head,
        next_part=max([head.next_part, *(int(part.name) + 1 for part in head.parts)]),
        next_source=max([head.next_source, *(source.number + 1 for source in head.sources)]),
    )


def write_head(folder: Path, head: Head) -> None:
    """Replace the head of a collection. `OSError`."""
    write_atomically(folder / HEAD, msgspec.json.encode(head))


def unreadable(path: Path, exc: Exception) -> AppError:
    """What is told of a file of a collection that cannot be read."""
    return AppError(
        ErrorCode.COLLECTION_UNREADABLE,
        "The collection could not be read",
        phrase("{path}: {reason}", path=path, reason=getattr(exc, "strerror", None) or exc),
        "Delete it, then add your files to a new collection. The files themselves are unchanged.",
    )
