"""All collections: which there are, and who may change one. Any thread; blocks."""

from __future__ import annotations

import re
import secrets
import shutil
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from filelock import Timeout

from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase, presentable
from tray_app.search.collection import Collection, Skipped
from tray_app.search.head import HEAD, Head, read_head, unreadable, write_head
from tray_app.search.opened import Opened
from tray_app.search.writer import Writer
from tray_app.system.file_lock import locked
from tray_app.system.files import private_folder, unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tray_app.phrases import Text

NAME_LIMIT = 100
"""Letters of a name."""
_LOCK = "lock"
_ID = re.compile(r"[0-9a-f]{12}")
"""Names of folders."""


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
            raise unreadable(path, exc) from exc
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
            raise unreadable(self.folder, exc) from exc
        # One without a head is being made, or was being deleted.
        return [each for each in there if _ID.fullmatch(each.name) and (each / HEAD).exists()]

    def _free_name(self, name: str, but: str = "") -> str:
        name = presentable(" ".join(name.split()))
        if not name or len(name) > NAME_LIMIT:
            raise _bad_name(phrase("A name can have 1 to {most} characters.", most=NAME_LIMIT))
        others = (each for each in self.collections()[0] if each.id != but)
        if any(each.name.casefold() == name.casefold() for each in others):
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
