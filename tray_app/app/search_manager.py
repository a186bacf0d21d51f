"""A person's own texts, searched by their meaning: what windows and commands ask for. Any thread; blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.errors import AppError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from threading import Event

    from tray_app.search.collection import AddReport, Collection, Hit, MapOfTexts, Skipped


class SearchManager:
    """The collections below one folder.

    Texts are embedded through the public address, as any client would. All methods raise an `AppError` that
    says what could not be done; with `cancelled` set, those that take long end soon, as if no more was asked.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collections(self) -> tuple[Collection, ...]:
        """All that can be read, by name."""
        raise NotImplementedError

    def problems(self) -> tuple[Skipped, ...]:
        """Collections that cannot be read, by their folders; nothing of them is ever deleted."""
        raise NotImplementedError

    def create(self, name: str) -> Collection:
        """A collection without texts."""
        raise NotImplementedError

    def rename(self, collection_id: str, name: str) -> Collection:
        """Give a collection another name."""
        raise NotImplementedError

    def delete(self, collection_id: str) -> None:
        """Delete a collection for good; the files that its texts came from stay as they are."""
        raise AppError(ErrorCode.COLLECTION_NOT_FOUND, "There is no such collection", collection_id)

    def add_files(
        self,
        collection_id: str,
        paths: Sequence[Path],
        tell: Callable[[int, int], object],
        cancelled: Event,
    ) -> AddReport:
        """Read and embed files, and those in folders: .txt, .md and .pdf.

        A file that has not changed since is not embedded again, and texts of files that are gone from these
        folders are removed. What is embedded stays when something goes wrong, and the next call goes on from
        there. `tell` gets the number of texts that are embedded, and of all; while files are being read the
        first is 0, and the second grows.
        """
        raise NotImplementedError

    def add_texts(
        self,
        collection_id: str,
        texts: Iterable[str],
        tell: Callable[[int, int], object],
        cancelled: Event,
    ) -> AddReport:
        """Embed texts that a person has pasted; empty ones, and those that are there, are left out."""
        raise NotImplementedError

    def find(self, collection_id: str, query: str, limit: int = 20) -> tuple[Hit, ...]:
        """The nearest texts, the best first. Refused while the collection is not current."""
        raise NotImplementedError

    def coordinates(self, collection_id: str, most: int = 2000, query: str = "") -> MapOfTexts:
        """The texts as points; of more than `most`, some that are evenly spread.

        With a `query`, its own point too, and the texts that `find` gives for it are among the points.
        """
        raise NotImplementedError

    def is_current(self, collection: Collection) -> bool:
        """Whether the model would make the same vectors now: the same model, file and settings.

        A collection without vectors is current. Quick; the model need not be loaded.
        """
        raise NotImplementedError

    def rebuild(self, collection_id: str, tell: Callable[[int, int], object], cancelled: Event) -> AddReport:
        """Embed all texts anew with the model that is asked for embeddings now; files are not read again.

        The old vectors stay until all new ones are there.
        """
        raise NotImplementedError

    def export(self, collection_id: str, path: Path) -> None:
        """Write texts and vectors to a file, by its ending: .csv, .jsonl or .npz."""
        raise NotImplementedError
