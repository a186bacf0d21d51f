"""The space for models on a disk: the free space without the reserve for other programs. Any thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.errors import ModelError
from tray_app.models import file_errors
from tray_app.system.disk import disk_space, nearest_folder, not_enough_space

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.phrases import Text
    from tray_app.system.disk import DiskSpace


def free_bytes(folder: Path) -> int:
    """The space for models in bytes on the disk of a folder, which need not exist yet.

    `ModelError` if the disk cannot be read.
    """
    return max(0, _space(folder).usable_bytes)


def require_space(folder: Path, wanted_bytes: int, hint: Text) -> None:
    """`ModelError` with this hint if there is less space than `wanted_bytes`, or the disk cannot be read."""
    space = _space(folder)
    if wanted_bytes > space.usable_bytes:
        raise not_enough_space(ModelError, space, folder, wanted_bytes, hint)


def _space(folder: Path) -> DiskSpace:
    try:
        return disk_space(nearest_folder(folder))
    except OSError as exc:
        raise file_errors.unreadable(folder, folder.name, exc.strerror or str(exc)) from exc
