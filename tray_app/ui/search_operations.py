"""What the tab Search asks for that takes more than one call of the app. Runs off the GUI thread."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.errors import AppError
from tray_app.ui.garbage import import_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from threading import Event

    from tray_app.search.collection import AddReport, Collection, Hit, MapOfTexts, Skipped
    from tray_app.ui.app_protocol import SearchProtocol


@dataclass(frozen=True, slots=True)
class Shelf:
    """All collections, and which of them are damaged or outdated."""

    collections: tuple[Collection, ...] = ()
    damaged: tuple[Skipped, ...] = ()
    outdated: frozenset[str] = frozenset()
    """The ids of those that were embedded with another model than the current one."""

    def find(self, collection_id: str) -> Collection | None:
        """The collection with this id."""
        return next((each for each in self.collections if each.id == collection_id), None)


@dataclass(frozen=True, slots=True)
class Addition:
    """Files and folders, or texts, that a person wants to search in."""

    paths: tuple[Path, ...] = ()
    texts: tuple[str, ...] = ()
    into: str = ""
    """The id of a collection; empty: a new one."""
    name: str = ""
    """Of the new one."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to show of a collection: all texts, or those nearest to some words."""

    collection: Collection
    words: str = ""
    attempt: int = 0
    """Differs when the same words are asked again, as the server may be back by then."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The nearest texts, and where all of them are."""

    hits: tuple[Hit, ...]
    map: MapOfTexts


def read_shelf(search: SearchProtocol) -> Shelf:
    """Read all collections."""
    collections = search.collections()
    outdated = frozenset(each.id for each in collections if not search.is_current(each))
    return Shelf(collections, search.problems(), outdated)


def add(
    search: SearchProtocol,
    wanted: Addition,
    tell: Callable[[int, int], object],
    made: Callable[[str], object],
    cancelled: Event,
) -> AddReport:
    """Add to a collection. `made` gets the id of a new one, which is deleted again if it stays empty."""
    if wanted.into:
        return _add_to(search, wanted.into, wanted, tell, cancelled)
    new = search.create(wanted.name).id
    made(new)
    try:
        return _add_to(search, new, wanted, tell, cancelled)
    finally:
        if not any(each.id == new and each.texts for each in search.collections()):
            with suppress(AppError):  # what went wrong before matters more
                search.delete(new)


def _add_to(
    search: SearchProtocol,
    collection_id: str,
    wanted: Addition,
    tell: Callable[[int, int], object],
    cancelled: Event,
) -> AddReport:
    if wanted.paths:
        return search.add_files(collection_id, wanted.paths, tell, cancelled)
    return search.add_texts(collection_id, wanted.texts, tell, cancelled)


def answer(search: SearchProtocol, question: Question) -> Answer:
    """Answer a question, and import what draws the answer."""
    import_once("tray_app.ui.widgets.text_map")
    collection_id, words = question.collection.id, question.words
    hits = search.find(collection_id, words) if words else ()
    return Answer(hits, search.coordinates(collection_id, query=words))
