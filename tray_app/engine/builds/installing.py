"""The installation of a build: one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tray_app.engine.builds.build import WeightKind
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
    weights: WeightKind | None = None
    """While it is proven: with which kind of weights."""
    sha256: str = ""
    """Of an archive that the person has given, once it is known."""
    error: AppError | None = None
    """Why it failed; while it downloads: what it is waiting to pass before it goes on by itself."""
