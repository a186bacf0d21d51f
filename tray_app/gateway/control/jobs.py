"""Long work that a terminal command has asked the app for: it goes on in a thread, and the terminal follows.

Any thread. A terminal that vanishes stops no work: it ends by itself.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from tray_app.errors import AppError, ErrorCode, GatewayError
from tray_app.gateway.control.commands import Cancellation, failed_unexpectedly

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.gateway.control.commands import Tell

_MOST_ENDED = 16
"""Results that nobody has fetched, of terminals that are gone; older ones are forgotten."""
_GONE_S = 2.0
"""A terminal that follows asks again as soon as it is answered; one that has not for so long is gone."""


class Following(msgspec.Struct, frozen=True):
    """A job, and the number of the last news that a terminal has of it."""

    job: int
    seen: int = 0


@dataclass(frozen=True, slots=True)
class News:
    """How a job stands: `progress` is what it told last, `result` what it came to, if it has ended."""

    number: int
    progress: msgspec.Struct | None
    result: object = None
    has_ended: bool = False


class _CommandJob:
    def __init__(self, number: int, work: Callable[[Tell, Cancellation], object]) -> None:
        self.cancelled = Cancellation()
        self._work = work
        self._moved = threading.Condition()
        self._news = News(0, None)
        self._error: Exception | None = None
        self._follows = 0
        """How many requests of its terminal wait for news."""
        self._answered_s = time.monotonic()
        """When its terminal got its last answer; the first one is the number of this job."""
        self._is_done_with = False
        """Whether its terminal has been told the end, or has hung up."""
        self.thread = threading.Thread(target=self._run, name=f"command-{number}", daemon=True)

    @property
    def has_ended(self) -> bool:
        return self._news.has_ended

    def follow(self, seen: int, patience_s: float) -> News:
        with self._moved:
            self._follows += 1
            self._moved.notify_all()
            try:
                self._moved.wait_for(lambda: self._news.number > seen or self.has_ended, patience_s)
                if self._error:
                    raise self._error
                return self._news
            finally:
                self._follows -= 1
                self._answered_s = time.monotonic()
                self._is_done_with |= self.has_ended
                self._moved.notify_all()

    def leave(self) -> None:
        with self._moved:
            self._is_done_with = True
            self._moved.notify_all()

    def wait_until_told(self, deadline_s: float) -> None:
        """Wait until its terminal knows the end, or is gone."""
        with self._moved:
            while not self._is_done_with:
                gone_s = deadline_s if self._follows else min(deadline_s, self._answered_s + _GONE_S)
                if (left_s := gone_s - time.monotonic()) <= 0:
                    break
                self._moved.wait(left_s)

    def _run(self) -> None:
        try:
            result = self._work(self._tell, self.cancelled)
        except AppError as exc:
            self._end(None, exc)
        except Exception as exc:
            self._end(None, failed_unexpectedly(exc))
            raise
        else:
            self._end(result, None)

    def _tell(self, progress: msgspec.Struct) -> None:
        with self._moved:
            self._news = News(self._news.number + 1, progress)
            self._moved.notify_all()

    def _end(self, result: object, error: Exception | None) -> None:
        with self._moved:
            self._error = error
            self._news = News(self._news.number + 1, self._news.progress, result, has_ended=True)
            self._moved.notify_all()


class CommandJobs:
    """The work that is under way, by number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[int, _CommandJob] = {}
        self._count = 0
        self._closing = False

    def begin(self, work: Callable[[Tell, Cancellation], object]) -> int:
        """Do this on a thread of its own; its number. `GatewayError` if the app is about to end."""
        with self._lock:
            if self._closing:
                raise GatewayError(
                    ErrorCode.APP_ENDED, "PowerInfer Tray is quitting", "It no longer accepts commands."
                )
            self._forget_the_oldest()
            self._count += 1
            job = self._jobs[self._count] = _CommandJob(self._count, work)
            job.thread.start()
            return self._count

    def follow(self, number: int, seen: int, patience_s: float) -> News:
        """The next news after number `seen`, or those of now after `patience_s`.

        The error of work that has failed. Of what has ended, the news are told once.
        """
        try:
            news = self._job(number).follow(seen, patience_s)
        except Exception:
            self._forget(number)
            raise
        if news.has_ended:
            self._forget(number)
        return news

    def cancel(self, number: int) -> None:
        """Have it end soon; nothing if it has ended."""
        with self._lock:
            job = self._jobs.get(number)
        if job:
            job.cancelled.set()

    def leave(self, number: int) -> None:
        """The terminal that followed has hung up; nothing if the work is forgotten."""
        with self._lock:
            job = self._jobs.get(number)
        if job:
            job.leave()

    def close(self, timeout_s: float) -> None:
        """Take no more, cancel what is under way, and wait until it has ended and its terminals know; so long
        in all.

        A terminal that is gone is not waited for.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._lock:
            self._closing = True
            jobs = tuple(self._jobs.values())
        for job in jobs:
            job.cancelled.set()
        for job in jobs:
            job.thread.join(max(0.0, deadline_s - time.monotonic()))
        for job in jobs:
            job.wait_until_told(deadline_s)

    def _job(self, number: int) -> _CommandJob:
        with self._lock:
            if job := self._jobs.get(number):
                return job
        raise GatewayError(ErrorCode.APP_REFUSED, "Unknown job", f"The app has no job number {number}.")

    def _forget(self, number: int) -> None:
        with self._lock:
            self._jobs.pop(number, None)

    def _forget_the_oldest(self) -> None:
        ended = [number for number, job in self._jobs.items() if job.has_ended]
        for number in ended[: max(0, len(ended) - _MOST_ENDED)]:
            del self._jobs[number]
