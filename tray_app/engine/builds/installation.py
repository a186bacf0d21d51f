"""How far the installation of a build is, and where what it downloads is kept. Any thread."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.errors import EngineError, ErrorCode

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from tray_app.engine.builds.build import WeightKind
    from tray_app.errors import AppError


class InstallPhase(StrEnum):
    """What is being done, or how it ended."""

    DOWNLOADING = "downloading"
    UNPACKING = "unpacking"
    PROVING = "proving"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"

    @property
    def active(self) -> bool:
        """Whether it goes on without the person."""
        return self in (InstallPhase.DOWNLOADING, InstallPhase.UNPACKING, InstallPhase.PROVING)


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation at one moment."""

    build_id: str
    """The name that the build has, or will have, in the store."""
    phase: InstallPhase
    received_bytes: int = 0
    """Of its archives: downloaded, or while it is unpacked, read."""
    total_bytes: int | None = None
    """None: not known (yet)."""
    rate_bytes_per_s: float = 0.0
    """Over the last five seconds; 0 unless downloading."""
    remaining_s: float | None = None
    """Of the download."""
    weights: WeightKind | None = None
    """While it is proven: with which kind of weights."""
    sha256: str = ""
    """Of an archive that the person has given, once it is known."""
    error: AppError | None = None
    """Why it failed; while it downloads: what it is waiting to pass before it goes on by itself."""


def raise_if_canceled(cancelled: threading.Event) -> None:
    """`EngineError` with `CALLED_OFF` if this event is set."""
    if cancelled.is_set():
        raise EngineError(ErrorCode.CALLED_OFF, "Canceled")


def downloads_in(store: Path) -> Path:
    """The folder that archives are downloaded to: in the store's, whose disk needs the space anyway. No build
    can have this name.
    """
    return store / ".downloads"
