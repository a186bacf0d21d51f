"""The partial file and its journal: what survives a quit, a crash or a power cut.

`<name>.part` holds the bytes in place, and grows as they come; `<name>.part.json` says which of them are
safely on the disk, and which file they belong to. It is written after the data was synced: it may be behind
the data, but never ahead of it. In a folder that others may write to, either may have been replaced by a link
to another file: then nothing is written (`NotOurFileError`). On the downloads thread; `writer` on any.
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
    """What is known of the partial file."""

    source: DownloadSource
    sha256: str | None
    """What a person says the file's SHA-256 is."""
    ordered_at_s: float
    """Seconds since 1970: the place in the queue."""
    remote: RemoteFile | None = None
    """None: nothing was received yet."""
    done: tuple[Span, ...] = ()


class PartFile:
    """The bytes of one download that are here already."""

    def __init__(self, final: Path, source: DownloadSource, sha256: str | None = None) -> None:
        self.path = final.with_name(final.name + PART_ENDING)
        self.remote: RemoteFile | None = None
        self.plan = Plan(None)
        self._final = final
        self._journal_path = final.with_name(final.name + JOURNAL_ENDING)
        self._journal = Journal(source, sha256, time.time())
        self._sync_file: FileIO | None = None
        self._sync_failed = False
        self._journal_is_blank = False  # whether that on the disk is `note_order`'s: it knows of no byte

    @property
    def whole(self) -> bool:
        """Whether every byte of the file is here."""
        return self.remote is not None and self.plan.complete

    @property
    def occupied_bytes(self) -> int:
        """How much room on the disk it has taken already; more than the journal knows after a crash."""
        try:
            occupied = bytes_on_disk(self.path.stat())
        except FileNotFoundError:
            return 0
        return max(self.plan.received_bytes, occupied)

    def load(self) -> None:
        """Take up what an earlier run left, if anything. `NotOurFileError` if it must not be written to."""
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
        """Forget all bytes; those that follow belong to `remote`."""
        self.close()
        self.remote, self.plan = remote, Plan(remote.size_bytes)
        if not self._journal_is_blank:
            self._write_journal(())  # first: the old one must not vouch for new bytes
        # It is not given its size: Windows and exFAT would write zeros up to there before anything can come.
        make_own(self.path)

    def adopt(self, existing: Path, remote: RemoteFile) -> None:
        """Go on from a file that holds the first bytes of `remote`; it becomes the partial file.

        `NotOurFileError` if it is a link, or has another name elsewhere: what follows would go there, too.
        """
        is_own(existing)
        size = existing.stat().st_size
        self.remote, self.plan = remote, Plan(remote.size_bytes, [Span(0, size)] if size else [])
        self._write_journal(self.plan.done)
        existing.replace(self.path)

    def writer(self) -> FileIO:
        """A file of the caller's own: Windows has no way to write at an offset through a shared one."""
        return open_own(self.path)

    def head(self) -> bytes | None:
        """The first bytes, which tell what the file is; None if they are not here yet."""
        needed = HEAD_BYTES if self.plan.size_bytes is None else min(HEAD_BYTES, self.plan.size_bytes)
        if self.plan.prefix_bytes < needed:
            return None
        with self.path.open("rb") as file:
            return file.read(min(HEAD_BYTES, self.plan.prefix_bytes))

    def checkpoint(self) -> None:
        """Make sure that a later run finds every byte received so far. OSError if that is impossible."""
        if self.remote is None or self._sync_failed:
            return
        done = self.plan.done  # what arrives from now on is not covered by the sync
        self.sync()
        self.path.stat()  # a file whose folder has been deleted can still be written, to no avail
        self._write_journal(done)

    def sync(self) -> None:
        """Bring what was received so far to the disk, without noting it. OSError if that is impossible."""
        try:
            if self._sync_file is None:
                self._sync_file = self.writer()
            _sync_data(self._sync_file.fileno())
        except OSError:
            # The system reports a lost write once: the next sync would succeed, and the journal would lie.
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
        """Delete what is here."""
        self.close()
        self._journal_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        self.remote, self.plan = None, Plan(None)

    def close(self) -> None:
        """Let go of the file; what was not checkpointed may be lost."""
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
            # There is no room for a second journal, but this one has its block on the disk already.
            _overwrite(self._journal_path, msgspec.json.encode(self._journal))


def note_order(final: Path, source: DownloadSource, sha256: str | None) -> None:
    """Leave word that a file is wanted, so that a later run knows. OSError if that is impossible.

    A power cut may take it back: to wait for the disk with each of a thousand files would take long.
    """
    path = final.with_name(final.name + JOURNAL_ENDING)
    if not (os.path.lexists(path) or final.exists()):  # else it is known already, perhaps to another program
        with open(path, "xb", opener=open_private) as file:
            file.write(msgspec.json.encode(Journal(source, sha256, time.time())))


def note_name(ordered: Path, final: Path, source: DownloadSource) -> None:
    """Keep under the final name what `note_order` noted while it was not known yet.

    DownloadError if another download has that name: what has arrived of it is not this one's to replace.
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
    """The same source with the name that its file got in an earlier run, if there was one."""
    if source.settled:
        return source
    known = (journal.source for _, journal in find_journals(folder))
    return next((each for each in known if each.settled and each.url == source.url), source)


def forget_order(final: Path) -> None:
    """Take back what `note_order` left, unless something has arrived since or another program is at it."""
    path = final.with_name(final.name + JOURNAL_ENDING)
    if (journal := read_journal(path)) and not journal.done:
        with suppress(DownloadError), sole_writer(final):
            final.with_name(final.name + PART_ENDING).unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def find_journals(folder: Path) -> list[tuple[Path, Journal]]:
    """What earlier runs have left unfinished: final paths, in the order of the queue.

    Nothing if the folder cannot be read.
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
    """The journal at `path`; None if there is none that can be read, or none that this app has written."""
    try:
        journal = msgspec.json.decode(read_regular(path), type=Journal)
    except (OSError, *NOT_JSON):
        return None
    return journal if _is_sound(journal) else None


def _is_sound(journal: Journal) -> bool:
    """Whether the file stays in its folder, and the spans are in order and within it.

    Where several people share a folder, anybody may have written the journal.
    """
    size_bytes = journal.remote.size_bytes if journal.remote else None
    offsets = [0, *(offset for span in journal.done for offset in span)]
    ends = offsets if size_bytes is None else [*offsets, size_bytes]
    name = journal.source.file_name
    return safe_name(name) == name and ends == sorted(ends) and all(map(_is_filled, journal.done))


def _is_filled(span: Span) -> bool:
    return span.start < span.end


def _store(path: Path, journal: Journal) -> None:
    # Private, as by default: an address may hold a password.
    write_atomically(path, msgspec.json.encode(journal), through_links=False)
    _sync_folder(path.parent)


def _overwrite(path: Path, content: bytes) -> None:
    """Not atomic: a crash in this very moment leaves a journal that nobody can read, and so no wrong one."""
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
