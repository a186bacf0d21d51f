"""How many bytes of a file are accepted: as many as the disk has space for, and as a model can have.

Both are checked during the download, because servers may send anything, and other programs write, too.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tray_app.download.verify import ForeignContentError
from tray_app.errors import DownloadError, ErrorCode, ModelError
from tray_app.phrases import phrase
from tray_app.system.disk import disk_space, not_enough_space

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tray_app.phrases import Text
    from tray_app.system.disk import DiskSpace

    Measure = Callable[[Path, int], int | None]
    """Returns the size in bytes of a model by its header, from the first bytes, of the given number, in a
    file; None if more are needed. `ModelError` if it is not the header of a model."""

_NO_SPACE: Text = (
    "What was downloaded is kept. Free some space and choose Resume, or choose another models folder."
)
_GB = 1e9  # disks and download pages use decimal units
_SHARE_BYTES = 8 << 20
"""The bytes that are written before the disk is checked again, so that this happens at most 100 times a
second."""
_BEHIND_BYTES = 64 << 20
"""The bytes that may follow the last weight: converters add padding, and some append data."""


class NoRoomError(DownloadError):
    """The free space on the disk is reserved for other programs."""


class DiskRoom:
    """The space on the disk of a download; shared by its connections."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._left_bytes = 0

    def require(self, missing_bytes: int) -> None:
        """`NoRoomError` if there is not enough space for `missing_bytes`."""
        room = disk_space(self._folder)
        if missing_bytes > max(0, room.usable_bytes):
            raise self._too_little(room, missing_bytes)

    def take(self, count: int) -> None:
        """Call before writing `count` bytes; `NoRoomError` if there is not enough space for them."""
        with self._lock:
            if count > self._left_bytes:
                self._left_bytes = min(self._usable(at_least=count), _SHARE_BYTES)
            self._left_bytes -= count

    def look(self) -> None:
        """`NoRoomError` if other programs have used up even their reserve."""
        self._usable(at_least=0)

    def _usable(self, at_least: int) -> int:
        room = disk_space(self._folder)
        if room.usable_bytes < at_least:
            raise self._too_little(room, at_least)
        return room.usable_bytes

    def _too_little(self, room: DiskSpace, wanted_bytes: int) -> NoRoomError:
        return not_enough_space(NoRoomError, room, self._folder, wanted_bytes, _NO_SPACE)


class UnknownSize:
    """Limits a model of which the server does not give the size, once its header has arrived."""

    def __init__(self, path: Path, measure: Measure) -> None:
        self._path = path
        self._measure = measure
        self._look_at_bytes = 1
        self._most_bytes: int | None = None

    def check(self, received_bytes: int) -> None:
        """`ForeignContentError` if the model cannot have so many bytes, or the header is not that of a
        model.
        """
        if self._most_bytes is None and received_bytes >= self._look_at_bytes:
            self._look_at_bytes = 4 * received_bytes
            try:
                size_bytes = self._measure(self._path, received_bytes)
            except ModelError as exc:
                raise ForeignContentError(exc.code, *exc.texts) from exc
            self._most_bytes = None if size_bytes is None else size_bytes + _BEHIND_BYTES
        if self._most_bytes is not None and received_bytes > self._most_bytes:
            raise ForeignContentError(
                ErrorCode.SOURCE_SENDS_TOO_MUCH,
                "The server is sending more data than the model should have",
                phrase(
                    "According to its header, the model has {size:.2f} GB, but {received:.2f} GB have "
                    "been received.",
                    size=(self._most_bytes - _BEHIND_BYTES) / _GB,
                    received=received_bytes / _GB,
                ),
                "Use another server.",
            )
