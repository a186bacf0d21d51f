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
    """The state of a download."""

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
        """Whether it goes on without the user."""
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
    """None if it is not known yet, or at all."""
    rate_bytes_per_s: float
    """Over the last five seconds; 0 unless downloading."""
    remaining_s: float | None
    """The estimated time to the end; None if it is unknown."""
    path: Path
    """The path of the file, also before it exists."""
    resumed: bool
    """Whether it has continued an earlier run."""
    sha256: str | None
    """Of the finished file, if it was computed."""
    error: AppError | None
    """Why it failed, or, while it is active, the problem after which it will try again."""
    source: str = ""
    """Its URL."""
    validator: str | None = None
    """The server's ETag or date for this version of the file, once it is known."""

    @property
    def trouble(self) -> str:
        """The title of the error; empty without one."""
        return self.error.title if self.error else ""


class Observer(Protocol):
    """Gets the progress of a download. Called on the downloads thread."""

    def on_name(self, source: DownloadSource) -> None:
        """The server has given the file's name, which the URL does not contain."""

    def on_phase(self, phase: Phase) -> None:
        """A phase has begun."""

    def on_bytes(self, received_bytes: int, total_bytes: int | None) -> None:
        """The number of bytes in the partial file has changed."""

    def on_trouble(self, error: DownloadError) -> None:
        """An attempt has failed, and there will be another."""

    def on_start(self, offset_bytes: int) -> None:
        """An attempt continues after this number of bytes; 0 if it begins at the start of the file."""


class RateMeter:
    """Bytes per second over the last five seconds, from samples a tenth of a second apart."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def sample(self, received_bytes: int, now_s: float) -> bool:
        """Note the bytes received so far; False if the last sample is less than a tenth of a second old."""
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
