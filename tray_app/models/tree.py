"""Finds the files of models in a folder and its sub-folders. Any thread; reads folders, opens no file."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from tray_app.download.file_names import MODEL_SUFFIX
from tray_app.download.part import PART_ENDING
from tray_app.models.model_files import ACTIVATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEPTH = 5
"""Levels of sub-folders that are searched. LM Studio has two (publisher/repository), the cache of Hugging
Face three (models--owner--repository/snapshots/revision), and a repository with a folder for each
quantization one more; the fifth is for a models folder that is their parent."""
MOST_FOLDERS = 5000
"""A limit in case the models folder is a whole disk; looking at this many takes about 0.1 s."""


class Found(NamedTuple):
    """A file that was found below a folder."""

    name: str
    """Its path below the folder, with "/" between the parts."""
    entry: os.DirEntry[str]

    @property
    def partial(self) -> bool:
        """Whether it is the partial file of a download."""
        return self.name.endswith(PART_ENDING)


class _Folder(NamedTuple):
    path: str
    prefix: str
    """The beginning of the names of its files, see `Found.name`."""
    depth: int


def files_below(folder: Path, wanted: Callable[[str], bool] | None = None) -> Iterator[Found]:
    """Models and partial files, or else the files with `wanted` names, in a folder and its sub-folders.

    In no order. Links count as their targets. A folder that can be reached in several ways is searched once,
    by its own path rather than through a link. Hidden files and folders are skipped (macOS puts a `._name`
    beside each file on foreign drives), and so are folders with statistics. `OSError` if the folder itself
    cannot be listed; sub-folders that cannot be listed are skipped.
    """
    wanted = wanted or _belongs_to_a_model
    seen = {_identity(folder.stat())}
    folders, links = deque([_Folder(str(folder), "", 0)]), deque[_Folder]()
    for _ in range(MOST_FOLDERS):
        here = folders.popleft() if folders else _first_new(links, seen)
        if here is None:
            return
        for entry in _entries(here):
            if _is_folder(entry):
                _note(entry, here, folders, links, seen)
            elif wanted(entry.name):
                yield Found(here.prefix + entry.name, entry)


def _entries(folder: _Folder) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder.path) as entries:
            yield from entries
    except OSError:
        if folder.depth == 0:
            raise


def _note(
    entry: os.DirEntry[str],
    parent: _Folder,
    folders: deque[_Folder],
    links: deque[_Folder],
    seen: set[tuple[int, int]],
) -> None:
    """Add a sub-folder to the folders or links that are searched later, unless it is skipped."""
    if parent.depth == DEPTH or entry.name.startswith(".") or entry.name == ACTIVATION:
        return
    found = _Folder(entry.path, f"{parent.prefix}{entry.name}/", parent.depth + 1)
    if entry.is_symlink():
        links.append(found)
    elif _is_new(found, seen):
        folders.append(found)


def _first_new(links: deque[_Folder], seen: set[tuple[int, int]]) -> _Folder | None:
    while links:
        if _is_new(found := links.popleft(), seen):
            return found
    return None


def _is_new(found: _Folder, seen: set[tuple[int, int]]) -> bool:
    try:
        identity = _identity(os.stat(found.path))  # noqa: PTH116  making a Path takes longer than `stat`
    except OSError:  # gone meanwhile
        return False
    new = identity not in seen
    seen.add(identity)
    return new


def _identity(info: os.stat_result) -> tuple[int, int]:
    return info.st_dev, info.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circle of links
        return False


def _belongs_to_a_model(name: str) -> bool:
    if name.endswith(PART_ENDING):
        return True
    return name.lower().endswith(MODEL_SUFFIX) and not name.startswith(".")
