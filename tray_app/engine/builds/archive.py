"""Unpacks archives of engines: everything below one folder, or nothing at all. Any thread; slow.

An archive is not trusted. The names, types, sizes and number of its files are checked before and while it is
unpacked. If it is refused, what has been unpacked is deleted.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, TypeVar

from tray_app.engine.builds import store_errors
from tray_app.engine.builds.archive_entries import (
    BLOCK_BYTES,
    DAMAGED,
    ArchiveFile,
    Sort,
    entries,
    too_large,
    unreadable,
)
from tray_app.engine.builds.archive_names import Names, parts_of, target_of, unsafe
from tray_app.engine.builds.installation import raise_if_canceled
from tray_app.phrases import phrase
from tray_app.system.files import is_link

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tray_app.engine.builds.archive_entries import Entry
    from tray_app.engine.builds.archive_names import Parts
    from tray_app.errors import EngineError

MOST_BYTES = 8 << 30
"""More than any engine takes; with all of CUDA, it is 2 GB."""
_MOST_ENTRIES = 10_000
_MOST_RATIO = 100
"""Programs shrink to a half or a quarter of their size, files of zeros to a thousandth."""
_RATIO_FROM_BYTES = 16 << 20
"""Small archives may be mostly zeros."""
_WITH_OTHER_RIGHTS = stat.S_ISUID | stat.S_ISGID
_HAS_LINKS = os.name == "posix"
"""On Windows, only administrators may make links: a link becomes a copy there."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Work:
    """An archive that is being unpacked, and its limits."""

    archive: Path
    file: IO[bytes]
    size_bytes: int
    most_bytes: int
    cancelled: threading.Event | None
    on_bytes: Callable[[int], object]

    def check_limits(self, unpacked_bytes: int, count: int) -> None:
        """`EngineError` if so many bytes or files are more than is allowed, or if it was canceled."""
        if self.cancelled:
            raise_if_canceled(self.cancelled)
        if count > _MOST_ENTRIES:
            raise too_large(
                self.archive, phrase("It contains more than {count:,} files.", count=_MOST_ENTRIES)
            )
        if unpacked_bytes > self.most_bytes:
            raise too_large(
                self.archive, phrase("It contains more than {size:,} bytes.", size=self.most_bytes)
            )
        if unpacked_bytes > max(_RATIO_FROM_BYTES, _MOST_RATIO * self.size_bytes):
            raise too_large(
                self.archive, phrase("Its contents are {times} times its own size.", times=_MOST_RATIO)
            )

    def report(self) -> None:
        """Tell how much of the archive has been read."""
        self.on_bytes(min(self.file.tell(), self.size_bytes))

    def readable(self, items: Iterable[T]) -> Iterator[T]:
        """What comes out of the archive; `EngineError` if it is damaged."""
        try:
            yield from items
        except DAMAGED as exc:
            raise unreadable(self.archive, str(exc) or type(exc).__name__) from exc


def unpack(
    archive: Path,
    folder: Path,
    *,
    most_bytes: int = MOST_BYTES,
    cancelled: threading.Event | None = None,
    on_bytes: Callable[[int], object] = lambda _: None,
) -> None:
    """Unpack a .zip or .tar.gz into a folder, which may exist and contain other files.

    `most_bytes` is the most that its files may take. `on_bytes` gets the bytes of the archive that have been
    read so far. Of a file's permissions, only that its owner may run it is kept. `EngineError` if the archive
    is damaged, protected by a password, too large, or would write anything but new files below the folder;
    `CALLED_OFF` when `cancelled` is set. Then nothing of it is left.
    """
    if not archive.is_file():
        raise unreadable(archive, "There is no such file.")
    try:
        file = archive.open("rb", buffering=0)
    except OSError as exc:
        raise unreadable(archive, exc.strerror or str(exc)) from exc
    with file, ArchiveFile(file) as guarded:
        size_bytes = os.fstat(file.fileno()).st_size
        work = _Work(archive, file, size_bytes, most_bytes, cancelled, on_bytes)
        target = _Target(folder, work)
        try:
            for entry in work.readable(entries(guarded, archive, work.check_limits)):
                target.take(entry)
            target.make_links()
        except OSError as exc:
            target.undo()
            raise store_errors.unwritable(folder, exc) from exc
        except BaseException:
            target.undo()
            raise
    on_bytes(size_bytes)


class _Target:
    """The folder that an archive is unpacked into, and what has been created in it."""

    def __init__(self, folder: Path, work: _Work) -> None:
        self._folder = folder
        self._work = work
        self._names = Names()
        self._files: set[Parts] = set()
        self._links: dict[Parts, str] = {}
        self._folders: set[Parts] = set()
        self._made: list[Path] = []
        self._count = 0
        self._unpacked_bytes = 0

    def take(self, entry: Entry) -> None:
        """Create a file or folder; links are left to `make_links`, so that nothing is written through one.

        `EngineError` as `unpack`; `OSError`.
        """
        self._count += 1
        self._work.check_limits(self._unpacked_bytes + entry.size_bytes, self._count)
        parts = parts_of(entry.name)
        if entry.mode & _WITH_OTHER_RIGHTS and entry.sort is not Sort.FOLDER:
            raise unsafe(entry.name, "It would run with the rights of another user or group.")
        if not parts and entry.sort is not Sort.FOLDER:
            raise unsafe(entry.name, "It has no name.")
        self._names.take(parts, entry.name, folder=entry.sort is Sort.FOLDER)
        match entry.sort:
            case Sort.FOLDER:
                self._make_folder(parts, entry.name)
            case Sort.FILE:
                self._write(parts, entry)
            case Sort.COPY:
                self._copy(parts_of(entry.target), parts, entry.name)
            case Sort.LINK:
                self._links[parts] = entry.target

    def make_links(self) -> None:
        """Make the links, which all lead to files of the archive. `OSError`."""
        files = frozenset(self._files)
        for link, said in self._links.items():
            name, target = "/".join(link), target_of(link, self._links, files)
            if not _HAS_LINKS:
                self._copy(target, link, name)
                continue
            self._make_folder(link[:-1], name)
            path = self._path(link)
            try:
                path.symlink_to(said)
            except FileExistsError as exc:
                raise _there_already(name) from exc
            self._made.append(path)

    def undo(self) -> None:
        """Delete what was made, as far as that can be done."""
        for path in reversed(self._made):
            with suppress(OSError):
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                else:
                    path.unlink()

    def _path(self, parts: Parts) -> Path:
        return self._folder.joinpath(*parts)

    def _make_folder(self, parts: Parts, name: str) -> None:
        for length in range(len(parts) + 1):
            inner = parts[:length]
            if inner in self._folders:
                continue
            path = self._path(inner)
            try:
                path.mkdir(mode=0o700)
                self._made.append(path)
            except FileExistsError as exc:
                info = path.lstat()
                if is_link(info) or not stat.S_ISDIR(info.st_mode):
                    raise _there_already(name) from exc
            self._folders.add(inner)

    def _write(self, parts: Parts, entry: Entry) -> None:
        mode = 0o700 if entry.mode & stat.S_IXUSR else 0o600
        written_bytes = 0
        with self._new_file(parts, entry.name, mode) as file:
            for block in self._work.readable(entry.blocks()):
                written_bytes += len(block)
                self._count_bytes(len(block))
                file.write(block)
        if written_bytes != entry.size_bytes:
            raise unreadable(self._work.archive, phrase("“{name}” is incomplete.", name=entry.name))
        self._files.add(parts)

    def _copy(self, source: Parts, parts: Parts, name: str) -> None:
        if source not in self._files:
            raise unsafe(name, "It refers to a file that does not come before it in the archive.")
        there = self._path(source)
        mode = stat.S_IMODE(there.stat().st_mode)
        with there.open("rb") as original, self._new_file(parts, name, mode) as file:
            while block := original.read(BLOCK_BYTES):
                self._count_bytes(len(block))
                file.write(block)
        self._files.add(parts)

    def _new_file(self, parts: Parts, name: str, mode: int) -> IO[bytes]:
        self._make_folder(parts[:-1], name)
        path = self._path(parts)
        try:
            file = open(path, "xb", opener=partial(os.open, mode=mode))  # noqa: SIM115  the caller closes it
        except FileExistsError as exc:
            raise _there_already(name) from exc
        self._made.append(path)
        return file

    def _count_bytes(self, more: int) -> None:
        self._unpacked_bytes += more
        self._work.check_limits(self._unpacked_bytes, self._count)
        self._work.report()


def _there_already(name: str) -> EngineError:
    return unsafe(name, "This name already exists.")
