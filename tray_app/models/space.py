"""The space on the disk of a folder. Any thread."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tray_app.errors import ModelError
from tray_app.models import faults
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.phrases import Text

_GB = 1e9  # disks are sold and shown in decimal units, unlike memory


def free_bytes(folder: Path) -> int:
    """The space on the disk of a folder, which need not be there yet. `ModelError` if it cannot be told."""
    place = folder.absolute()
    try:
        while not place.exists() and place != place.parent:
            place = place.parent
        return shutil.disk_usage(place).free
    except OSError as exc:
        raise faults.unreadable(place, place.name, exc.strerror or str(exc)) from exc


def require_space(folder: Path, wanted_bytes: int, hint: Text) -> None:
    """`ModelError` with this hint if there is less space than that."""
    free = free_bytes(folder)
    if wanted_bytes > free:
        raise ModelError(
            "Not enough space on the disk",
            phrase(
                "{needed:.2f} GB are needed, {free:.2f} GB are free in {folder}.",
                needed=wanted_bytes / _GB,
                free=free / _GB,
                folder=folder,
            ),
            hint,
        )
