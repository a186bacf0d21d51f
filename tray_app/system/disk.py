"""The room on a disk, and how much of it is left to other programs. Any thread."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.phrases import Text

_GB = 1e9  # disks are sold and shown in decimal units, unlike memory
MOST_RESERVE_BYTES = 1_000_000_000
RESERVE_SHARE = 0.02
"""The smaller of the two stays free. On a full disk no program can save what people work on, and the system
itself fails; a gigabyte keeps all that going for hours. Of a small disk or stick that would be too much."""


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """What there is on a disk."""

    free_bytes: int
    reserve_bytes: int
    """What of it this app does not take."""

    @property
    def usable_bytes(self) -> int:
        """What this app may still take; negative if others have taken of the reserve."""
        return self.free_bytes - self.reserve_bytes


def disk_space(folder: Path) -> DiskSpace:
    """The room on the disk of a folder. `OSError` if it cannot be told."""
    usage = shutil.disk_usage(folder)
    return DiskSpace(usage.free, min(MOST_RESERVE_BYTES, int(usage.total * RESERVE_SHARE)))


AnyError = TypeVar("AnyError", bound=AppError)


def not_enough_space(
    kind: type[AnyError], room: DiskSpace, folder: Path, wanted_bytes: int, hint: Text
) -> AnyError:
    """There is less room than is needed and left to other programs."""
    return kind(
        ErrorCode.NOT_ENOUGH_SPACE,
        "Not enough space on the disk",
        phrase(
            "{needed:.2f} GB more are needed. {free:.2f} GB are free in {folder}, of which {reserve:.2f} GB "
            "are left to other programs.",
            needed=wanted_bytes / _GB,
            free=room.free_bytes / _GB,
            reserve=room.reserve_bytes / _GB,
            folder=folder,
        ),
        hint,
    )
