"""The list of downloads: one is active, the others wait in order. Owns the thread `downloads`.

Public methods may be called from any thread; they note the request and wake the thread.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from psygnal import EmitLoopError, Signal

from tray_app.download.address import HUGGING_FACE
from tray_app.download.connection_pool import TransferLimits
from tray_app.download.disk_errors import disk_fault
from tray_app.download.faults import Interrupted
from tray_app.download.file_names import safe_name
from tray_app.download.job import Job
from tray_app.download.part import find_journals, forget_order, named_before, note_order
from tray_app.download.progress import Phase, RateMeter
from tray_app.download.retry import RetryPolicy
from tray_app.download.source import checked_digest, parse_source
from tray_app.download.transfer import Order, Transfer
from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tray_app.download.job import JobRun
    from tray_app.download.progress import Progress
    from tray_app.download.session import Session
    from tray_app.download.size_limits import Measure
    from tray_app.download.source import DownloadSource

_log = logging.getLogger(__name__)


class DownloadQueue:
    """Runs downloads one after the other. `changed` emits `snapshot()` on the thread that has caused the
    change.

    Each download has a journal beside its future file, so that `restore` finds unfinished ones in a later
    run.
    """

    changed = Signal(tuple)

    def __init__(  # noqa: PLR0913 - what downloads depend on
        self,
        session_factory: Callable[[], Session] | None = None,
        clock: Callable[[], float] = time.monotonic,
        retry: RetryPolicy | None = None,
        *,
        limits: Callable[[], TransferLimits] = TransferLimits,
        endpoint: Callable[[], str] = lambda: HUGGING_FACE,
        keep_awake: Callable[[], AbstractContextManager[None]] = nullcontext,
        measure: Measure = lambda _path, _bytes: None,
    ) -> None:
        """`limits` is called often; `endpoint` returns where `hf:` leads; `keep_awake` is entered for each
        run.

        `measure`: see `size_limits.Measure`.
        """
        self._session_factory = session_factory
        self._clock = clock
        self._retry = retry or RetryPolicy()
        self._limits = limits
        self._endpoint = endpoint
        self._keep_awake = keep_awake
        self._measure = measure
        self._state = threading.Condition()
        self._publishing = threading.RLock()  # taken before `_state`, never while holding it
        self._jobs: dict[int, Job] = {}
        self._thread: threading.Thread | None = None
        self._closing = False

    def add(
        self,
        source: str,
        folder: Path,
        *,
        sha256: str | None = None,
        limits: Callable[[TransferLimits], TransferLimits] | None = None,
        file_name: str = "",
    ) -> int:
        """Queue a file, or resume it if it is in the list; returns the id of its download. `DownloadError` if
        the source or the digest is invalid.

        `file_name` replaces the file's name at the source. `limits` computes the limits of this download,
        until it ends, from those of all.
        """
        digest = checked_digest(sha256) if sha256 else None
        named = named_before(folder, parse_source(source, self._endpoint()))
        if file_name:
            named = replace(named, file_name=safe_name(file_name), settled=True)
        order = Order(named, folder, digest)
        with suppress(OSError):  # the transfer will report the same error
            folder.mkdir(parents=True, exist_ok=True)
            note_order(order.path, order.source, digest)
        with self._state:
            job = self._unfinished(order) or Job(len(self._jobs) + 1, order)
            if job.run is None:
                job.order = order
            job.limits = limits
            self._jobs[job.number] = job
            self._start(job)
        self._publish()
        return job.number

    def restore(self, folder: Path) -> None:
        """List the unfinished downloads of earlier runs in a folder, paused and in their earlier order."""
        with self._state:
            listed = {job.order.path for job in self._jobs.values()}
            for path, journal in find_journals(folder):
                job = Job.left_behind(len(self._jobs) + 1, folder, journal)
                if path == job.order.path and path not in listed:
                    self._jobs[job.number] = job
        self._publish()

    def resume(self, download: int) -> None:
        """Continue a download that was stopped or has failed."""
        with self._state:
            self._start(self._jobs[download])
        self._publish()

    def pause(self, download: int) -> None:
        """Pause a download; its bytes are kept."""
        self._stop(download, Phase.PAUSED)

    def cancel(self, download: int) -> None:
        """Cancel a download; its bytes are kept."""
        self._stop(download, Phase.CANCELLED)

    def discard(self, download: int) -> None:
        """Cancel a download and delete its bytes; a finished file stays. `DownloadError` if that is
        impossible.
        """
        try:
            self._stop(download, Phase.CANCELLED, discard=True)
        except OSError as exc:
            raise disk_fault(exc, self._jobs[download].order.path) from exc

    def wait(self, download: int, timeout_s: float | None = None) -> Path:
        """Wait for the finished file. `DownloadError` if it failed or was stopped, `TimeoutError` if it takes
        longer.
        """
        with self._state:
            job = self._jobs[download]
            if not self._state.wait_for(lambda: not job.phase.active, timeout_s):
                raise TimeoutError
            if job.phase is Phase.DONE:
                return job.order.path
            raise job.error or DownloadError(
                ErrorCode.DOWNLOAD_PAUSED if job.phase is Phase.PAUSED else ErrorCode.DOWNLOAD_CANCELLED,
                "The download is paused" if job.phase is Phase.PAUSED else "The download was canceled",
                phrase(
                    "{count:,} bytes of {name} have been downloaded.",
                    count=job.received_bytes,
                    name=job.order.source.file_name,
                ),
                "Resume it to continue.",
            )

    def snapshot(self) -> tuple[Progress, ...]:
        """All downloads, in the order in which they were added."""
        with self._state:
            return tuple(job.progress() for job in self._jobs.values())

    def close(self, timeout_s: float) -> None:
        """Pause everything and end the thread.

        Reads end at once. Only a name look-up or a new connection can take longer than `timeout_s`; the
        thread then ends later, or with the process.
        """
        with self._state:
            self._closing = True
            for job in self._jobs.values():
                job.stop(Phase.PAUSED)
            self._state.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        self._publish()

    def _unfinished(self, order: Order) -> Job | None:
        """The unfinished job for the same file; one that is not running may also have another source."""
        for job in self._jobs.values():
            same = job.order.is_like(order) if job.run else job.order.has_place_of(order)
            if same and job.phase is not Phase.DONE:
                return job
        return None

    def _start(self, job: Job) -> None:
        """With the lock held."""
        job.start()
        if self._closing:
            job.stop(Phase.PAUSED)
        elif self._thread is None:
            self._thread = threading.Thread(target=self._run, name="downloads", daemon=True)
            self._thread.start()
        self._state.notify_all()

    def _stop(self, download: int, phase: Phase, *, discard: bool = False) -> None:
        with self._state:
            self._jobs[download].stop(phase, discard=discard)
            self._state.notify_all()
        self._publish()

    def _run(self) -> None:
        # The libraries for HTTP are imported for the first download, while nothing waits for the lock.
        from tray_app.download.session import Session

        new_session = self._session_factory or Session
        while begun := self._next(new_session):
            job, run = begun
            self._publish()
            with self._keep_awake(), run.session:
                self._perform(job, run)

    def _next(self, new_session: Callable[[], Session]) -> tuple[Job, JobRun] | None:
        with self._state:
            while not self._closing:
                for job in self._jobs.values():
                    if job.phase is Phase.WAITING:
                        return job, job.begin(new_session())
                self._state.wait()
            return None

    def _perform(self, job: Job, run: JobRun) -> None:
        reporter = _Reporter(job, self._state, self._clock, self._publish)
        transfer = Transfer(
            job.order,
            run.session,
            reporter,
            run.stopping,
            retry=self._retry,
            clock=self._clock,
            limits=lambda: job.limits(self._limits()) if job.limits else self._limits(),
            measure=self._measure,
        )
        try:
            sha256 = transfer.run()
        except Interrupted:
            self._end(job, run.next_phase)
        except DownloadError as error:
            self._end(job, Phase.FAILED, error=error)
        except Exception as exc:  # noqa: BLE001 - the top of the thread: the other downloads go on
            _log.exception("Download of %s", job.order.source.file_name)
            self._end(
                job,
                Phase.FAILED,
                error=DownloadError(ErrorCode.INTERNAL_ERROR, "The download failed unexpectedly", repr(exc)),
            )
        else:
            job.validator = transfer.validator
            self._end(job, Phase.DONE, sha256=sha256)

    def _end(
        self, job: Job, phase: Phase, *, error: DownloadError | None = None, sha256: str | None = None
    ) -> None:
        with self._state:
            try:
                job.end(phase, error=error, sha256=sha256)
                if not (phase is Phase.PAUSED or phase.active):
                    forget_order(job.order.path)
            except DownloadError as exc:  # its bytes could not be deleted
                job.end(Phase.FAILED, error=exc)
            except OSError as exc:
                job.end(Phase.FAILED, error=disk_fault(exc, job.order.path))
            self._state.notify_all()
        self._publish()

    def _publish(self) -> None:
        with self._publishing:  # so that snapshots arrive in the order in which they were taken
            try:
                self.changed.emit(self.snapshot())
            except EmitLoopError:
                _log.exception("A listener of the download queue failed")


class _Reporter:
    """Writes a transfer's progress into its job; publishes phases at once, and bytes ten times a second."""

    def __init__(
        self,
        job: Job,
        state: threading.Condition,
        clock: Callable[[], float],
        publish: Callable[[], None],
    ) -> None:
        self._job = job
        self._state = state
        self._clock = clock
        self._publish = publish

    def on_name(self, source: DownloadSource) -> None:
        with self._state:
            self._job.order = replace(self._job.order, source=source)
        self._publish()

    def on_phase(self, phase: Phase) -> None:
        with self._state:
            changed = self._job.phase is not phase
            self._job.phase = phase
            if phase is not Phase.CONNECTING:
                self._job.error = None
            if phase is Phase.DOWNLOADING:
                self._job.meter = RateMeter()
        if changed:
            self._publish()

    def on_bytes(self, received_bytes: int, total_bytes: int | None) -> None:
        with self._state:
            self._job.received_bytes, self._job.total_bytes = received_bytes, total_bytes
            due = self._job.meter.sample(received_bytes, self._clock())
        if due:
            self._publish()

    def on_trouble(self, error: DownloadError) -> None:
        with self._state:
            self._job.phase, self._job.error = Phase.CONNECTING, error
        self._publish()

    def on_start(self, offset_bytes: int) -> None:
        with self._state:
            self._job.received_bytes = offset_bytes
            self._job.resumed = offset_bytes > 0
