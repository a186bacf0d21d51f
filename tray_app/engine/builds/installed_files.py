"""The files of an installed engine: what there is, and whether it still is the same. Any thread."""

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
"""What the systems put into a folder that a person looks at; no program loads it."""

RelativePath = Annotated[str, msgspec.Meta(pattern=r"(?s)\A(?!(.*/)?\.{1,2}(/|\Z))[^/]")]
"""With `/` between its parts on every system."""
Stamp = tuple[int, int, int]
"""By which a file is seen to be another: its time, its size, its number."""


class FileNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file as it was at the installation."""

    size_bytes: int
    modified_ns: int
    sha256: Sha256


class Files(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is in a folder and below, by name, but for the manifest."""

    files: dict[RelativePath, FileNote]
    links: dict[RelativePath, str]
    """Where each leads."""

    @property
    def size_bytes(self) -> int:
        """What they take."""
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
    """What is another than noted, was added or is gone; nothing if all is as it was. `OSError`.

    Files whose size and time are as noted count as unchanged; of others the digest is computed. Those found
    right all the same are put into `seen`, and not read again as long as they have the same stamp.
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
    """What can be seen of a folder that may be anything."""
    with suppress(OSError):
        if not folder.is_symlink():
            return sum(info.st_size for _, _, info in _walk(folder))
    return 0


def stamp_of(info: os.stat_result) -> Stamp:
    """What tells the states of a file apart."""
    return info.st_mtime_ns, info.st_size, info.st_ino


def _walk(folder: Path, below: str = "") -> Iterator[tuple[str, Path, os.stat_result]]:
    """Name below the folder, path and state of everything in it that is no folder, but for the manifest and
    what file managers leave. `OSError`.
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
