"""The partial file and its journal, which survive a quit, a crash or a power cut.

`<name>.part` has the bytes at their final offsets and grows as they arrive; `<name>.part.json` says which of
them are safely on the disk, and which file they belong to. It is written after the data was synced, so it may
be behind the data but never ahead of it. In a shared folder, another user may replace either by a link to
another file; then nothing is written (`NotOurFileError`). Runs on the downloads thread; `writer` on any.
"""

from __future__ import annotations

import io
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from tray_app.download.disk_errors import DISK_FULL
from tray_app.download.file_names import safe_name
from tray_app.download.part_lock import sole_writer
from tray_app.download.segments import Plan, Span
from tray_app.download.source import DownloadSource, RemoteFile
from tray_app.download.verify import HEAD_BYTES
from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase
from tray_app.system.disk import bytes_on_disk
from tray_app.system.files import (
    NOT_JSON,
    is_own,
    make_own,
    open_own,
    open_private,
    read_regular,
    write_atomically,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO
    from pathlib import Path

PART_ENDING = ".part"
JOURNAL_ENDING = ".part.json"

# Windows and macOS have no fdatasync.
_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class Journal(msgspec.Struct, frozen=True):
    """What is known about the partial file."""

    source: DownloadSource
    sha256: str | None
    """The file's SHA-256 according to the user."""
    ordered_at_s: float
    """When it was queued, in seconds since 1970; determines its place in the queue."""
    remote: RemoteFile | None = None
    """None if nothing was received yet."""
    done: tuple[Span, ...] = ()
    """The bytes that are safely on the disk."""


class PartFile:
    """The bytes of one download that have arrived."""

    def __init__(self, final: Path, source: DownloadSource, sha256: str | None = None) -> None:
        self.path = final.with_name(final.name + PART_ENDING)
        self.remote: RemoteFile | None = None
        self.plan = Plan(None)
        self._final = final
        self._journal_path = final.with_name(final.name + JOURNAL_ENDING)
        self._journal = Journal(source, sha256, time.time())
        self._sync_file: FileIO | None = None
        self._sync_failed = False
        self._journal_is_blank = False  # whether the one on the disk is still that of `note_order`

    @property
    def whole(self) -> bool:
        """Whether every byte of the file has arrived."""
        return self.remote is not None and self.plan.complete

    @property
    def occupied_bytes(self) -> int:
        """The bytes that it occupies on the disk; after a crash, more than the journal knows of."""
        try:
            occupied = bytes_on_disk(self.path.stat())
        except FileNotFoundError:
            return 0
        return max(self.plan.received_bytes, occupied)

    def load(self) -> None:
        """Continue with what an earlier run has left, if anything. `NotOurFileError` if it must not be
        written.
        """
        there = is_own(self.path)
        journal = read_journal(self._journal_path) if is_own(self._journal_path) else None
        if journal is None:
            return
        self._journal = msgspec.structs.replace(self._journal, ordered_at_s=journal.ordered_at_s)
        same_order = (journal.source, journal.sha256) == (self._journal.source, self._journal.sha256)
        self._journal_is_blank = same_order and journal.remote is None
        end = journal.done[-1].end if journal.done else 0
        if journal.remote and there and self.path.stat().st_size >= end:
            self.remote = journal.remote
            self.plan = Plan(journal.remote.size_bytes, journal.done)

    def start_over(self, remote: RemoteFile) -> None:
        """Discard all bytes; the following ones belong to `remote`."""
        self.close()
        self.remote, self.plan = remote, Plan(remote.size_bytes)
        if not self._journal_is_blank:
            self._write_journal(())  # first, because the old one must not count for new bytes
        # It is not given its full size: Windows and exFAT would first fill it with zeros.
        make_own(self.path)

    def adopt(self, existing: Path, remote: RemoteFile) -> None:
        """Make a file that contains the first bytes of `remote` the partial file.

        `NotOurFileError` if it is a link or has a hard link elsewhere, because that file would be changed,
        too.
        """
        is_own(existing)
        size = existing.stat().st_size
        self.remote, self.plan = remote, Plan(remote.size_bytes, [Span(0, size)] if size else [])
        self._write_journal(self.plan.done)
        existing.replace(self.path)

    def writer(self) -> FileIO:
        """The partial file, opened for this caller only: Windows cannot write at an offset through a shared
        one.
        """
        return open_own(self.path)

    def head(self) -> bytes | None:
        """The first `HEAD_BYTES`, which tell what the file is; None if they have not arrived yet."""
        needed = HEAD_BYTES if self.plan.size_bytes is None else min(HEAD_BYTES, self.plan.size_bytes)
        if self.plan.prefix_bytes < needed:
            return None
        with self.path.open("rb") as file:
            return file.read(min(HEAD_BYTES, self.plan.prefix_bytes))

    def checkpoint(self) -> None:
        """Sync every byte received so far and note it in the journal, so that a later run finds it.
        `OSError`.
        """
        if self.remote is None or self._sync_failed:
            return
        done = self.plan.done  # what arrives from now on is not covered by the sync
        self.sync()
        self.path.stat()  # raises if its folder was deleted; the open file could still be written, in vain
        self._write_journal(done)

    def sync(self) -> None:
        """Sync what was received so far to the disk, without noting it in the journal. `OSError`."""
        try:
            if self._sync_file is None:
                self._sync_file = self.writer()
            _sync_data(self._sync_file.fileno())
        except OSError:
            # The system reports a lost write only once: the next sync would succeed, the journal be wrong.
            self._sync_failed = True
            raise

    def publish(self) -> None:
        """Give the file its final name."""
        with self.writer() as file:
            os.fsync(file.fileno())
        self.close()
        self.path.replace(self._final)
        self._journal_path.unlink(missing_ok=True)
        _sync_folder(self._final.parent)

    def set_aside(self) -> Path:
        """Rename the file so that it is neither used nor continued; its new path."""
        self.close()
        damaged = self._final.with_name(f"{self._final.name}.damaged")
        self.path.replace(damaged)
        self._journal_path.unlink(missing_ok=True)
        self.remote, self.plan = None, Plan(None)
        return damaged

    def discard(self) -> None:
        """Delete the partial file and its journal."""
        self.close()
        self._journal_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        self.remote, self.plan = None, Plan(None)

    def close(self) -> None:
        """Close the file that `sync` has opened."""
        if self._sync_file is not None:
            self._sync_file.close()
            self._sync_file = None

    def _write_journal(self, done: tuple[Span, ...]) -> None:
        self._journal = msgspec.structs.replace(self._journal, remote=self.remote, done=done)
        self._journal_is_blank = False
        try:
            _store(self._journal_path, self._journal)
        except OSError as exc:
            if exc.errno not in DISK_FULL or not self._journal_path.exists():
                raise
            # There is no space for a second journal, but the first one already has its block on the disk.
            _overwrite(self._journal_path, msgspec.json.encode(self._journal))


def note_order(final: Path, source: DownloadSource, sha256: str | None) -> None:
    """Write a journal for a queued file, so that a later run knows of it. `OSError`.

    Not synced, because that would take long for a thousand files; a power cut may undo it.
    """
    path = final.with_name(final.name + JOURNAL_ENDING)
    if not (os.path.lexists(path) or final.exists()):  # otherwise it is known, perhaps to another program
        with open(path, "xb", opener=open_private) as file:
            file.write(msgspec.json.encode(Journal(source, sha256, time.time())))


def note_name(ordered: Path, final: Path, source: DownloadSource) -> None:
    """Move the journal of `note_order` to the final name, which was not known when it was written.

    `DownloadError` if another download has that name, whose bytes must not be replaced.
    """
    noted, path = (each.with_name(each.name + JOURNAL_ENDING) for each in (ordered, final))
    there = read_journal(path) if path != noted else None
    if there and there.source.url != source.url:
        raise DownloadError(
            ErrorCode.DOWNLOAD_NAME_TAKEN,
            "Another download uses this file name",
            phrase("{path} is being downloaded from another URL.", path=final),
            "Wait until it has finished, or cancel it. Then download this file again.",
        )
    if journal := read_journal(noted):
        if not there and not final.exists():
            _store(path, msgspec.structs.replace(journal, source=source))
        if path != noted:
            noted.unlink(missing_ok=True)


def named_before(folder: Path, source: DownloadSource) -> DownloadSource:
    """The same source with the file name that it got in an earlier run, if there was one."""
    if source.settled:
        return source
    known = (journal.source for _, journal in find_journals(folder))
    return next((each for each in known if each.settled and each.url == source.url), source)


def forget_order(final: Path) -> None:
    """Delete the journal of `note_order`, unless bytes have arrived or another program is downloading the
    file.
    """
    path = final.with_name(final.name + JOURNAL_ENDING)
    if (journal := read_journal(path)) and not journal.done:
        with suppress(DownloadError), sole_writer(final):
            final.with_name(final.name + PART_ENDING).unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def find_journals(folder: Path) -> list[tuple[Path, Journal]]:
    """The unfinished downloads in a folder, as final paths with journals, in the order of the queue.

    Empty if the folder cannot be read.
    """
    paths: list[Path] = []
    with suppress(OSError):
        paths.extend(folder.glob(f"*{JOURNAL_ENDING}"))
    found = [
        (path.with_name(path.name.removesuffix(JOURNAL_ENDING)), journal)
        for path in paths
        if (journal := read_journal(path))
    ]
    return sorted(found, key=lambda item: item[1].ordered_at_s)


def read_journal(path: Path) -> Journal | None:
    """The journal at `path`; None if there is none, or it is damaged or invalid."""
    try:
        journal = msgspec.json.decode(read_regular(path), type=Journal)
    except (OSError, *NOT_JSON):
        return None
    return journal if _is_sound(journal) else None


def _is_sound(journal: Journal) -> bool:
    """Whether the file name leads to no other folder, and the spans are in order and within the file.

    In a shared folder, anyone may have written the journal.
    """
    size_bytes = journal.remote.size_bytes if journal.remote else None
    offsets = [0, *(offset for span in journal.done for offset in span)]
    ends = offsets if size_bytes is None else [*offsets, size_bytes]
    name = journal.source.file_name
    return safe_name(name) == name and ends == sorted(ends) and all(map(_is_filled, journal.done))


def _is_filled(span: Span) -> bool:
    return span.start < span.end


def _store(path: Path, journal: Journal) -> None:
    # Private by default, because a URL may contain a password.
    write_atomically(path, msgspec.json.encode(journal), through_links=False)
    _sync_folder(path.parent)


def _overwrite(path: Path, content: bytes) -> None:
    """Not atomic: a crash at this moment leaves an unreadable journal, but not a wrong one."""
    with io.BufferedRandom(open_own(path)) as file:
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable; Windows does that by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
