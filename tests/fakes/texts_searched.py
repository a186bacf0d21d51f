"""A search that finds texts by their words, in memory; notes what is asked."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase
from tray_app.search.collection import PASTED, AddReport, Collection, Hit, MapOfTexts
from tray_app.search.filling import changed_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from threading import Event

    from tray_app.search.collection import Skipped

MODEL = "bge-m3"
DIGEST = "5f" * 32


@dataclass
class Shelf:
    """A collection and its texts: text, source, number of its line."""

    collection: Collection
    rows: list[tuple[str, str, int]] = field(default_factory=list)


class FakeSearch:
    """Collections that a test fills. Long work waits for `go_on` after its first half.

    A file has the texts that `files` says, by its path; else two that name it. `outdated` are the ids of
    collections whose model has changed.
    """

    def __init__(self, note: Callable[..., None]) -> None:
        self._note = note
        self.shelves: dict[str, Shelf] = {}
        self.files: dict[Path, tuple[str, ...]] = {}
        self.skipped: tuple[Skipped, ...] = ()
        """What the next addition does not take."""
        self.damaged: tuple[Skipped, ...] = ()
        self.outdated: set[str] = set()
        self.go_on = threading.Event()
        self.go_on.set()

    def put(self, name: str, *texts: str, source: str = PASTED) -> Collection:
        """A collection that is there already, with these texts."""
        made = Collection(f"c{len(self.shelves) + 1}", name, "", "", 0, 0, 1_764_000_000.0)
        self.shelves[made.id] = Shelf(made)
        return self._add(made.id, [(text, source, line) for line, text in enumerate(texts, 1)])

    def collections(self) -> tuple[Collection, ...]:
        there = (shelf.collection for shelf in self.shelves.values())
        return tuple(sorted(there, key=lambda each: each.name.casefold()))

    def problems(self) -> tuple[Skipped, ...]:
        return self.damaged

    def create(self, name: str) -> Collection:
        self._note("search.create", name)
        return self.put(name)

    def rename(self, collection_id: str, name: str) -> Collection:
        self._note("search.rename", collection_id, name)
        shelf = self._shelf(collection_id)
        shelf.collection = replace(shelf.collection, name=name)
        return shelf.collection

    def delete(self, collection_id: str) -> None:
        self._note("search.delete", collection_id)
        self._shelf(collection_id)
        del self.shelves[collection_id]

    def add_files(
        self, collection_id: str, paths: Sequence[Path], tell: Callable[[int, int], object], cancelled: Event
    ) -> AddReport:
        self._note("search.add_files", collection_id, tuple(paths))
        rows = [
            (text, str(path), line)
            for path in paths
            for line, text in enumerate(
                self.files.get(path, (f"About {path.stem}", f"More of {path.stem}")), 1
            )
        ]
        return self._embed(collection_id, rows, tell, cancelled)

    def add_texts(
        self,
        collection_id: str,
        texts: Iterable[str],
        tell: Callable[[int, int], object],
        cancelled: Event,
    ) -> AddReport:
        wanted = [text for text in texts if text.strip()]
        self._note("search.add_texts", collection_id, tuple(wanted))
        rows = [(text, PASTED, line) for line, text in enumerate(wanted, 1)]
        return self._embed(collection_id, rows, tell, cancelled)

    def find(self, collection_id: str, query: str, limit: int = 20) -> tuple[Hit, ...]:
        self._note("search.find", collection_id, query, limit)
        self._check_current(collection_id)
        words = set(query.casefold().split())
        hits = [
            Hit(text, source, phrase("line {first}", first=line), _likeness(words, text))
            for text, source, line in self._shelf(collection_id).rows
        ]
        return tuple(sorted(hits, key=lambda hit: -hit.score)[:limit])

    def coordinates(self, collection_id: str, most: int = 2000, query: str = "") -> MapOfTexts:
        import numpy as np

        self._note("search.coordinates", collection_id, most, query)
        rows = self._shelf(collection_id).rows[:most]
        points = [
            (math.sin(2.4 * n) * math.sqrt(n + 1), math.cos(2.4 * n) * math.sqrt(n + 1))
            for n in range(len(rows))
        ]
        return MapOfTexts(
            np.array(points, dtype=np.float32).reshape(-1, 2),
            tuple(text for text, _, _ in rows),
            tuple(source for _, source, _ in rows),
            (0.21, 0.09),
            (0.5, -0.5) if query else None,
        )

    def is_current(self, collection: Collection) -> bool:
        return collection.id not in self.outdated

    def rebuild(self, collection_id: str, tell: Callable[[int, int], object], cancelled: Event) -> AddReport:
        self._note("search.rebuild", collection_id)
        shelf = self._shelf(collection_id)
        rows, shelf.rows = shelf.rows, []
        self.outdated.discard(collection_id)
        return self._embed(collection_id, rows, tell, cancelled)

    def export(self, collection_id: str, path: Path) -> None:
        self._note("search.export", collection_id, path)

    def _shelf(self, collection_id: str) -> Shelf:
        if collection_id not in self.shelves:
            raise AppError(ErrorCode.COLLECTION_NOT_FOUND, "There is no such collection")
        return self.shelves[collection_id]

    def _check_current(self, collection_id: str) -> None:
        if collection_id in self.outdated:
            raise changed_model(MODEL)

    def _embed(
        self, collection_id: str, rows: list[Any], tell: Callable[[int, int], object], cancelled: Event
    ) -> AddReport:
        self._check_current(collection_id)
        known = set(self._shelf(collection_id).rows)
        new = [row for row in rows if row not in known]
        half = len(new) // 2
        tell(0, len(new))
        self._add(collection_id, new[:half])
        tell(half, len(new))
        while not self.go_on.wait(0.01) and not cancelled.is_set():
            pass
        skipped, self.skipped = self.skipped, ()
        if cancelled.is_set():
            return AddReport(half, len(rows) - len(new), skipped)
        self._add(collection_id, new[half:])
        tell(len(new), len(new))
        return AddReport(len(new), len(rows) - len(new), skipped)

    def _add(self, collection_id: str, rows: list[tuple[str, str, int]]) -> Collection:
        shelf = self._shelf(collection_id)
        shelf.rows += rows
        made = replace(shelf.collection, texts=len(shelf.rows))
        if shelf.rows:
            made = replace(made, model_id=MODEL, model_digest=DIGEST, dimensions=1024)
        shelf.collection = made
        return made


def _likeness(words: set[str], text: str) -> float:
    there = set(text.casefold().split())
    return len(words & there) / math.sqrt(max(1, len(words)) * max(1, len(there)))
