"""Finds out whether the drive or folder of a file is gone, and waits for it.

Any thread; waits on one of its own.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.errors import ErrorCode, Fix, ModelError
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.phrases import Phrase

# Where systems mount removable drives; below the last two, in a folder for each user.
_MOUNT_FOLDERS = tuple(map(Path, ("/Volumes", "/mnt", "/media", "/run/media")))
_PERSONAL_MOUNT_FOLDERS = _MOUNT_FOLDERS[2:]


class DriveGoneError(ModelError):
    """A file is on a drive that is not connected."""

    def __init__(self, place: Path) -> None:
        super().__init__(
            ErrorCode.DRIVE_NOT_CONNECTED,
            title_of(place),
            phrase("{place} is not available.", place=place),
            "When it is back, the server starts automatically. Or choose another model or models folder.",
            fix=Fix.SETTING,
            setting="model",
        )
        self.place = place


def title_of(place: Path) -> Phrase:
    """The title of an error about a drive or folder that is gone."""
    name = place.name or place
    if is_drive(place):
        return phrase("The drive “{name}” is not connected", name=name)
    return phrase("The folder “{name}” is missing", name=name)


def device_of(path: Path) -> int | None:
    """The number of the device that a file is on; None if the file does not exist."""
    try:
        return path.stat().st_dev
    except (OSError, ValueError):  # ValueError: not a possible path (a NUL in it)
        return None


def missing_place(file: Path, device: int | None = None) -> Path | None:
    """The drive or folder of a file if that is gone; None if it exists, even without the file.

    `device` is the file's device when it was last seen: an unmounted drive leaves an empty folder on another
    device.
    """
    if os.path.exists(file):  # noqa: PTH110  Path's raises where a drive gives errors
        return None
    folders = list(file.absolute().parents)
    if (here := device_of(folders[0])) is not None:
        return folders[0] if device not in (None, here) else None
    missing = folders[0]
    for folder in folders[1:]:
        if device_of(folder) is not None:
            break
        missing = folder
    return missing


def is_drive(place: Path) -> bool:
    """Whether a missing path is, by its name, that of a drive and not of a folder on one."""
    return (
        place == Path(place.anchor)
        or place.parent in _MOUNT_FOLDERS
        or place.parent.parent in _PERSONAL_MOUNT_FOLDERS
    )


class PathWatcher:
    """Waits until a path exists and then calls `back`, on its own thread."""

    def __init__(self, name: str, file: Path, back: Callable[[], None], look_every_s: float) -> None:
        self._file = file
        self._back = back
        self._look_every_s = look_every_s
        self._cancelled = threading.Event()
        # A thread of its own: on a network drive, one look can take minutes.
        threading.Thread(target=self._wait, name=name, daemon=True).start()

    def cancel(self) -> None:
        """Stop waiting. `back` may still be called if it was about to be."""
        self._cancelled.set()

    def _wait(self) -> None:
        while not self._cancelled.wait(self._look_every_s):
            if os.path.exists(self._file):  # noqa: PTH110  as above
                self._back()
                return
