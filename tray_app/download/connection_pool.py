"""The connections of one download: how many there are, and how their failures are handled.

Runs on the downloads thread, which also writes the journal; each connection has its own thread.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.download.connection_scaler import MOST_CONNECTIONS, ConnectionScaler
from tray_app.download.faults import ChangedError, OverlongError, TransientError, broken_transfer
from tray_app.download.throttle import Throttle
from tray_app.download.worker import FetchContext, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.download.part import PartFile
    from tray_app.download.response_body import Asker, ResponseBody
    from tray_app.download.retry import RetryPolicy
    from tray_app.download.segments import Claim
    from tray_app.download.session import Session
    from tray_app.download.size_limits import DiskRoom
    from tray_app.errors import DownloadError

TICK_S = 0.05
CHECKPOINT_INTERVAL_S = 0.5


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """The limits of a download. Read at every tick, so that a change takes effect at once."""

    connections: int = MOST_CONNECTIONS
    bytes_per_s: float | None = None


class ConnectionPool:
    """Downloads the missing bytes of a part. To end it early, set `stop` and abort the session."""

    def __init__(  # noqa: PLR0913 - what one download consists of
        self,
        part: PartFile,
        room: DiskRoom,
        sha256: str | None,
        asker: Asker,
        session: Session,
        stop: threading.Event,
        *,
        limits: Callable[[], TransferLimits],
        retry: RetryPolicy,
        clock: Callable[[], float],
        answer_s: float,
        on_tick: Callable[[], None],
    ) -> None:
        assert part.remote is not None  # noqa: S101 - known since the first answer
        self._part = part
        self._session = session
        self._limits = limits
        self._clock = clock
        self._on_tick = on_tick
        self._ramp = ConnectionScaler(answer_s)
        self._standstill_s = max(retry.standstill_s, 4 * answer_s)
        self._workers: list[Worker] = []
        self._news = threading.Event()
        self._surplus = threading.Semaphore(0)
        self._last_fault: DownloadError = broken_transfer("All connections were closed.")
        self._checkpoint_s = clock()
        self._ended = threading.Event()
        self._context = FetchContext(
            part=part,
            room=room,
            remote=part.remote,
            sha256=sha256,
            asker=asker,
            throttle=Throttle(self._ended.wait, clock),
            retry=retry,
            clock=clock,
            is_over=lambda: stop.is_set() or self._ended.is_set(),
            is_surplus=lambda: self._surplus.acquire(blocking=False),
            on_news=self._news.set,
        )

    def run(self, answer: ResponseBody, *, splittable: bool) -> None:
        """Download everything; `answer` is the first body. `DownloadError` or `OSError` if it cannot go on.

        `splittable`: whether other connections may fetch other parts. `on_tick` is called often; what it
        raises also ends the download.
        """
        limits = self._limits()
        self._context.throttle.limit_bytes_per_s = limits.bytes_per_s
        plan = self._part.plan
        start, end = answer.span or (0, None)
        claim = plan.claim_run(end - start) if answer.is_piece and end else plan.claim_run()
        if claim is None:  # an empty file
            answer.response.close()
            return
        self._start(Worker(1, self._context, claim, answer))
        try:
            # Once all bytes are here, a stalled connection whose bytes another has fetched is not awaited.
            while self._workers and not (answer.is_piece and plan.complete):
                self._news.wait(TICK_S)
                self._news.clear()
                self._tick(splittable=splittable)
        finally:
            self._end()
        self._on_tick()
        if not plan.complete:  # the last connections have ended at the same moment
            raise self._last_fault

    def _tick(self, *, splittable: bool) -> None:
        self._collect()
        self._on_tick()
        now_s = self._clock()
        if now_s - self._checkpoint_s >= CHECKPOINT_INTERVAL_S:
            self._part.checkpoint()
            self._checkpoint_s = self._clock()  # after it, so that a slow disk gets a pause
        limits = self._limits()
        self._context.throttle.limit_bytes_per_s = limits.bytes_per_s
        if splittable:
            self._adjust(limits.connections, now_s)

    def _collect(self) -> None:
        """Handle connections that have ended.

        One that has received bytes is replaced; one that has not was probably one too many for the server.
        The download ends only with the error of the last connection, or with one that affects all.
        """
        for worker in [worker for worker in self._workers if worker.has_ended]:
            worker.join()
            self._workers.remove(worker)
            fault = worker.fault
            if fault is None:
                continue
            self._last_fault = fault
            untrusted = isinstance(fault, ChangedError | OverlongError)
            if worker.fault_ends_all or untrusted or not self._workers:
                raise fault
            if not worker.receiving:
                wait_s = fault.retry_after_s if isinstance(fault, TransientError) else 0.0
                self._ramp.refuse(len(self._workers), self._clock(), wait_s)

    def _adjust(self, most: int, now_s: float) -> None:
        settled = all(worker.receiving for worker in self._workers)
        self._ramp.observe(self._part.plan.received_bytes, now_s, settled=settled, most=most)
        wanted = self._ramp.wanted
        while self._surplus.acquire(blocking=False):
            pass
        if len(self._workers) > wanted:
            self._surplus.release(len(self._workers) - wanted)
        while self._workers and len(self._workers) < wanted:
            claim = self._part.plan.claim()
            if claim is None:
                self._relieve(now_s, most)
                break
            self._add(claim)

    def _relieve(self, now_s: float, most: int) -> None:
        """Fetch the last bytes, which are too few to be halved, over another connection if theirs receives
        nothing.

        The stalled connection ends with all others; bytes that it still receives are ignored.
        """
        if self._context.throttle.limit_bytes_per_s is not None:
            return  # a connection may be waiting only because of the speed limit
        for worker in self._workers[: most - len(self._workers)]:
            claim = worker.standing_still(now_s - self._standstill_s)
            if claim and (rest := self._part.plan.take_over(claim)):
                self._add(rest)

    def _add(self, claim: Claim) -> None:
        numbers = {worker.number for worker in self._workers}
        free = next(number for number in itertools.count(1) if number not in numbers)
        self._start(Worker(free, self._context, claim))

    def _start(self, worker: Worker) -> None:
        self._workers.append(worker)
        worker.start()

    def _end(self) -> None:
        """Wait until no connection writes any more."""
        self._ended.set()
        for worker in self._workers:
            while worker.is_alive():
                self._session.hang_up()  # repeatedly, because it may only now have connected
                worker.join(TICK_S / 2)
