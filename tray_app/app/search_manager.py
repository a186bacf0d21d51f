"""A person's own texts, searched by their meaning: what windows and commands ask for. Any thread; blocks."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Protocol

import msgspec

from tray_app.engine.engine_setting import is_remote
from tray_app.errors import AppError, ErrorCode, ModelError
from tray_app.models.fingerprint import Fingerprints
from tray_app.search.collection import Hit, MapOfTexts
from tray_app.search.exporting import export
from tray_app.search.filling import Embedded, Filling, changed_model
from tray_app.search.head import HEAD, Head, read_head, write_head
from tray_app.search.nearest import unit_vectors
from tray_app.search.shelf import Shelf
from tray_app.search.writer import Writer
from tray_app.system.files import private_folder, unwritable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from threading import Event

    from tray_app.gateway.public_client import Embeddings
    from tray_app.models.library import Library
    from tray_app.models.model import Model
    from tray_app.search.collection import AddReport, Collection, Skipped
    from tray_app.search.nearest import Vectors
    from tray_app.settings.schema import Settings

_LONGEST_QUERY = 10_000
"""In letters; what is longer than the model reads is cut there anyway."""
_REBUILT = "rebuilt"
"""The folder, within that of a collection, of the one that is to take its place."""


class EmbedTexts(Protocol):
    """See `App.embed_as`."""

    def __call__(self, texts: Sequence[str], *, model: str, input_type: str) -> Embeddings:
        """Vectors of texts."""


class SearchManager:
    """The collections below one folder.

    Texts are embedded through the public address, as any client would. All methods raise an `AppError` that
    says what could not be done; with `cancelled` set, those that take long end soon, as if no more was asked.
    """

    def __init__(
        self,
        folder: Path,
        library: Callable[[], Library],
        settings: Callable[[], Settings],
        embed: EmbedTexts,
    ) -> None:
        self._shelf = Shelf(folder)
        self._library = library
        self._settings = settings
        self._embed = embed
        self._answered: dict[tuple[str, str, str], Vectors] = {}
        self._fingerprints = Fingerprints()

    def collections(self) -> tuple[Collection, ...]:
        """All that can be read, by name."""
        return self._shelf.collections()[0]

    def problems(self) -> tuple[Skipped, ...]:
        """Collections that cannot be read, by their folders; nothing of them is ever deleted."""
        return self._shelf.collections()[1]

    def create(self, name: str) -> Collection:
        """A collection without texts."""
        return self._shelf.create(name)

    def rename(self, collection_id: str, name: str) -> Collection:
        """Give a collection another name."""
        return self._shelf.rename(collection_id, name)

    def delete(self, collection_id: str) -> None:
        """Delete a collection for good; the files that its texts came from stay as they are."""
        self._shelf.delete(collection_id)

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
        with self._shelf.writing(collection_id) as writer:
            return self._filling(writer, tell, cancelled).add_files(paths)

    def add_texts(
        self,
        collection_id: str,
        texts: Iterable[str],
        tell: Callable[[int, int], object],
        cancelled: Event,
    ) -> AddReport:
        """Embed texts that a person has pasted; empty ones, and those that are there, are left out."""
        with self._shelf.writing(collection_id) as writer:
            return self._filling(writer, tell, cancelled).add_texts(texts)

    def find(self, collection_id: str, query: str, limit: int = 20) -> tuple[Hit, ...]:
        """The nearest texts, the best first. Refused while the collection is not current."""
        if not query.strip():
            raise AppError(
                ErrorCode.QUERY_EMPTY,
                "The search is empty",
                "No words were entered.",
                "Enter what to look for.",
            )
        head = self._shelf.head(collection_id)
        if not head.texts:
            return ()
        self._check_current(head)
        vector, opened = self._vector_of(head, query), self._shelf.open(collection_id)
        if len(vector) != opened.head.dimensions or opened.head.model_digest != head.model_digest:
            raise changed_model(head.model_id)  # or it was rebuilt meanwhile
        return tuple(
            Hit(each.text, each.source.path, each.place, score)
            for each, score in opened.nearest(vector, max(1, limit))
        )

    def coordinates(self, collection_id: str, most: int = 2000, query: str = "") -> MapOfTexts:
        """The texts as points; of more than `most`, some that are evenly spread.

        With a `query`, which `find` has just answered, also the texts that are nearest to it and its own
        point. There is none if the collection has changed since.
        """
        opened = self._shelf.open(collection_id)
        vector = self._answered.get((opened.head.model_id, opened.head.model_digest, query))
        points, explained, texts = opened.flat_map(most, vector)
        asked = len(points) > len(texts)
        return MapOfTexts(
            points[: len(texts)],
            tuple(each.text for each in texts),
            tuple(each.source.path for each in texts),
            explained,
            (float(points[-1, 0]), float(points[-1, 1])) if asked else None,
        )

    def is_current(self, collection: Collection) -> bool:
        """Whether its model would make the same vectors now: that is installed, and neither its file nor its
        settings have changed. It need not be the one that is chosen now: requests name it.

        A collection without vectors is current. Quick, once a model was looked at; it need not be loaded.
        """
        return self._holds(collection.model_id, collection.model_digest)

    def rebuild(self, collection_id: str, tell: Callable[[int, int], object], cancelled: Event) -> AddReport:
        """Embed all texts anew with the model that is asked for embeddings now; files are not read again.

        The old vectors stay until all new ones are there. What was embedded before it was cancelled is used
        by the next call, unless the model or the collection has changed since.
        """
        with self._shelf.writing(collection_id) as old:
            opened = self._shelf.open(collection_id)
            total = opened.head.texts
            new = self._rebuilding(old)
            report = Filling(new, self._embed_documents, tell, cancelled).rebuild(
                (text for text, _ in opened.texts()), total
            )
            if report.added == total and not cancelled.is_set():
                old.take_over(new)
                shutil.rmtree(new.folder, ignore_errors=True)
            return report

    def export(self, collection_id: str, path: Path) -> None:
        """Write texts and vectors to a file, by its ending: .csv, .jsonl or .npz."""
        export(self._shelf.open(collection_id), path)

    def _vector_of(self, head: Head, query: str) -> Vectors:
        """The vector of a question. The last one is kept, for the map."""
        answer = self._embed([query[:_LONGEST_QUERY]], model=head.model_id, input_type="query")
        try:
            (vector,) = unit_vectors(answer.vectors)
        except ValueError as exc:
            raise AppError(
                ErrorCode.ANSWER_NOT_UNDERSTOOD, "The model's vectors cannot be used", str(exc)
            ) from exc
        self._answered = {(head.model_id, head.model_digest, query): vector}
        asked: Vectors = vector
        return asked

    def _filling(self, writer: Writer, tell: Callable[[int, int], object], cancelled: Event) -> Filling:
        self._check_current(writer.head)
        return Filling(writer, self._embed_documents, tell, cancelled)

    def _rebuilding(self, old: Writer) -> Writer:
        """The collection that is to take the place of another: one that was begun, or a new one."""
        folder = old.folder / _REBUILT
        try:
            begun = read_head(folder / HEAD)
        except AppError:  # there is none
            begun = None
        if begun and begun.texts and begun.rebuilds == old.head.updated_at:
            now = self._embed_documents([old.head.name], "")
            if (begun.model_id, begun.model_digest) == (now.model_id, now.model_digest):
                return Writer(folder, begun)
        shutil.rmtree(folder, ignore_errors=True)
        head = Head(
            name=old.head.name,
            created_at=old.head.created_at,
            updated_at=old.head.updated_at,
            rebuilds=old.head.updated_at,
        )
        try:
            private_folder(folder)
            write_head(folder, head)
        except OSError as exc:
            raise unwritable(exc, AppError) from exc
        return Writer(folder, head)

    def _check_current(self, head: Head) -> None:
        if not self._holds(head.model_id, head.model_digest):
            raise changed_model(head.model_id)

    def _holds(self, model_id: str, digest: str) -> bool:
        return not model_id or self._digest(model_id) == digest != ""

    def _embed_documents(self, texts: Sequence[str], model_id: str) -> Embedded:
        answer = self._embed(texts, model=model_id, input_type="document")
        return Embedded(answer.vectors, answer.model, self._digest(answer.model))

    def _digest(self, model_id: str) -> str:
        """What a model's vectors depend on: its file, and the settings that change them. Empty if it is gone.

        Of a remote server's model nothing is known but where it is.
        """
        settings = self._settings()
        if is_remote(settings):
            return _digest_of(settings.remote_url)
        for model in self._models(model_id, settings.model):
            if model.id == model_id:
                own = model.settings_in(settings)
                try:
                    return _digest_of(self._fingerprints.of(model.path), own.pooling, own.prefix_document)
                except OSError:
                    return ""
        return ""

    def _models(self, *references: str) -> Iterator[Model]:
        """The chosen model may be outside of the models folder, where its id does not find it."""
        for reference in filter(None, references):
            try:
                yield self._library().find(reference)
            except ModelError:
                continue


def _digest_of(*facts: str) -> str:
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()
