"""One download as the queue keeps it. Every method is called with the queue's lock held."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tray_app.download.part import PartFile
from tray_app.download.part_lock import sole_writer
from tray_app.download.progress import Phase, Progress, RateMeter
from tray_app.download.transfer import Order

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tray_app.download.connection_pool import TransferLimits
    from tray_app.download.part import Journal
    from tray_app.download.session import Session
    from tray_app.errors import DownloadError


class JobRun:
    """One attempt at a job on the downloads thread, and the phase that the job gets if it is stopped."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.stopping = threading.Event()
        self.next_phase = Phase.PAUSED
        self.discard = False

    def stop(self, phase: Phase, *, discard: bool) -> None:
        """End soon: a blocked read ends now."""
        self.next_phase, self.discard = phase, discard
        self.stopping.set()
        self.session.abort()


class Job:
    """A queued download and its progress."""

    def __init__(self, number: int, order: Order) -> None:
        self.number = number
        self.order = order
        self.phase = Phase.WAITING
        self.received_bytes = 0
        self.total_bytes: int | None = None
        self.meter = RateMeter()
        self.resumed = False
        self.sha256: str | None = None
        self.validator: str | None = None
        self.error: DownloadError | None = None
        self.run: JobRun | None = None
        self.limits: Callable[[TransferLimits], TransferLimits] | None = None
        """Computes the limits of this download from those of all; None if they are the same."""
        self._shown: Progress | None = None
        self._shown_state: tuple[object, ...] = ()

    @classmethod
    def left_behind(cls, number: int, folder: Path, journal: Journal) -> Job:
        """An unfinished download of an earlier run of the app; paused until the user resumes it."""
        job = cls(number, Order(journal.source, folder, journal.sha256))
        job.phase = Phase.PAUSED
        job.received_bytes = sum(span.end - span.start for span in journal.done)
        job.total_bytes = journal.remote.size_bytes if journal.remote else None
        return job

    def start(self) -> None:
        """Wait for the thread. A run that is just being stopped is followed by another."""
        if self.run is not None:
            self.run.next_phase, self.run.discard = Phase.WAITING, False
        elif self.phase is not Phase.DONE:
            self.phase, self.error = Phase.WAITING, None

    def stop(self, phase: Phase, *, discard: bool = False) -> None:
        """Pause or cancel. A failed download cannot be paused; a finished one is not changed."""
        if self.run is not None:
            self.run.stop(phase, discard=discard)
        elif self.phase is Phase.WAITING or (phase is Phase.CANCELLED and self.phase is not Phase.DONE):
            if discard:
                self._remove_part()
            self.phase, self.error = phase, None

    def begin(self, session: Session) -> JobRun:
        """The downloads thread starts this job."""
        self.phase = Phase.CONNECTING
        self.run = JobRun(session)
        return self.run

    def end(self, phase: Phase, *, error: DownloadError | None = None, sha256: str | None = None) -> None:
        """The downloads thread has finished this job. `OSError`, `DownloadError` if its bytes cannot be
        deleted.
        """
        discard = self.run is not None and self.run.discard
        self.phase, self.error, self.sha256, self.run = phase, error, sha256, None
        if not phase.active:
            self.limits = None  # those of the caller who has started it
        if discard and phase is not Phase.DONE:
            self._remove_part()

    def progress(self) -> Progress:
        """The job as a frozen value; the same object until something changes."""
        rate = self.meter.bytes_per_s if self.phase is Phase.DOWNLOADING else 0.0
        numbers = (self.received_bytes, self.total_bytes, rate)
        state = (self.order, self.phase, *numbers, self.resumed, self.sha256, self.validator, self.error)
        if self._shown is None or self._shown_state != state:
            self._shown, self._shown_state = self._progress(rate), state
        return self._shown

    def _progress(self, rate: float) -> Progress:
        missing = None if self.total_bytes is None else self.total_bytes - self.received_bytes
        return Progress(
            id=self.number,
            name=self.order.source.file_name,
            phase=self.phase,
            received_bytes=self.received_bytes,
            total_bytes=self.total_bytes,
            rate_bytes_per_s=rate,
            remaining_s=missing / rate if rate and missing is not None else None,
            path=self.order.path,
            resumed=self.resumed,
            sha256=self.sha256,
            error=self.error,
            source=self.order.source.url,
            validator=self.validator,
        )

    def _remove_part(self) -> None:
        # Another program may be downloading it: then its bytes are not deleted.
        with sole_writer(self.order.path):
            PartFile(self.order.path, self.order.source).discard()
        self.received_bytes, self.resumed = 0, False
