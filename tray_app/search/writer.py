"""Changes the files of a collection: adds parts, merges them, drops sources. Any thread; blocks."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tray_app.errors import AppError
from tray_app.search.head import ENDINGS, HEAD, ROWS, TEXTS, VECTORS, Part, Source, write_head
from tray_app.search.opened import Opened
from tray_app.system.disk import disk_space, not_enough_space
from tray_app.system.files import open_private, unwritable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from tray_app.search.head import Head, StoredText


_PART = re.compile(rf"\d{{6,}}\.({'|'.join(map(re.escape, ENDINGS))})")
_UNFINISHED = f".{HEAD}."
"""How the name of a head begins that was not written to its end."""
_SMALL_PART = 4096
"""Parts with fewer texts are merged when there are many. All of these are in memory then: 300 MB at most."""
_MANY_PARTS = 16
_LEAST_LIVE = 0.5
"""A part in which fewer texts than this share are still in the collection is written anew."""


class Writer:
    """Changes a collection that `Shelf.writing` holds. What `keep` has written stays, whatever happens after.

    Every method raises `AppError` if the folder cannot be written.
    """

    def __init__(self, folder: Path, head: Head) -> None:
        self.folder = folder
        self.head = head
        self._sweep()

    def rename(self, name: str) -> None:
        """Give it another name."""
        self._write(replace(self.head, name=name))

    def begin(self, path: str, **facts: Any) -> Source:
        """A source that is new, or has changed; it counts from the first `keep` with texts of it."""
        source = Source(self.head.next_source, path, **facts)
        self.head = replace(self.head, next_source=source.number + 1)
        return source

    def put(self, sources: Sequence[Source]) -> None:
        """Have these sources in place of those with the same paths."""
        self._write(self._with(sources))

    def drop(self, paths: set[str]) -> None:
        """Leave out the texts of these sources."""
        self._write(
            replace(self.head, sources=tuple(each for each in self.head.sources if each.path not in paths))
        )

    def keep(self, texts: Sequence[StoredText], vectors: Any, model: tuple[str, str]) -> None:
        """Add texts with their vectors (float32, a row each), and their sources as they are in the
        last text of each.

        `model`: its id and digest. `AppError` if the disk is full or cannot be written to.
        """
        if not len(texts):
            return
        name = f"{self.head.next_part:06}"
        self._write_part(name, texts, vectors)
        sources = {text.source.path: text.source for text in texts}
        head = self._with(list(sources.values()))
        self._write(
            replace(
                head,
                model_id=model[0],
                model_digest=model[1],
                dimensions=vectors.shape[1],
                parts=(*head.parts, Part(name, len(texts))),
                next_part=head.next_part + 1,
            )
        )
        self.merge()

    def merge(self) -> None:
        """Make one part of many small ones, without the texts that are in the collection no more."""
        small = [part for part in self.head.parts if part.rows < _SMALL_PART]
        if len(small) > _MANY_PARTS:
            self._rewrite(small)
        if wasteful := self._wasteful():
            self._rewrite(wasteful)

    def _wasteful(self) -> list[Part]:
        """The parts to write anew. None is open afterwards: Windows deletes no files that are mapped."""
        opened = Opened(self.folder, self.head)
        return [part for part in self.head.parts if opened.live_share(part) < _LEAST_LIVE]

    def texts_of(self, number: int) -> set[str]:
        """All texts of a source."""
        if not any(source.number == number for source in self.head.sources):
            return set()
        there = Opened(self.folder, self.head).texts()
        return {text.text for text, _ in there if text.source.number == number}

    def take_over(self, other: Writer) -> None:
        """Have all that another collection has, in place of the own; that one is empty afterwards."""
        parts = []
        for number, part in enumerate(other.head.parts, self.head.next_part):
            name = f"{number:06}"
            try:
                for ending in ENDINGS:
                    (other.folder / f"{part.name}.{ending}").replace(self.folder / f"{name}.{ending}")
            except OSError as exc:
                raise unwritable(exc, AppError) from exc
            parts.append(Part(name, part.rows))
        new = other.head
        self._write(
            replace(
                self.head,
                model_id=new.model_id,
                model_digest=new.model_digest,
                dimensions=new.dimensions,
                sources=new.sources,
                parts=tuple(parts),
                next_part=self.head.next_part + len(parts),
            )
        )
        self._sweep()

    def _rewrite(self, parts: Sequence[Part]) -> None:
        import numpy as np

        there = list(Opened(self.folder, replace(self.head, parts=tuple(parts))).texts())
        name = f"{self.head.next_part:06}"
        kept = tuple(part for part in self.head.parts if part not in parts)
        if there:
            self._write_part(name, [text for text, _ in there], np.stack([vector for _, vector in there]))
            kept += (Part(name, len(there)),)
        self._write(replace(self.head, parts=kept, next_part=self.head.next_part + 1))
        del there  # as `_wasteful`
        self._sweep()

    def _with(self, sources: Sequence[Source]) -> Head:
        new = {source.path: source for source in sources}
        stay = (new.pop(each.path, each) for each in self.head.sources)
        return replace(self.head, sources=(*stay, *new.values()))

    def _write(self, head: Head) -> None:
        head = replace(head, updated_at=max(time.time(), self.head.updated_at + 1e-3))
        if not head.texts:  # the next texts may be of another model
            head = replace(head, model_id="", model_digest="", dimensions=0, parts=())
        try:
            write_head(self.folder, head)
        except OSError as exc:
            raise unwritable(exc, AppError) from exc
        self.head = head

    def _write_part(self, name: str, texts: Sequence[StoredText], vectors: Any) -> None:
        import numpy as np

        lines = [json.dumps(each.text, ensure_ascii=False).encode() + b"\n" for each in texts]
        begins = np.concatenate(([0], np.cumsum([len(line) for line in lines])[:-1]))
        numbers = [(each.source.number, each.first, each.last) for each in texts]
        rows = np.column_stack((np.array(numbers, dtype=np.int64), begins.astype(np.int64)))
        self._check_space(vectors.nbytes + rows.nbytes + sum(map(len, lines)))
        try:
            for ending, array in ((VECTORS, vectors), (ROWS, rows)):
                with open(self.folder / f"{name}.{ending}", "wb", opener=open_private) as file:
                    np.save(file, array, allow_pickle=False)
                    _flush(file)
            with open(self.folder / f"{name}.{TEXTS}", "wb", opener=open_private) as file:
                file.writelines(lines)
                _flush(file)
        except OSError as exc:
            raise unwritable(exc, AppError) from exc

    def _check_space(self, wanted_bytes: int) -> None:
        try:
            space = disk_space(self.folder)
        except OSError as exc:
            raise unwritable(exc, AppError) from exc
        if wanted_bytes > space.usable_bytes:
            raise not_enough_space(
                AppError,
                space,
                self.folder,
                wanted_bytes,
                "Free some space, then add the same files again. Texts already in the collection are kept.",
            )

    def _sweep(self) -> None:
        """Delete what an addition that was killed has left, and parts that were merged."""
        named = {part.name for part in self.head.parts}
        with suppress(OSError):  # Windows keeps a file that another program has mapped: the next time
            for each in list(self.folder.iterdir()):
                is_part = _PART.fullmatch(each.name) and each.name.partition(".")[0] not in named
                if is_part or each.name.startswith(_UNFINISHED):
                    with suppress(OSError):
                        each.unlink()


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
