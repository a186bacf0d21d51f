"""One connection of a download, on its own thread: claims bytes, requests them, and writes them in place."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.download.disk_errors import disk_fault
from tray_app.download.faults import (
    ChangedError,
    Interrupted,
    NodesDifferError,
    OverlongError,
    broken_transfer,
    changed,
)
from tray_app.download.segments import Span, claim_bytes
from tray_app.download.size_limits import NoRoomError
from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO

    from tray_app.download.part import PartFile
    from tray_app.download.response_body import Asker, ResponseBody
    from tray_app.download.retry import RetryPolicy
    from tray_app.download.segments import Claim
    from tray_app.download.size_limits import DiskRoom
    from tray_app.download.source import RemoteFile
    from tray_app.download.throttle import Throttle

_log = logging.getLogger(__name__)

BUFFER_BYTES = 512 * 1024
"""Smaller ones mean more calls; with larger ones, the bytes have left the processor's cache before they are
written."""


@dataclass(frozen=True, slots=True)
class FetchContext:
    """What all connections of a download share."""

    part: PartFile
    room: DiskRoom
    remote: RemoteFile
    sha256: str | None
    asker: Asker
    throttle: Throttle
    retry: RetryPolicy
    clock: Callable[[], float]
    is_over: Callable[[], bool]
    """Returns whether no connection may write any more."""
    is_surplus: Callable[[], bool]
    """Called between two claims: returns whether there is a connection too many, so that the caller has to
    end."""
    on_news: Callable[[], None]
    """Called when a connection has received its first bytes, or has ended."""


class Worker(threading.Thread):
    """One connection. It ends with a fault, or when nothing is left to claim; its claim is then released."""

    def __init__(
        self, number: int, context: FetchContext, claim: Claim, answer: ResponseBody | None = None
    ) -> None:
        """`answer`: the body that begins where `claim` does, if it was already requested."""
        super().__init__(name=f"download-{number}", daemon=True)
        self.number = number
        self.fault: DownloadError | None = None
        """Why it has ended; None if nothing was left to claim."""
        self.fault_ends_all = False
        """Whether the fault affects all connections: the disk, or a bug."""
        self.receiving = False
        """Whether it has received anything."""
        self.has_ended = False
        """Set last, when nothing else happens any more."""
        self._context = context
        self._plan = context.part.plan
        self._claim: Claim | None = claim
        self._answer = answer
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._claim_bytes = 0
        self._answer_s = 0.0
        self._received_at_s = context.clock()

    def standing_still(self, since_s: float) -> Claim | None:
        """Its claim, if it has received nothing since `since_s`."""
        return self._claim if self._received_at_s < since_s else None

    def run(self) -> None:
        """See `Thread.run`."""
        try:
            self._work()
        except Interrupted:
            pass
        except DownloadError as exc:
            self.fault, self.fault_ends_all = exc, isinstance(exc, NoRoomError)
        except OSError as exc:
            self.fault, self.fault_ends_all = disk_fault(exc, self._context.part.path), True
        except Exception as exc:  # noqa: BLE001 - the top of the thread: the pool reports it
            _log.exception("Connection %s", self.name)
            self.fault, self.fault_ends_all = (
                DownloadError(ErrorCode.INTERNAL_ERROR, "The download failed unexpectedly", repr(exc)),
                True,
            )
        finally:
            self.has_ended = True
            self._context.on_news()

    def _work(self) -> None:
        with self._context.part.writer() as file:
            while self._claim is not None:
                try:
                    self._fetch(self._claim, file)
                finally:
                    self._plan.release(self._claim)
                self._claim = None if self._context.is_surplus() else self._plan.claim(self._claim_bytes)

    def _fetch(self, claim: Claim, file: FileIO) -> None:
        start_s, start = self._context.clock(), claim.next
        while claim.rest_bytes:  # more than one answer if the server sends less than requested
            answer, self._answer = self._answer or self._ask(claim), None
            with answer.response:
                self._receive(claim, answer, file)
        rate = (claim.next - start) / max(self._context.clock() - start_s, 1e-3)
        self._claim_bytes = claim_bytes(rate, self._answer_s)

    def _ask(self, claim: Claim) -> ResponseBody:
        self._keep_going()
        asked_at_s = self._context.clock()
        answer = self._context.asker.ask(Span(claim.next, claim.end))
        self._answer_s = self._context.clock() - asked_at_s
        try:
            answer.refuse_unusable(self._context.sha256)
            if not answer.is_piece:
                raise broken_transfer("The server sent the whole file instead of a part.")
            if not answer.continues(self._context.remote, claim.next):
                may_be = answer.remote.may_be(self._context.remote)
                kind = NodesDifferError if may_be else ChangedError
                raise changed(self._context.remote.source.file_name, kind)
        except DownloadError:
            answer.response.close()
            raise
        return answer

    def _receive(self, claim: Claim, answer: ResponseBody, file: FileIO) -> None:
        """Write the body in place, up to its end or the claim's. `TransientError` if it breaks off."""
        clock, throttle = self._context.clock, self._context.throttle
        stall = StallTimer(self._context.retry)
        file.seek(claim.next)
        while rest_bytes := claim.rest_bytes:
            self._keep_going()
            asked_at_s = clock()
            count = answer.read_into(self._buffer[: min(throttle.piece_bytes(BUFFER_BYTES), rest_bytes)])
            self._keep_going()  # an aborted connection can look like the end of a body
            if not count:
                self._accept_end(claim, answer)
                return
            stall.count(count, clock() - asked_at_s)
            self._context.room.take(count)
            _write(file, self._buffer[:count])
            self._plan.advance(claim, count)
            self._received_at_s = clock()
            if not self.receiving:
                self.receiving = True
                self._context.on_news()
            throttle.pace(count)
        if not answer.is_piece and answer.read_into(self._buffer[:1]):
            raise OverlongError(
                ErrorCode.SOURCE_SENDS_TOO_MUCH,
                "The file size differs from what the server announced",
                phrase("The server sent more than the {count} bytes of the file.", count=claim.end),
                "Try again, or use another server.",
            )

    def _accept_end(self, claim: Claim, answer: ResponseBody) -> None:
        """Handle a body that has ended before the claim; `TransientError` if it has broken off."""
        if self._plan.size_bytes is None:
            self._plan.end_at(claim.next)
        elif answer.span is None or claim.next != answer.span[1]:
            raise broken_transfer(
                phrase("The server stopped at byte {at} instead of {end}.", end=claim.end, at=claim.next)
            )

    def _keep_going(self) -> None:
        if self._context.is_over():
            raise Interrupted


class StallTimer:
    """Notices a connection that receives almost nothing, such as a byte per second, which is no read
    time-out.

    Only the time spent waiting for the server counts, not that for the disk or a speed limit.
    """

    def __init__(self, retry: RetryPolicy) -> None:
        self._retry = retry
        self._waited_s = 0.0
        self._bytes = 0

    def count(self, received_bytes: int, waited_s: float) -> None:
        """Add bytes received and the time waited for them; `TransientError` if a window has ended that was a
        stall.
        """
        self._waited_s += waited_s
        self._bytes += received_bytes
        if self._waited_s < self._retry.stall_window_s:
            return
        if self._bytes < self._retry.stall_bytes:
            raise broken_transfer("The server is sending almost no data.")
        self._waited_s, self._bytes = 0.0, 0


def _write(file: FileIO, rest: memoryview) -> None:
    while rest:
        rest = rest[file.write(rest) :]
