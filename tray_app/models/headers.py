"""The headers of model files, read again only when a file has changed. Any thread."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from tray_app.models.gguf import read_header

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.models.header import ModelHeader


class Stamp(NamedTuple):
    """What changes when a file does: two equal stamps of a file mean that it has not changed."""

    modified_ns: int
    size_bytes: int
    changed_ns: int
    """When its content, name or permissions were last changed; on Windows, when it was created."""


def stamp_of(path: Path) -> Stamp:
    """The stamp of a file; all zeros if it does not exist or cannot be accessed."""
    try:
        info = os.stat(path)  # noqa: PTH116  `Path.stat` takes twice as long
    except (OSError, ValueError):  # reading the header reports the error
        return Stamp(0, 0, 0)
    return Stamp(info.st_mtime_ns, info.st_size, info.st_ctime_ns)


class Headers:
    """The headers that were read, with the stamps of their files."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[Stamp, ModelHeader]] = {}

    def of(self, path: Path, stamp: Stamp) -> ModelHeader:
        """The header of a file whose present stamp this is; `ModelError` as `read_header`."""
        known = self._read.get(path)
        if known is None or known[0] != stamp:
            known = self._read[path] = (stamp, read_header(path))
        return known[1]
