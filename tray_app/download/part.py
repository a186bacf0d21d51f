"""The partial file and its journal: what survives a quit, a crash or a power cut. On the downloads thread.

`<name>.part` holds the bytes, `<name>.part.json` says how many of them are safely on the disk and which file
they belong to. It is written after the data was synced: it may be behind the data, but never ahead of it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from tray_app.download.source import RemoteFile
from tray_app.download.verify import HEAD_BYTES, hash_file
from tray_app.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO
    from pathlib import Path

# Windows and macOS have no fdatasync.
_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class Journal(msgspec.Struct, frozen=True):
    """What is known of the partial file."""

    remote: RemoteFile
    received_bytes: int


class PartFile:
    """The bytes of one download that are here already, from the first on without a gap."""

    def __init__(self, final: Path) -> None:
        self.path = final.with_name(f"{final.name}.part")
        self.remote: RemoteFile | None = None
        self.received_bytes = 0
        self._final = final
        self._journal = final.with_name(f"{final.name}.part.json")
        self._sha256 = hashlib.sha256()
        self._file: FileIO | None = None

    @property
    def whole(self) -> bool:
        """Whether the file has the size that was announced."""
        return self.remote is not None and self.remote.size_bytes == self.received_bytes

    def load(self, url: str, keep_going: Callable[[], None]) -> None:
        """Take up what an earlier run left for this URL, if anything; reads it once, for the digest."""
        journal = self._read_journal()
        if journal is None or journal.remote.source.url != url:
            return
        if not self.path.is_file() or self.path.stat().st_size < journal.received_bytes:
            return
        self._sha256 = hash_file(self.path, journal.received_bytes, keep_going)
        self.remote, self.received_bytes = journal.remote, journal.received_bytes

    def start_over(self, remote: RemoteFile) -> None:
        """Forget all bytes; those that follow belong to `remote`."""
        self._close_file()
        self.remote, self.received_bytes = remote, 0
        self._sha256 = hashlib.sha256()
        # The journal first: the old one must not vouch for new bytes.
        self._write_journal()
        self._file = self.path.open("wb", buffering=0)

    def write(self, data: bytes) -> None:
        """Append. OSError if it cannot be stored."""
        rest = memoryview(data)
        file = self._opened()
        while rest:
            rest = rest[file.write(rest) :]
        self._sha256.update(data)
        self.received_bytes += len(data)

    def head(self) -> bytes:
        """The first bytes, which tell what the file is."""
        with self.path.open("rb") as file:
            return file.read(HEAD_BYTES)

    def end_here(self) -> None:
        """The file is whole: its size was not announced, but its end was."""
        if self.remote is not None:
            self.remote = replace(self.remote, size_bytes=self.received_bytes)

    def checkpoint(self) -> None:
        """Make sure that a later run finds every byte received so far."""
        if self._file is not None:
            _sync_data(self._file.fileno())
            self._write_journal()

    def hexdigest(self) -> str:
        """The SHA-256 of what is here."""
        return self._sha256.hexdigest()

    def publish(self) -> None:
        """Give the file its final name."""
        os.fsync(self._opened().fileno())
        self._close_file()
        self.path.replace(self._final)
        self._journal.unlink(missing_ok=True)
        _sync_folder(self._final.parent)

    def set_aside(self) -> Path:
        """Rename the file so that it is neither used nor continued; its new path."""
        self._close_file()
        damaged = self._final.with_name(f"{self._final.name}.damaged")
        self.path.replace(damaged)
        self._journal.unlink(missing_ok=True)
        return damaged

    def discard(self) -> None:
        """Delete what is here."""
        self._close_file()
        self._journal.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        self.remote, self.received_bytes = None, 0
        self._sha256 = hashlib.sha256()

    def close(self) -> None:
        """Leave everything so that a later run can go on."""
        with suppress(OSError):  # a full disk: then the last checkpoint holds
            self.checkpoint()
        self._close_file()

    def _opened(self) -> FileIO:
        if self._file is None:
            self._file = self.path.open("r+b", buffering=0)
            # What lies beyond was never synced: nobody vouches for it.
            self._file.truncate(self.received_bytes)
            self._file.seek(self.received_bytes)
        return self._file

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read_journal(self) -> Journal | None:
        try:
            return msgspec.json.decode(self._journal.read_bytes(), type=Journal)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _write_journal(self) -> None:
        if self.remote is None:
            return
        content = msgspec.json.encode(Journal(self.remote, self.received_bytes))
        write_atomically(self._journal, content, mode=0o600)  # an address may hold a password
        _sync_folder(self._journal.parent)


def _sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable; Windows does that by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
