"""One download from its source to a verified file: receives, goes on after faults, checks, gives the name.

Runs on the downloads thread.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tray_app.download.answer import ask
from tray_app.download.faults import (
    Interrupted,
    RangeRefusedError,
    TransientError,
    UnreachableError,
    broken_transfer,
    disk_fault,
)
from tray_app.download.part import PartFile
from tray_app.download.progress import Phase
from tray_app.download.verify import HEAD_BYTES, hash_file, refuse_foreign, refuse_wrong_digest
from tray_app.errors import DownloadError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from tray_app.download.answer import Answer
    from tray_app.download.progress import Observer
    from tray_app.download.session import Session
    from tray_app.download.source import RemoteFile, Source

T = TypeVar("T")

CHECKPOINT_INTERVAL_S = 1.0
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be fetched, and where to."""

    source: Source
    folder: Path
    sha256: str | None = None
    """What a person says the file's SHA-256 is; then any content is taken, not only models."""

    @property
    def path(self) -> Path:
        """Where the file will be."""
        return self.folder / self.source.file_name


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what."""

    connect_s: float = 10.0
    silence_s: float = 30.0
    stall_window_s: float = 30.0
    stall_bytes: int = 64 * 1024
    """Less than this in one window is a stall: a read time-out alone never ends one byte a second."""
    waits_s: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
    """Before each further attempt; begins anew whenever more of the file has arrived."""
    unreachable_waits_s: tuple[float, ...] = (0.5, 1.0)
    """The same while nothing has ever answered: a person sits there and has perhaps misspelt the address."""


class Transfer:
    """Fetches one order, once. Setting `stop` and aborting the session ends `run` with Interrupted."""

    def __init__(
        self,
        order: Order,
        session: Session,
        observer: Observer,
        stop: threading.Event,
        *,
        patience: Patience,
        clock: Callable[[], float],
    ) -> None:
        self._order = order
        self._session = session
        self._observer = observer
        self._stop = stop
        self._patience = patience
        self._clock = clock
        self._answered = False
        self._failures = 0
        self._most_bytes = 0

    def run(self) -> str | None:
        """Put the file at its path; its SHA-256, or None if it was there and nobody knows what it should be.

        DownloadError says what is in the way.
        """
        try:
            self._order.folder.mkdir(parents=True, exist_ok=True)
            if self._order.path.exists():
                return self._accept_existing()
            with closing(PartFile(self._order.path)) as part:
                return self._complete(part)
        except OSError as exc:
            raise disk_fault(exc, self._order.path) from exc

    def _accept_existing(self) -> str | None:
        """Use the file that is there, from an earlier download or by hand, if it is the right one."""
        path, expected = self._order.path, self._order.sha256
        size = path.stat().st_size
        if expected is None:
            remote = self._persistently(self._resolve)
            if remote.size_bytes != size:
                raise self._name_taken()
            expected = remote.sha256
        self._observer.on_bytes(size, size)
        if expected is None:
            return None
        self._observer.on_phase(Phase.VERIFYING)
        if hash_file(path, size, self._keep_going).hexdigest() != expected:
            raise self._name_taken()
        return expected

    def _resolve(self) -> RemoteFile:
        answer = self._ask(0)
        answer.response.close()
        return answer.remote

    def _complete(self, part: PartFile) -> str:
        self._observer.on_phase(Phase.CONNECTING)
        part.load(self._order.source.url, self._keep_going)
        self._observer.on_start(part.received_bytes)
        if part.remote is not None:
            self._note_progress(part)
        if not part.whole:
            self._persistently(lambda: self._attempt(part))
        self._observer.on_phase(Phase.VERIFYING)
        self._verify(part)
        part.publish()
        return part.hexdigest()

    def _persistently(self, attempt: Callable[[], T]) -> T:
        """The result of `attempt`, made again after faults that may pass."""
        while True:
            try:
                return attempt()
            except DownloadError as error:
                self._keep_going()  # an aborted connection may look like any fault
                wait_s = self._next_wait_s(error)
                if wait_s is None:
                    raise
                self._stop.wait(wait_s)
                self._keep_going()

    def _next_wait_s(self, error: DownloadError) -> float | None:
        if not isinstance(error, TransientError):
            return None
        never_there = isinstance(error, UnreachableError) and not self._answered
        waits_s = self._patience.unreachable_waits_s if never_there else self._patience.waits_s
        self._failures += 1
        return waits_s[self._failures - 1] if self._failures <= len(waits_s) else None

    def _attempt(self, part: PartFile) -> None:
        """Receive from one connection what is missing. TransientError if it ended early."""
        answer = self._connect(part)
        with answer.response:
            answer.refuse_unusable(self._order.sha256)
            self._require_space(answer.remote, part.received_bytes)
            if answer.start == 0:
                part.start_over(answer.remote)
            self._observer.on_start(part.received_bytes)
            self._observer.on_phase(Phase.DOWNLOADING)
            self._receive(part, answer)

    def _connect(self, part: PartFile) -> Answer:
        """An answer that goes on where the part ends; if there is none, one from the file's start."""
        if part.remote is not None and part.received_bytes:
            try:
                answer = self._ask(part.received_bytes)
            except RangeRefusedError:
                return self._ask(0)
            if answer.start == 0 or answer.continues(part.remote, part.received_bytes):
                return answer
            answer.response.close()
        return self._ask(0)

    def _ask(self, offset: int) -> Answer:
        self._observer.on_phase(Phase.CONNECTING)
        timeout_s = (self._patience.connect_s, self._patience.silence_s)
        answer = ask(self._session, self._order.source, offset, timeout_s)
        self._answered = True
        return answer

    def _require_space(self, remote: RemoteFile, occupied_bytes: int) -> None:
        """What the part occupies counts as free: it is kept, or given back before the file starts over."""
        if remote.size_bytes is None:
            return
        missing = remote.size_bytes - occupied_bytes
        free = shutil.disk_usage(self._order.folder).free
        if missing > free:
            raise DownloadError(
                "Not enough space on the disk",
                f"{missing / GIB:.2f} GiB are still to come, {free / GIB:.2f} GiB are free "
                f"in {self._order.folder}.",
                "Free some space and press Resume, or choose another models folder.",
            )

    def _receive(self, part: PartFile, answer: Answer) -> None:
        """Append the body to the part, up to its end. TransientError if that comes early."""
        size = answer.remote.size_bytes
        known = part.received_bytes >= HEAD_BYTES
        stall = _StallTimer(self._patience, part.received_bytes, self._clock())
        checkpoint_s = self._clock()
        while data := answer.read():
            part.write(data)
            if size is not None and part.received_bytes > size:
                part.discard()
                raise broken_transfer(f"The server sent more than the {size} bytes that it announced.")
            if not known and part.received_bytes >= HEAD_BYTES:
                self._refuse_foreign(part)
                known = True
            self._note_progress(part)
            now_s = self._clock()
            if now_s - checkpoint_s >= CHECKPOINT_INTERVAL_S:
                part.checkpoint()
                checkpoint_s = now_s
            stall.check(part.received_bytes, now_s)
            self._keep_going()
        self._keep_going()  # an aborted connection may look like the end of a body without a length
        if size is None:
            part.end_here()
        elif not part.whole:
            raise broken_transfer(f"The server stopped after {part.received_bytes} of {size} bytes.")

    def _note_progress(self, part: PartFile) -> None:
        if part.received_bytes > self._most_bytes:
            self._most_bytes = part.received_bytes
            self._failures = 0
        self._observer.on_bytes(part.received_bytes, part.remote.size_bytes if part.remote else None)

    def _verify(self, part: PartFile) -> None:
        self._refuse_foreign(part)
        expected = self._order.sha256 or (part.remote.sha256 if part.remote else None)
        if expected is None:
            return
        try:
            refuse_wrong_digest(expected, part.hexdigest())
        except DownloadError:
            part.set_aside()
            raise

    def _refuse_foreign(self, part: PartFile) -> None:
        try:
            refuse_foreign(part.head(), any_content=self._order.sha256 is not None)
        except DownloadError:
            part.discard()
            raise

    def _keep_going(self) -> None:
        if self._stop.is_set():
            raise Interrupted

    def _name_taken(self) -> DownloadError:
        return DownloadError(
            "Another file of this name is there",
            f"{self._order.path} is not the file that the source offers, and is left as it is.",
            "Rename or delete it, then download again.",
        )


class _StallTimer:
    """Notices a connection that lives but brings next to nothing."""

    def __init__(self, patience: Patience, received_bytes: int, now_s: float) -> None:
        self._patience = patience
        self._start_s, self._start_bytes = now_s, received_bytes

    def check(self, received_bytes: int, now_s: float) -> None:
        """TransientError if the window that ends now was a stall."""
        if now_s - self._start_s < self._patience.stall_window_s:
            return
        if received_bytes - self._start_bytes < self._patience.stall_bytes:
            raise broken_transfer("The server sends next to nothing.")
        self._start_s, self._start_bytes = now_s, received_bytes
