"""Is a drive or folder gone that a file was on, and when is it back? Any thread; waits in one of its own."""

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

# Where systems put drives that come and go; below the last two, each person's have a folder of their own.
_MOUNT_FOLDERS = tuple(map(Path, ("/Volumes", "/mnt", "/media", "/run/media")))
_PERSONAL_MOUNT_FOLDERS = _MOUNT_FOLDERS[2:]


class DriveGoneError(ModelError):
    """What is asked for is on a drive that is not connected."""

    def __init__(self, place: Path) -> None:
        super().__init__(
            ErrorCode.DRIVE_NOT_CONNECTED,
            title_of(place),
            phrase("There is no {place} now.", place=place),
            "When it is there again, the server starts by itself. Or choose another model or models folder.",
            fix=Fix.SETTING,
            setting="model",
        )
        self.place = place


def title_of(place: Path) -> Phrase:
    """What has happened, to a place that is gone."""
    name = place.name or place
    if is_drive(place):
        return phrase("The drive «{name}» is not connected", name=name)
    return phrase("The folder «{name}» is gone", name=name)


def device_of(path: Path) -> int | None:
    """The number of the drive that a file is on; None if it is not there."""
    try:
        return path.stat().st_dev
    except (OSError, ValueError):  # ValueError: what can be no path
        return None


def missing_place(file: Path, device: int | None = None) -> Path | None:
    """The drive or folder that is gone, with the file in it; None if it is there, with the file or without.

    `device` is that of the file when it was last seen: a drive that was taken off its folder leaves it empty.
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
    """Whether a place that is gone is, by its name, a drive and not a folder on one."""
    return (
        place == Path(place.anchor)
        or place.parent in _MOUNT_FOLDERS
        or place.parent.parent in _PERSONAL_MOUNT_FOLDERS
    )


class PathWatcher:
    """Waits until a file is there and then calls `back`, on the waiting thread."""

    def __init__(self, name: str, file: Path, back: Callable[[], None], look_every_s: float) -> None:
        self._file = file
        self._back = back
        self._look_every_s = look_every_s
        self._cancelled = threading.Event()
        # A thread of its own: on the drive of another computer, a look may take minutes.
        threading.Thread(target=self._wait, name=name, daemon=True).start()

    def cancel(self) -> None:
        """Wait no more; `back` may be about to be called."""
        self._cancelled.set()

    def _wait(self) -> None:
        while not self._cancelled.wait(self._look_every_s):
            if os.path.exists(self._file):  # noqa: PTH110  as above
                self._back()
                return
