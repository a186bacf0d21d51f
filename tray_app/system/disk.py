"""The free space on a disk, and how much of it is left to other programs. Any thread."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from tray_app.phrases import Text

_GB = 1e9  # disks are sold and shown in decimal units, unlike memory
_BLOCK_BYTES = 512  # of `st_blocks`, whatever the block size of the file system
MOST_RESERVE_BYTES = 1_000_000_000
RESERVE_SHARE = 0.02
"""The smaller of the two is never used. On a full disk no program can save people's work, and the system
itself fails; a gigabyte prevents that for hours. On a small disk or USB stick, a gigabyte would be too
much."""


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """The space on a disk."""

    free_bytes: int
    reserve_bytes: int
    """The part of the free space that this app does not use."""

    @property
    def usable_bytes(self) -> int:
        """What this app may still use; negative if other programs have used some of the reserve."""
        return self.free_bytes - self.reserve_bytes


def disk_space(folder: Path) -> DiskSpace:
    """The space on the disk of a folder. `OSError` if it cannot be read."""
    usage = shutil.disk_usage(folder)
    return DiskSpace(usage.free, min(MOST_RESERVE_BYTES, int(usage.total * RESERVE_SHARE)))


AnyError = TypeVar("AnyError", bound=AppError)


def not_enough_space(
    kind: type[AnyError], space: DiskSpace, folder: Path, wanted_bytes: int, hint: Text
) -> AnyError:
    """The error for too little free space without the reserve; `kind` is its class."""
    title: Text = "Not enough disk space"
    return kind(
        ErrorCode.NOT_ENOUGH_SPACE,
        title,
        phrase(
            "{needed:.2f} GB are needed. {folder} has {free:.2f} GB free, of which {reserve:.2f} "
            "GB are kept for other programs.",
            needed=wanted_bytes / _GB,
            free=space.free_bytes / _GB,
            reserve=space.reserve_bytes / _GB,
            folder=folder,
        ),
        hint,
    )


def nearest_folder(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists. `OSError` if that cannot be determined."""
    whole = path.absolute()
    return next((each for each in (whole, *whole.parents) if each.exists()), whole)


def bytes_on_disk(info: os.stat_result) -> int:
    """What a file occupies on the disk, without its holes; its size on Windows, which does not tell."""
    blocks = getattr(info, "st_blocks", None)
    return info.st_size if blocks is None else blocks * _BLOCK_BYTES
