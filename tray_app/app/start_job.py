"""A start of the server as a job that a newer wish replaces, and its wait for a download. Any thread."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from tray_app.errors import EngineError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Collection

    from tray_app.download.queue import DownloadQueue


class StartCalledOffError(EngineError):
    """The server was stopped before a start had reached the engine."""

    def __init__(self) -> None:
        super().__init__(
            ErrorCode.START_CALLED_OFF,
            "The start was canceled",
            "The server was stopped before it was ready.",
        )


class StartJob:
    """One start of the server. It ends once; only the holder of `Server`'s lock may end it.

    `wakes`: whether it starts the engine; otherwise it only opens the address and the server stays asleep.
    """

    def __init__(self, *, wakes: bool = True) -> None:
        self.wakes = wakes
        self.end: Future[StartJob | None] = Future()
        """Done with None when the start is complete, or with the job that has replaced it."""

    @property
    def is_over(self) -> bool:
        """Whether it is complete, failed, replaced or cancelled."""
        return self.end.done()

    def wait(self, timeout_s: float = threading.TIMEOUT_MAX) -> None:
        """Wait until it, or the job that has replaced it, has ended. Its `AppError`; `TimeoutError`."""
        deadline_s = time.monotonic() + timeout_s
        end: Future[StartJob | None] | None = self.end
        while end:
            newer = end.result(max(0.0, deadline_s - time.monotonic()))
            end = newer.end if newer else None

    def wait_for_downloads(self, queue: DownloadQueue, numbers: Collection[int]) -> None:
        """Wait until all these downloads are finished, or this start is over; the downloads continue in any
        case.

        Raises
        ------
        DownloadError
            If one of them has failed or was stopped.
        StartCalledOffError
            If this start is over.

        """
        news = threading.Event()

        def look(*_: object) -> None:
            news.set()

        self.end.add_done_callback(look)
        queue.changed.connect(look)
        try:
            while not self.is_over and not _are_finished(queue, numbers):
                news.wait()
                news.clear()
        finally:
            queue.changed.disconnect(look)
        if self.is_over:
            raise StartCalledOffError


def _are_finished(queue: DownloadQueue, numbers: Collection[int]) -> bool:
    try:
        for number in numbers:
            queue.wait(number, timeout_s=0)
    except TimeoutError:
        return False
    return True
