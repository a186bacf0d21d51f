"""The entries of an archive of an engine, one by one; no number in it is trusted. Any thread.

Python's libraries read an archive's list of contents, or a header, into memory at once. Here they read
through files that refuse to give more than a real one has.
"""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from enum import Enum, auto
from typing import IO, TYPE_CHECKING, cast

from tray_app.engine.builds.archive_names import unsafe
from tray_app.errors import EngineError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tray_app.phrases import Text

BLOCK_BYTES = 1 << 20
_MOST_INDEX_BYTES = 4 << 20
"""For the list of contents of a .zip: that of the most files that are unpacked is shorter."""
_MOST_HEADER_BYTES = 16 << 10
"""For the header of one file in a .tar: its name and attributes."""
_MOST_FILLING_BYTES = 4 << 20
"""For the zeros that may follow the last file of a .tar."""
_MOST_LINK_BYTES = 4096
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_MADE_ON_UNIX = 3
_NO_FILE = phrase("It is neither a file nor a folder.")
_TOO_LONG_A_LINK = phrase("It is a link that does not lead to a file in the archive.")

DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,  # of bzip2 and gzip, too
    ValueError,
    RuntimeError,
    NotImplementedError,
    RecursionError,
    OverflowError,
)
"""What Python's libraries raise for archives that are damaged, or packed in a way that they do not know."""


class Sort(Enum):
    """What an entry is."""

    FILE = auto()
    FOLDER = auto()
    LINK = auto()
    COPY = auto()
    """The same file again (a hard link)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in an archive."""

    name: str
    sort: Sort
    size_bytes: int = 0
    mode: int = 0
    """Its permissions; 0 if the archive does not say."""
    target: str = ""
    """The target of a link, or the name of the file that is to be copied."""
    blocks: Callable[[], Iterator[bytes]] = lambda: iter(())
    """Its content."""


class ArchiveFile(io.BufferedReader):
    """The file of an archive, from which nothing can be read that is too long for a list of contents."""

    def read(self, size: int | None = -1, /) -> bytes:
        """As for any file. `ValueError` if it is more than the limit."""
        wanted = _MOST_INDEX_BYTES if size is None or size < 0 else size
        if wanted > _MOST_INDEX_BYTES:
            raise ValueError("Its list of contents is too long.")
        return super().read(wanted)


class _Forward:
    """The unpacked stream of a .tar.gz, for tarfile: it is read once, from start to end."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._position = 0
        self._last_header = b""

    def tell(self) -> int:
        """How much has been read."""
        return self._position

    def seek(self, position: int) -> None:
        """Skip to a later position. `ValueError` for an earlier one, `EOFError` beyond the end."""
        if position < self._position:
            raise ValueError("Its parts overlap.")
        for _ in self.blocks(position - self._position):
            pass

    def read(self, size: int) -> bytes:
        """A header. `ValueError` if it is too long to be one: tarfile would keep it in memory."""
        if not 0 <= size <= _MOST_HEADER_BYTES:
            raise ValueError("A header in it is too long.")
        self._last_header = self._read(size)
        return self._last_header

    def blocks(self, size: int) -> Iterator[bytes]:
        """The next bytes, block by block. `EOFError` if there are fewer."""
        while size:
            block = self._read(min(size, BLOCK_BYTES))
            if not block:
                raise EOFError("It ends before its last file.")
            size -= len(block)
            yield block

    def require_end(self) -> None:
        """`ValueError` if anything but zeros ends it: older Pythons take a wrong header for the end."""
        if any(self._last_header):
            raise ValueError("A header in it is not valid.")
        for _ in range(_MOST_FILLING_BYTES // BLOCK_BYTES):
            block = self._read(BLOCK_BYTES)
            if not block:
                return
            if block.strip(b"\0"):
                break
        raise ValueError("Something follows its last file.")

    def _read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self._position += len(block)
        return block


def entries(file: ArchiveFile, archive: Path, check_limits: Callable[[int, int], None]) -> Iterator[Entry]:
    """The entries of an archive in their order; the content of each must be read before the next entry.

    `check_limits` gets the bytes and the number of files that a .zip claims to have, before the first entry.
    `EngineError` if it is no such archive, is protected by a password, or has something in it that is neither
    a file nor a folder; one of `DAMAGED` if it is damaged.
    """
    start = file.peek(4)[:4]
    if start in (b"PK\x03\x04", b"PK\x05\x06"):
        return _of_zip(file, archive, check_limits)
    if start[:2] == b"\x1f\x8b":
        return _of_tar(file)
    raise unreadable(archive, "It is neither a .zip nor a .tar.gz file.")


def _of_zip(file: ArchiveFile, archive: Path, check_limits: Callable[[int, int], None]) -> Iterator[Entry]:
    with zipfile.ZipFile(file) as opened:
        infos = opened.infolist()
        if any(info.flag_bits & _ENCRYPTED for info in infos):
            raise EngineError(
                ErrorCode.ARCHIVE_ENCRYPTED,
                phrase("{name} is protected by a password", name=archive.name),
                "Its contents cannot be read without the password.",
                "Unpack it yourself and choose the folder.",
            )
        check_limits(sum(info.file_size for info in infos), len(infos))
        for info in sorted(infos, key=lambda each: each.header_offset):
            yield _zipped(opened, info)


def _zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    name = info.orig_filename  # zipfile's own ends before a NUL
    mode = info.external_attr >> 16 if info.create_system == _MADE_ON_UNIX else 0
    kind = stat.S_IFMT(mode)
    if name.endswith("/") or kind == stat.S_IFDIR:
        if info.file_size:
            raise unsafe(name, _NO_FILE)
        return Entry(name, Sort.FOLDER)
    if kind == stat.S_IFLNK:
        if info.file_size > _MOST_LINK_BYTES:
            raise unsafe(name, _TOO_LONG_A_LINK)
        return Entry(name, Sort.LINK, target=archive.read(info).decode())
    if kind not in (0, stat.S_IFREG):
        raise unsafe(name, _NO_FILE)

    def blocks() -> Iterator[bytes]:
        with archive.open(info) as file:
            while block := file.read(BLOCK_BYTES):
                yield block

    return Entry(name, Sort.FILE, info.file_size, stat.S_IMODE(mode), blocks=blocks)


def _of_tar(file: ArchiveFile) -> Iterator[Entry]:
    with gzip.GzipFile(fileobj=file) as unzipped:
        stream = _Forward(unzipped)
        with tarfile.TarFile(fileobj=cast("IO[bytes]", stream), encoding="utf-8") as opened:
            for member in opened:
                yield _tarred(stream, member)
        stream.require_end()


def _tarred(stream: _Forward, member: tarfile.TarInfo) -> Entry:
    name = member.name
    if member.isdir():
        return Entry(name, Sort.FOLDER, mode=member.mode)
    if member.issym():
        return Entry(name, Sort.LINK, target=member.linkname)
    if member.islnk():
        return Entry(name, Sort.COPY, target=member.linkname)
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE) or member.issparse():
        raise unsafe(name, _NO_FILE)

    def blocks() -> Iterator[bytes]:
        stream.seek(member.offset_data)
        return stream.blocks(member.size)

    return Entry(name, Sort.FILE, member.size, member.mode, blocks=blocks)


def unreadable(archive: Path, why: Text) -> EngineError:
    """The error about a file that is damaged, incomplete or not an archive."""
    return EngineError(
        ErrorCode.ARCHIVE_UNREADABLE,
        phrase("{name} could not be unpacked", name=archive.name),
        phrase("It is damaged, incomplete or not an archive: {why}", why=why),
        "Download or copy it again. Engines come as .zip or .tar.gz, or as a folder.",
    )


def too_large(archive: Path, why: Text) -> EngineError:
    """The error about an archive that would fill the disk or take forever."""
    return EngineError(
        ErrorCode.ARCHIVE_TOO_LARGE,
        phrase("{name} is too large for an engine", name=archive.name),
        why,
        "Nothing was kept. Download the engine from its publisher. Published engines are smaller.",
    )
