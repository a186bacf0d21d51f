"""Adds texts to a collection: reads what is new, has it embedded, keeps it bit by bit. Any thread; blocks."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import msgspec
from msgspec import structs

from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase
from tray_app.search.collection import PASTED, AddReport, Skipped
from tray_app.search.head import MOST_TEXTS, StoredText
from tray_app.search.nearest import unit_vectors
from tray_app.search.passages import passages_of_lines
from tray_app.search.reading import content_of, digest_of, files_of
from tray_app.system.files import unwritable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from threading import Event
    from typing import Any

    from tray_app.search.head import Source
    from tray_app.search.passages import Passage
    from tray_app.search.reading import Content, FoundFile
    from tray_app.search.writer import Writer

KEPT_AT_ONCE = 1024
"""So many texts are written together, or fewer if that takes longer than this:"""
KEPT_AFTER_S = 10.0
"""What is lost, at most, when the computer breaks down."""

_FEWEST, _MOST = 4, 64
"""Texts of one request."""
_SOON_S = 1.0
"""A request takes about this long, so that a person who cancels need not wait."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors of texts, in their order, and what made them."""

    vectors: Sequence[Sequence[float]]
    model_id: str
    model_digest: str


class Embed(Protocol):
    """Makes vectors of texts with a model, of an empty name with the one that is meant then. `AppError`."""

    def __call__(self, texts: Sequence[str], model_id: str) -> Embedded:
        """The vectors of some texts."""


class Filling:
    """One addition. `tell` and `cancelled`: see `SearchManager.add_files`."""

    def __init__(
        self, writer: Writer, embed: Embed, tell: Callable[[int, int], object], cancelled: Event
    ) -> None:
        self._writer = writer
        self._embed = embed
        self._tell = tell
        self._cancelled = cancelled
        self._sources = {source.path: source for source in writer.head.sources}
        self._room = MOST_TEXTS - writer.head.texts
        """So many texts may come, besides those that take the place of others."""
        self._unchanged = 0
        self._removed = 0
        self._skipped: list[Skipped] = []

    def add_files(self, paths: Sequence[Path]) -> AddReport:
        """Add files, and those in folders; what is gone from these folders goes."""
        files = list(files_of(paths, self._skipped, self._cancelled))
        if self._cancelled.is_set():
            return self._report(0)
        gone = self._gone(paths, files)
        self._room += self._kept(gone)
        with _Spool(self._writer.folder) as spool:
            touched = []
            for file in files:
                if self._cancelled.is_set():
                    return self._report(0)
                try:
                    touched += self._read(file, spool)
                except AppError as exc:
                    if exc.code is ErrorCode.FOLDER_NOT_WRITABLE:  # it is not this file's fault
                        raise
                    self._skipped.append(Skipped(str(file.path), exc))
                    if exc.code is ErrorCode.COLLECTION_FULL:
                        break
                    if exc.code is ErrorCode.FILE_WITHOUT_TEXT and str(file.path) in self._sources:
                        gone.add(str(file.path))
                        self._room += self._kept([str(file.path)])
                self._tell(0, spool.texts)
            if gone:
                self._removed += self._kept(gone)
                self._writer.drop(gone)
            if touched:
                self._writer.put(touched)
            return self._report(self._fill(spool.read(), spool.texts))

    def add_texts(self, texts: Iterable[str]) -> AddReport:
        """Add pasted texts that are not there yet."""
        source = self._sources.get(PASTED) or self._writer.begin(PASTED)
        known = self._writer.texts_of(source.number)
        new: list[Passage] = []
        for passage in passages_of_lines(texts):
            if passage.text in known:
                self._unchanged += 1
            elif len(new) < self._room:
                known.add(passage.text)
                new.append(passage)
            else:
                self._skipped.append(Skipped(PASTED, _full()))
                break
        source = structs.replace(source, texts=source.kept + len(new))
        stored = (
            StoredText(each.text, structs.replace(source, kept=kept), each.first, each.last)
            for kept, each in enumerate(new, source.kept + 1)
        )
        return self._report(self._fill(stored, len(new)))

    def rebuild(self, texts: Iterable[StoredText], total: int) -> AddReport:
        """Add texts that another collection has, from where this one ends."""
        done = self._writer.head.texts
        kept = {source.number: 0 for source in self._writer.head.sources}

        def counted() -> Iterator[StoredText]:
            for text in texts:
                number = text.source.number
                kept[number] = kept.get(number, 0) + 1
                yield replace(text, source=structs.replace(text.source, kept=kept[number]))

        return self._report(done + self._fill(islice(counted(), done, None), total, done))

    def _report(self, added: int) -> AddReport:
        return AddReport(added, self._unchanged, tuple(self._skipped), self._removed)

    def _gone(self, paths: Sequence[Path], files: Sequence[FoundFile]) -> set[str]:
        """The sources in folders that were looked into, and are there no more."""
        found = {str(file.path) for file in files}
        unseen = tuple(Path(each.source) for each in self._skipped)
        folders = [path.resolve() for path in paths if path.is_dir()]
        return {
            name
            for name in self._sources
            if name not in found
            and any(Path(name).is_relative_to(folder) for folder in folders)
            and not any(Path(name).is_relative_to(each) for each in unseen)
        }

    def _kept(self, paths: Iterable[str]) -> int:
        """How many texts these sources have in the collection."""
        return sum(self._sources[path].kept for path in paths)

    def _read(self, file: FoundFile, spool: _Spool) -> list[Source]:
        """Put what is new of a file into the spool; its source if only its time has changed."""
        known = self._sources.get(str(file.path))
        whole = known is not None and known.kept == known.texts
        if known and whole and (known.size_bytes, known.modified_ns) == (file.size_bytes, file.modified_ns):
            self._unchanged += known.kept
            return []
        if known and whole and known.digest == digest_of(file):
            self._unchanged += known.kept
            return [structs.replace(known, size_bytes=file.size_bytes, modified_ns=file.modified_ns)]
        content = content_of(file, self._cancelled)
        if self._cancelled.is_set():
            return []
        there = known.kept if known else 0  # these stay, or make room for the new ones
        if spool.texts + len(content.passages) > self._room + there:
            raise _full()
        spool.add(self._source(file, content, known), content)
        return []

    def _source(self, file: FoundFile, content: Content, known: Source | None) -> Source:
        """The source to go on with: the known one, or one that takes its place."""
        if known and known.digest == content.digest and known.texts == len(content.passages):
            self._unchanged += known.kept
            return known
        if known:
            self._removed += known.kept
            self._room += known.kept
        return self._writer.begin(
            str(file.path),
            size_bytes=file.size_bytes,
            modified_ns=file.modified_ns,
            digest=content.digest,
            texts=len(content.passages),
            by_page=content.by_page,
        )

    def _fill(self, texts: Iterator[StoredText], total: int, done: int = 0) -> int:
        """Embed and keep texts; how many. What is embedded is kept whatever goes wrong."""
        before = done
        at_once = _FEWEST
        self._tell(done, total)
        keeper = _Keeper(self._writer)
        try:
            while not self._cancelled.is_set() and (batch := list(islice(texts, at_once))):
                began_s = time.monotonic()
                embedded = self._embed([each.text for each in batch], self._writer.head.model_id)
                keeper.add(batch, embedded)
                took_s = time.monotonic() - began_s
                at_once = min(_MOST, at_once * 2) if took_s < _SOON_S / 2 else at_once
                at_once = max(_FEWEST, at_once // 2) if took_s > _SOON_S else at_once
                done += len(batch)
                self._tell(done, total)
        finally:
            keeper.keep()
        if done > before:
            self._writer.merge()
        return done - before


class _Keeper:
    """Gathers texts with their vectors, and writes them together."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._texts: list[StoredText] = []
        self._vectors: list[Any] = []
        self._model = (writer.head.model_id, writer.head.model_digest)
        self._kept_s = time.monotonic()

    def add(self, texts: list[StoredText], embedded: Embedded) -> None:
        model = (embedded.model_id, embedded.model_digest)
        if self._model[0] and model != self._model:
            raise changed_model(self._model[0])
        try:
            vectors = unit_vectors(embedded.vectors)
        except ValueError as exc:
            raise _unusable(exc) from exc
        dimensions = self._vectors[0].shape[1] if self._vectors else self._writer.head.dimensions
        if len(vectors) != len(texts) or dimensions not in (0, vectors.shape[1]):
            raise _unusable(ValueError(f"{vectors.shape}"))
        self._model = model
        self._texts += texts
        self._vectors.append(vectors)
        if len(self._texts) >= KEPT_AT_ONCE or time.monotonic() - self._kept_s > KEPT_AFTER_S:
            self.keep()

    def keep(self) -> None:
        if not self._texts:
            return
        import numpy as np

        texts, vectors = self._texts, np.concatenate(self._vectors)
        self._texts, self._vectors = [], []  # first: what cannot be written once is not tried again
        self._writer.keep(texts, vectors, self._model)
        self._kept_s = time.monotonic()


class _Spool:
    """Passages on their way from files to the model: all are counted before the first is embedded.

    They wait in a file, as a hundred thousand would take memory for hours.
    """

    def __init__(self, folder: Path) -> None:
        self.texts = 0
        self._sources: dict[int, Source] = {}
        try:
            self._file = tempfile.TemporaryFile("w+b", dir=folder)  # noqa: SIM115  closed by `__exit__`
        except OSError as exc:
            raise unwritable(exc, AppError) from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # a full disk was told of, and it would be told once more
            self._file.close()

    def add(self, source: Source, content: Content) -> None:
        """Put in what there is no vector of yet."""
        self._sources[source.number] = source
        try:
            for kept, each in islice(zip(count(1), content.passages), source.kept, None):
                row = (source.number, kept, each.first, each.last, each.text)
                self._file.write(msgspec.json.encode(row) + b"\n")
                self.texts += 1
            self._file.flush()  # here, a full disk is told
        except OSError as exc:
            raise unwritable(exc, AppError) from exc

    def read(self) -> Iterator[StoredText]:
        """All that was put in, in order."""
        self._file.seek(0)
        for line in self._file:
            number, kept, first, last, text = msgspec.json.decode(line, type=tuple[int, int, int, int, str])
            yield StoredText(text, structs.replace(self._sources[number], kept=kept), first, last)


def changed_model(model_id: str) -> AppError:
    """The vectors of a collection are of a model that is another one now, or is gone."""
    return AppError(
        ErrorCode.COLLECTION_OUTDATED,
        "The model of this collection has changed",
        phrase(
            "It was built with {model}, whose file or settings have changed, or which was removed.",
            model=model_id,
        ),
        "Rebuild the collection.",
    )


def _unusable(exc: ValueError) -> AppError:
    return AppError(
        ErrorCode.ANSWER_NOT_UNDERSTOOD,
        "The model's vectors cannot be used",
        str(exc),
        "Try another embedding model.",
    )


def _full() -> AppError:
    return AppError(
        ErrorCode.COLLECTION_FULL,
        "The collection is full",
        phrase("The limit is {count} texts.", count=MOST_TEXTS),
        "Create another collection, or use a vector database.",
    )
