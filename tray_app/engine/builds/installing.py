"""The installation of a build: one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tray_app.errors import AppError


class InstallPhase(StrEnum):
    """What is being done."""

    DOWNLOADING = "downloading"
    UNPACKING = "unpacking"
    PROVING = "proving"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation at one moment."""

    build_id: str
    """Of the `PublishedBuild`; of a person's own file or folder, its name."""
    phase: InstallPhase
    received_bytes: int = 0
    total_bytes: int | None = None
    rate_bytes_per_s: float = 0.0
    remaining_s: float | None = None
    error: AppError | None = None
