"""The progress of a download, as a frozen value that any thread may read; and its rate. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.download.source import DownloadSource
    from tray_app.errors import AppError, DownloadError

RATE_WINDOW_S = 5.0
REPORT_INTERVAL_S = 0.1


class Phase(StrEnum):
    """What a download is doing, or how it ended."""

    WAITING = auto()
    CONNECTING = auto()
    DOWNLOADING = auto()
    VERIFYING = auto()
    DONE = auto()
    PAUSED = auto()
    FAILED = auto()
    CANCELLED = auto()

    @property
    def active(self) -> bool:
        """Whether it goes on without the person."""
        return self in {Phase.WAITING, Phase.CONNECTING, Phase.DOWNLOADING, Phase.VERIFYING}


@dataclass(frozen=True, slots=True)
class Progress:
    """One download at one moment."""

    id: int
    name: str
    """The file's name."""
    phase: Phase
    received_bytes: int
    total_bytes: int | None
    """None: not known (yet)."""
    rate_bytes_per_s: float
    """Over the last five seconds; 0 unless downloading."""
    remaining_s: float | None
    path: Path
    """Where the file is, or will be."""
    resumed: bool
    """Whether it went on from a part that was there."""
    sha256: str | None
    """Of the finished file, where it was computed."""
    error: AppError | None
    """Why it failed; while it is active: what it is waiting to pass before it goes on by itself."""
    source: str = ""
    """The address that it comes from."""
    validator: str | None = None
    """What the server calls this version of the file, once it has said so."""

    @property
    def trouble(self) -> str:
        """The same in a line; empty for nothing."""
        return self.error.title if self.error else ""


class Observer(Protocol):
    """Is told about the progress of a download. Called on the thread that downloads."""

    def on_name(self, source: DownloadSource) -> None:
        """The file is called so: the server was asked, as the address does not tell."""

    def on_phase(self, phase: Phase) -> None:
        """Something else is being done from now on."""

    def on_bytes(self, received_bytes: int, total_bytes: int | None) -> None:
        """So much of the file is here, in the part file."""

    def on_trouble(self, error: DownloadError) -> None:
        """It cannot go on now, and will try again by itself."""

    def on_start(self, offset_bytes: int) -> None:
        """So many bytes are there already; 0: the file is received from its start."""


class RateMeter:
    """Bytes per second over the last five seconds, from samples a tenth of a second apart."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def sample(self, received_bytes: int, now_s: float) -> bool:
        """Take note of how much is there; True if the sample counted: at most ten times a second."""
        if self._samples and now_s - self._samples[-1][0] < REPORT_INTERVAL_S:
            return False
        self._samples.append((now_s, received_bytes))
        while now_s - self._samples[0][0] > RATE_WINDOW_S:
            self._samples.popleft()
        return True

    @property
    def bytes_per_s(self) -> float:
        """The rate up to the last sample."""
        if len(self._samples) < 2:  # noqa: PLR2004 - a rate lies between two
            return 0.0
        (start_s, start_bytes), (end_s, end_bytes) = self._samples[0], self._samples[-1]
        return max(0.0, (end_bytes - start_bytes) / (end_s - start_s))
