"""What is in an archive of an engine, one by one, without trust in any number that stands there. Any thread.

Python's libraries keep in memory what an archive calls its list of contents, or a header. Here they read
through something that gives out no more than a real one has.
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
"""Of a .zip, whose list of contents is read at once: that of so many files is shorter."""
_MOST_HEADER_BYTES = 16 << 10
"""In a .tar, of one file: for its name and what else is said of it."""
_MOST_FILLING_BYTES = 4 << 20
"""What may follow the last file of a .tar: zeros, to the end of a block."""
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
    """Its rights; 0 if the archive does not say."""
    target: str = ""
    """What a link says, or the name of the file that is to be there again."""
    blocks: Callable[[], Iterator[bytes]] = lambda: iter(())
    """Its content."""


class ArchiveFile(io.BufferedReader):
    """An archive's file of which nobody reads a list of contents that is too long to be one."""

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file, but for the limit. `ValueError`."""
        wanted = _MOST_INDEX_BYTES if size is None or size < 0 else size
        if wanted > _MOST_INDEX_BYTES:
            raise ValueError("Its list of contents is too long.")
        return super().read(wanted)


class _Forward:
    """A stream that is read once, from its start to its end, for tarfile: it never goes back."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._position = 0

    def tell(self) -> int:
        """How much has been read."""
        return self._position

    def seek(self, position: int) -> None:
        """Go on to a later place. `ValueError` for an earlier one, `EOFError` if there is none."""
        if position < self._position:
            raise ValueError("Its parts overlap.")
        for _ in self.blocks(position - self._position):
            pass

    def read(self, size: int) -> bytes:
        """A header. `ValueError` if it is too long to be one: tarfile would keep it in memory."""
        if not 0 <= size <= _MOST_HEADER_BYTES:
            raise ValueError("A header in it is too long.")
        return self._read(size)

    def blocks(self, size: int) -> Iterator[bytes]:
        """So many bytes from here. `EOFError` if there are less."""
        while size:
            block = self._read(min(size, BLOCK_BYTES))
            if not block:
                raise EOFError("It ends before its last file.")
            size -= len(block)
            yield block

    def require_end(self) -> None:
        """`ValueError` if there is more than what fills the last block."""
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


def entries(file: ArchiveFile, archive: Path, foresee: Callable[[int, int], None]) -> Iterator[Entry]:
    """What is in an archive, in the order in which it is there; each is to be read before the next one.

    `foresee` is told what a .zip says of itself, in bytes and entries, before anything comes. `EngineError`
    for what is no such archive, locked, or neither a file nor a folder; one of `DAMAGED` otherwise.
    """
    start = file.peek(4)[:4]
    if start in (b"PK\x03\x04", b"PK\x05\x06"):
        return _of_zip(file, archive, foresee)
    if start[:2] == b"\x1f\x8b":
        return _of_tar(file)
    raise unreadable(archive, "It is neither a .zip nor a .tar.gz file.")


def _of_zip(file: ArchiveFile, archive: Path, foresee: Callable[[int, int], None]) -> Iterator[Entry]:
    with zipfile.ZipFile(file) as opened:
        infos = opened.infolist()
        if any(info.flag_bits & _ENCRYPTED for info in infos):
            raise EngineError(
                ErrorCode.ARCHIVE_ENCRYPTED,
                phrase("{name} is protected by a password", name=archive.name),
                "Its contents cannot be read without the password.",
                "Unpack it yourself and choose the folder.",
            )
        foresee(sum(info.file_size for info in infos), len(infos))
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
    """What is said of a file that is no whole archive."""
    return EngineError(
        ErrorCode.ARCHIVE_UNREADABLE,
        phrase("{name} could not be unpacked", name=archive.name),
        phrase("It is damaged, incomplete or not an archive: {why}", why=why),
        "Download or copy it again. Engines come as .zip or .tar.gz, or as a folder.",
    )


def too_large(archive: Path, why: Text) -> EngineError:
    """What is said of an archive that would fill the disk or take for ever."""
    return EngineError(
        ErrorCode.ARCHIVE_TOO_LARGE,
        phrase("{name} is too large for an engine", name=archive.name),
        why,
        "Nothing was kept. Download the engine from its publisher. Published engines are smaller.",
    )
