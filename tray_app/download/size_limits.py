"""How much may come of a file: what the disk has room for, and what a model of unknown size can have.

Both are asked while the bytes come, for a server may send what it likes, and other programs write, too.
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
    """Gives the size of a model by its header, of which so many bytes are in a file; None: it takes more of
    them. `ModelError` if that is no model's."""

_NO_SPACE: Text = (
    "What was downloaded is kept. Free some space and choose Resume, or choose another models folder."
)
_GB = 1e9  # as disks and download pages count
_SHARE_BYTES = 8 << 20
"""So much is written before the disk is asked again, which is a hundred times a second at the most."""
_BEHIND_BYTES = 64 << 20
"""So much may follow the last weight: converters fill up the end, and some append what is theirs."""


class NoRoomError(DownloadError):
    """What is free on the disk is left to other programs."""


class DiskRoom:
    """The disk that a download is written to; shared by its connections."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._left_bytes = 0

    def require(self, missing_bytes: int) -> None:
        """NoRoomError if there is no room for so much."""
        room = disk_space(self._folder)
        if missing_bytes > max(0, room.usable_bytes):
            raise self._too_little(room, missing_bytes)

    def take(self, count: int) -> None:
        """So many bytes are about to be written; NoRoomError if there is no room for them."""
        with self._lock:
            if count > self._left_bytes:
                self._left_bytes = min(self._usable(at_least=count), _SHARE_BYTES)
            self._left_bytes -= count

    def look(self) -> None:
        """NoRoomError if others have taken what was left to them, and more."""
        self._usable(at_least=0)

    def _usable(self, at_least: int) -> int:
        room = disk_space(self._folder)
        if room.usable_bytes < at_least:
            raise self._too_little(room, at_least)
        return room.usable_bytes

    def _too_little(self, room: DiskSpace, wanted_bytes: int) -> NoRoomError:
        return not_enough_space(NoRoomError, room, self._folder, wanted_bytes, _NO_SPACE)


class UnknownSize:
    """A model that a server sends without saying how large it is: its header says so once it is here."""

    def __init__(self, path: Path, measure: Measure) -> None:
        self._path = path
        self._measure = measure
        self._look_at_bytes = 1
        self._most_bytes: int | None = None

    def check(self, received_bytes: int) -> None:
        """ForeignContentError if that is more than the model can have, or no model begins so."""
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
