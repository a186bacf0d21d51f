"""The files of an installed engine, and whether they have changed since it was installed. Any thread."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import msgspec

from tray_app.engine.builds.offers import Sha256
from tray_app.phrases import phrase
from tray_app.system.files import is_link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tray_app.phrases import Text

MANIFEST = "build.json"
"""The file that lists the others."""
_OF_FILE_MANAGERS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Files that file managers leave in folders; no program loads them."""

RelativePath = Annotated[str, msgspec.Meta(pattern=r"(?s)\A(?!(.*/)?\.{1,2}(/|\Z))[^/]")]
"""With `/` between its parts on every system."""
Stamp = tuple[int, int, int]
"""What shows that a file has changed: modification time in nanoseconds, size in bytes, number (inode)."""


class FileNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file as it was at the installation."""

    size_bytes: int
    modified_ns: int
    sha256: Sha256


class Files(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is in a folder and below, by name, except the manifest."""

    files: dict[RelativePath, FileNote]
    links: dict[RelativePath, str]
    """The target of each link, as it is written in it."""

    @property
    def size_bytes(self) -> int:
        """The size of all files."""
        return sum(each.size_bytes for each in self.files.values())

    def __contains__(self, name: object) -> bool:
        return name in self.files or name in self.links


def files_of(folder: Path) -> Files:
    """What is in a folder now; every byte is read. `OSError`."""
    files, links = {}, {}
    for name, path, info in _walk(folder):
        if is_link(info):
            links[name] = str(path.readlink())
        else:
            files[name] = FileNote(info.st_size, info.st_mtime_ns, _digest(path))
    return Files(files, links)


def differences(folder: Path, noted: Files, seen: dict[str, Stamp]) -> list[Text]:
    """What has changed, was added or is missing, in words; empty if nothing. `OSError`.

    Files with the noted size and time count as unchanged; of others, the digest is computed. Those whose
    digest is right are put into `seen`, and are not read again while their stamp is the same.
    """
    files, links = dict(noted.files), dict(noted.links)
    found: list[Text] = []
    for name, path, info in _walk(folder):
        if is_link(info):
            if links.pop(name, None) != str(path.readlink()):
                found.append(phrase("{file} is a different link", file=name))
            continue
        note = files.pop(name, None)
        if note is None:
            found.append(phrase("{file} was added", file=name))
        elif not _is_same(path, info, note, seen.get(name)):
            found.append(phrase("{file} was changed", file=name))
        elif info.st_mtime_ns != note.modified_ns:
            seen[name] = stamp_of(info)
    found += [phrase("{file} is missing", file=name) for name in (*files, *links)]
    return found


def _is_same(path: Path, info: os.stat_result, note: FileNote, seen: Stamp | None) -> bool:
    if not stat.S_ISREG(info.st_mode) or info.st_size != note.size_bytes:
        return False
    return info.st_mtime_ns == note.modified_ns or seen == stamp_of(info) or _digest(path) == note.sha256


def size_of(folder: Path) -> int:
    """The size of the files in a folder and below; 0 if it is missing, a link, or cannot be read."""
    with suppress(OSError):
        if not folder.is_symlink():
            return sum(info.st_size for _, _, info in _walk(folder))
    return 0


def stamp_of(info: os.stat_result) -> Stamp:
    """The stamp of a file in this state."""
    return info.st_mtime_ns, info.st_size, info.st_ino


def _walk(folder: Path, below: str = "") -> Iterator[tuple[str, Path, os.stat_result]]:
    """Everything in a folder and below except folders, manifests and what file managers leave: its name
    relative to the folder, its path and its state. `OSError`.
    """
    with os.scandir(folder) as found:
        inside = sorted(found, key=lambda each: each.name)
    for each in inside:
        name, path = f"{below}{each.name}", folder / each.name
        info = path.lstat()  # that of `each` has no number of the file on Windows
        if stat.S_ISDIR(info.st_mode) and not is_link(info):
            yield from _walk(path, f"{name}/")
        elif name != MANIFEST and each.name not in _OF_FILE_MANAGERS:
            yield name, path, info


def _digest(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
