"""Collections on disk: which there are, and the files of one. Any thread; blocks.

A collection is a folder. `collection.json` names its sources and its parts; a part has three files that
never change: `….vectors.npy` (a row of float32 for each text), `….texts.jsonl` (a text in each line) and
`….rows.npy` (for each text: the number of its source, first and last line or page, where its line begins). A
text is in the collection if its source is: the texts of a file that has changed stay in their part, unseen,
until parts are merged.

Whatever ends the program, `collection.json` is either the old or the new one, and files that it does not name
are deleted by the next addition.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import secrets
import shutil
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec
from filelock import Timeout
from msgspec.structs import replace

from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase, presentable
from tray_app.search.collection import Collection, Skipped
from tray_app.search.nearest import flat_map, nearest
from tray_app.system.disk import disk_space, not_enough_space
from tray_app.system.file_lock import locked
from tray_app.system.files import (
    NOT_JSON,
    open_private,
    private_folder,
    read_regular,
    unwritable,
    write_atomically,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Any

    import numpy as np
    import numpy.typing as npt

    from tray_app.phrases import Text
    from tray_app.search.nearest import Near

MOST_TEXTS = 200_000
"""Of one collection. More could not be looked through, one by one, while a person waits."""
NAME_LIMIT = 100
"""Letters of a name."""

HEAD = "collection.json"
"""The file that makes a folder a collection."""
_LOCK = "lock"
_VERSION = 1
_MOST_HEAD_BYTES = 256 * 2**20
_ID = re.compile(r"[0-9a-f]{12}")
_VECTORS, _ROWS, _TEXTS = _ENDINGS = ("vectors.npy", "rows.npy", "texts.jsonl")
_PART = re.compile(rf"\d{{6,}}\.({'|'.join(map(re.escape, _ENDINGS))})")
_UNFINISHED = f".{HEAD}."
"""How the name of a head begins that was not written to its end."""
_NPY_HEAD_BYTES = 256
_NPY_HEAD = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(<[fi][48])', 'fortran_order': False, "
    rb"'shape': \((\d{1,9}), (\d{1,9})\), \} *\n",
    re.DOTALL,
)
"""How the files begin that `np.save` writes here. `np.load` reads many others, of which some run programs."""
_SMALL_PART = 4096
"""Parts with fewer texts are merged when there are many. All of these are in memory then: 300 MB at most."""
_MANY_PARTS = 16
_LEAST_LIVE = 0.5
"""A part in which fewer texts than this share are still in the collection is written anew."""
_COLUMNS = 4
_NEAR = 20
"""So many texts that are near to a question are on the map, however many others there are."""
_SOURCE, _FIRST, _LAST, _BEGIN = range(_COLUMNS)
"""The columns of `….rows.npy`."""


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
    digest: str = ""
    texts: _Count = 0
    """All that it has; for each of the first `kept` there is a vector."""
    kept: _Count = 0
    by_page: bool = False


class _Part(msgspec.Struct, frozen=True):
    name: Annotated[str, msgspec.Meta(pattern=r"^\d{6,9}\Z")]
    rows: _Count


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What `collection.json` says."""

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
    parts: tuple[_Part, ...] = ()
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
    """A text, and where it comes from."""

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


class Shelf:
    """All collections: the folders in one folder, by their ids."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._heads: dict[Path, tuple[tuple[int, int, int], Head]] = {}
        self._opened: Opened | None = None
        """The one that was searched last."""

    def collections(self) -> tuple[tuple[Collection, ...], tuple[Skipped, ...]]:
        """All collections by name, and why others cannot be read, by their folders."""
        there, problems = [], []
        for folder in self._folders():
            try:
                there.append(self._described(folder.name, self.head(folder.name)))
            except AppError as exc:
                problems.append(Skipped(str(folder), exc))
        return tuple(sorted(there, key=lambda each: (each.name.casefold(), each.id))), tuple(problems)

    def collection(self, collection_id: str) -> Collection:
        """One of them; `AppError` if there is none, or it cannot be read."""
        return self._described(collection_id, self.head(collection_id))

    def head(self, collection_id: str) -> Head:
        """What is in one; the same."""
        path = self.folder_of(collection_id) / HEAD
        try:
            info = path.stat()
        except OSError as exc:
            raise _unreadable(path, exc) from exc
        stamp = info.st_mtime_ns, info.st_size, info.st_ino
        known = self._heads.get(path)
        if known is None or known[0] != stamp:
            known = self._heads[path] = stamp, read_head(path)
        return known[1]

    def create(self, name: str) -> Collection:
        """A new collection without texts; `AppError` if it cannot have that name or cannot be written."""
        name = self._free_name(name)
        collection_id = secrets.token_hex(6)
        now_s = time.time()
        try:
            private_folder(self.folder)
            private_folder(self.folder / collection_id)
            write_head(self.folder / collection_id, Head(name=name, created_at=now_s, updated_at=now_s))
        except OSError as exc:
            raise unwritable(exc, AppError) from exc
        return self.collection(collection_id)

    def rename(self, collection_id: str, name: str) -> Collection:
        """Give one another name; `AppError` as above."""
        name = self._free_name(name, but=collection_id)
        with self.writing(collection_id) as writer:
            writer.rename(name)
        return self.collection(collection_id)

    def delete(self, collection_id: str) -> None:
        """Delete one for good, also one that cannot be read."""
        folder = self.folder_of(collection_id)
        with _held(folder):
            with self._lock:
                self._opened = None  # Windows deletes no files that are mapped
                self._heads.pop(folder / HEAD, None)
            try:
                (folder / HEAD).unlink(missing_ok=True)  # first: then it is gone, whatever happens
            except OSError as exc:
                raise unwritable(exc, AppError) from exc
        shutil.rmtree(folder, ignore_errors=True)

    def open(self, collection_id: str) -> Opened:
        """One to search in, as it is now; `AppError` if it cannot be read."""
        while True:
            head = self.head(collection_id)
            with self._lock:
                opened = self._opened
                if opened is not None and opened.head is head:
                    return opened
                try:
                    self._opened = Opened(self.folder_of(collection_id), head)
                except AppError:
                    if self.head(collection_id) is head:
                        raise
                    # Parts were merged meanwhile, and those of this head are gone.

    @contextmanager
    def writing(self, collection_id: str) -> Iterator[Writer]:
        """One to change, which nobody else can change meanwhile. `AppError` if somebody does."""
        folder = self.folder_of(collection_id)
        with _held(folder):
            yield Writer(folder, read_head(folder / HEAD))

    def folder_of(self, collection_id: str) -> Path:
        """Its folder; `AppError` if there is no such collection."""
        folder = self.folder / collection_id
        if not _ID.fullmatch(collection_id) or not folder.is_dir():
            raise AppError(
                ErrorCode.COLLECTION_NOT_FOUND,
                phrase("There is no collection {name}", name=collection_id),
                "It may have been deleted.",
                "Choose another collection.",
            )
        return folder

    def _folders(self) -> list[Path]:
        try:
            there = sorted(self.folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise _unreadable(self.folder, exc) from exc
        # One without a head is being made, or was being deleted.
        return [each for each in there if _ID.fullmatch(each.name) and (each / HEAD).exists()]

    def _free_name(self, name: str, but: str = "") -> str:
        name = presentable(" ".join(name.split()))
        if not name or len(name) > NAME_LIMIT:
            raise _bad_name(phrase("A name can have 1 to {most} characters.", most=NAME_LIMIT))
        if any(
            each.name.casefold() == name.casefold() != "" and each.id != but for each in self.collections()[0]
        ):
            raise _bad_name(phrase("There is already a collection called “{name}”.", name=name))
        return name

    def _described(self, collection_id: str, head: Head) -> Collection:
        return Collection(
            collection_id,
            presentable(head.name),
            head.model_id,
            head.model_digest,
            head.dimensions,
            head.texts,
            head.updated_at,
        )


@dataclass(frozen=True, slots=True)
class _OpenPart:
    """The files of a part. They are mapped, so they are here also when they are deleted meanwhile."""

    vectors: Any
    rows: Any
    lines: mmap.mmap
    live: npt.NDArray[np.bool_] | None
    """Which texts are in the collection; None for all of them."""


class Opened:
    """The vectors and texts of a collection, as they were at one moment; files are mapped, not read."""

    def __init__(self, folder: Path, head: Head) -> None:
        import numpy as np

        self._folder = folder
        self.head = head
        self._sources = {source.number: source for source in head.sources}
        self._live_numbers = np.array(sorted(self._sources), dtype=np.int64)
        self._parts = [self._read(part) for part in head.parts]

    def live_share(self, part: _Part) -> float:
        """Which share of the texts in a part are in the collection."""
        live = self._parts[self.head.parts.index(part)].live
        return 1.0 if live is None else float(live.mean())

    def nearest(self, query: Any, limit: int) -> list[tuple[StoredText, float]]:
        """The nearest texts with their scores, the best first."""
        found: list[Near] = nearest(self._searched(), query, limit)
        return [(self._text(each.part, each.row), each.score) for each in found]

    def flat_map(self, most: int, query: Any = None) -> tuple[Any, tuple[float, float], list[StoredText]]:
        """The places of at most so many texts, evenly chosen; what each axis explains; the texts.

        With a `query`, the texts that are nearest to it take part, and its own place comes last.
        """
        import numpy as np

        places = list(self._places())
        if len(places) > most:
            near = [] if query is None else nearest(self._searched(), query, _NEAR)
            evenly = np.linspace(0, len(places) - 1, max(0, most - len(near)))
            some = (places[int(at)] for at in evenly)
            places = list(dict.fromkeys((*((each.part, each.row) for each in near), *some)))
        vectors = np.empty((len(places), self.head.dimensions), dtype=np.float32)
        for at, (part, row) in enumerate(places):
            vectors[at] = self._parts[part].vectors[row]
        points, explained = flat_map(vectors, None if query is None else query[None, :])
        return points, explained, [self._text(part, row) for part, row in places]

    def _searched(self) -> Iterator[tuple[Any, Any]]:
        return ((part.vectors, part.live) for part in self._parts)

    def texts(self) -> Iterator[tuple[StoredText, Any]]:
        """All texts with their vectors, in the order in which they came."""
        for part, row in self._places():
            yield self._text(part, row), self._parts[part].vectors[row]

    def _places(self) -> Iterator[tuple[int, int]]:
        import numpy as np

        for number, part in enumerate(self._parts):
            rows = range(len(part.rows)) if part.live is None else np.flatnonzero(part.live)
            for row in rows:
                yield number, int(row)

    def _text(self, part: int, row: int) -> StoredText:
        number, first, last, begin = map(int, self._parts[part].rows[row])
        lines = self._parts[part].lines
        try:
            text = msgspec.json.decode(lines[begin : lines.find(b"\n", begin)], type=str)
        except (*NOT_JSON, OverflowError) as exc:
            raise _unreadable(self._file(self.head.parts[part], _TEXTS), exc) from exc
        return StoredText(text, self._sources[number], first, last)

    def _read(self, part: _Part) -> _OpenPart:
        import numpy as np

        vectors = self._array(part, _VECTORS, np.dtype("<f4"), self.head.dimensions)
        rows = self._array(part, _ROWS, np.dtype("<i8"), _COLUMNS)
        live = np.isin(rows[:, _SOURCE], self._live_numbers)
        path = self._file(part, _TEXTS)
        try:
            with path.open("rb") as file:
                lines = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as exc:
            raise _unreadable(path, exc) from exc
        return _OpenPart(vectors, rows, lines, None if live.all() else live)

    def _array(self, part: _Part, ending: str, dtype: Any, columns: int) -> Any:
        import numpy as np

        path = self._file(part, ending)
        try:
            with path.open("rb") as file:
                head = _NPY_HEAD.match(file.read(_NPY_HEAD_BYTES))
            shape = (part.rows, columns)
            if not head or head[1].decode() != dtype.str or (int(head[2]), int(head[3])) != shape:
                raise ValueError("not the numbers that belong here")  # noqa: TRY301 - as for a file cut short
            return np.asarray(np.memmap(path, dtype, "r", offset=head.end(), shape=shape))
        except (OSError, ValueError) as exc:
            raise _unreadable(path, exc) from exc

    def _file(self, part: _Part, ending: str) -> Path:
        return self._folder / f"{part.name}.{ending}"


class Writer:
    """Changes a collection. What `keep` has written stays, whatever happens afterwards."""

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
        """Add texts with their vectors, and their sources as they are in the last text of each.

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
                parts=(*head.parts, _Part(name, len(texts))),
                next_part=head.next_part + 1,
            )
        )
        self.merge()

    def merge(self) -> None:
        """Make one part of many small ones, without the texts that are in the collection no more."""
        small = [part for part in self.head.parts if part.rows < _SMALL_PART]
        if len(small) > _MANY_PARTS:
            self._rewrite(small)
        opened = Opened(self.folder, self.head)
        if wasteful := [part for part in self.head.parts if opened.live_share(part) < _LEAST_LIVE]:
            self._rewrite(wasteful)

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
                for ending in _ENDINGS:
                    (other.folder / f"{part.name}.{ending}").replace(self.folder / f"{name}.{ending}")
            except OSError as exc:
                raise unwritable(exc, AppError) from exc
            parts.append(_Part(name, part.rows))
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

    def _rewrite(self, parts: Sequence[_Part]) -> None:
        import numpy as np

        there = list(Opened(self.folder, replace(self.head, parts=tuple(parts))).texts())
        name = f"{self.head.next_part:06}"
        kept = tuple(part for part in self.head.parts if part not in parts)
        if there:
            self._write_part(name, [text for text, _ in there], np.stack([vector for _, vector in there]))
            kept += (_Part(name, len(there)),)
        self._write(replace(self.head, parts=kept, next_part=self.head.next_part + 1))
        del there  # Windows deletes no files that are mapped
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
            for ending, array in ((_VECTORS, vectors), (_ROWS, rows)):
                with open(self.folder / f"{name}.{ending}", "wb", opener=open_private) as file:
                    np.save(file, array, allow_pickle=False)
                    _flush(file)
            with open(self.folder / f"{name}.{_TEXTS}", "wb", opener=open_private) as file:
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
        raise _unreadable(path, exc) from exc
    if sum(part.rows for part in head.parts) < head.texts:
        raise _unreadable(path, ValueError("parts are missing"))
    # Whatever the file says: nothing is written over a part that there is, and no source becomes another.
    return replace(
        head,
        next_part=max([head.next_part, *(int(part.name) + 1 for part in head.parts)]),
        next_source=max([head.next_source, *(source.number + 1 for source in head.sources)]),
    )


def write_head(folder: Path, head: Head) -> None:
    """Replace the head of a collection. `OSError`."""
    write_atomically(folder / HEAD, msgspec.json.encode(head))


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / _LOCK))
        except Timeout as exc:
            raise AppError(
                ErrorCode.COLLECTION_IN_USE,
                "The collection is busy",
                "Texts are being added to it.",
                "Wait until that is done, or cancel it.",
            ) from exc
        except OSError as exc:
            raise unwritable(exc, AppError) from exc
        yield


def _bad_name(reason: Text) -> AppError:
    return AppError(
        ErrorCode.COLLECTION_NAME_INVALID,
        "The collection cannot have this name",
        reason,
        "Choose another name.",
    )


def _unreadable(path: Path, exc: Exception) -> AppError:
    return AppError(
        ErrorCode.COLLECTION_UNREADABLE,
        "The collection could not be read",
        phrase("{path}: {reason}", path=path, reason=getattr(exc, "strerror", None) or exc),
        "Delete it, then add your files to a new collection. The files themselves are unchanged.",
    )
