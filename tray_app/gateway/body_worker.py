"""Work on large bodies, beside the event loop. Thread: "gateway-bodies"."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from tray_app.gateway.limits import LARGE_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class BodyWorker:
    """Does one piece of work at a time, so that only one body is in memory more often than once."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "gateway-bodies")

    async def run(self, size: int, work: Callable[[], Result], *, at_once: int = LARGE_BODY_BYTES) -> Result:
        """The result of `work` on a body of `size` bytes. On one of up to `at_once` bytes, it is done at once
        on the event loop.
        """
        if size <= at_once:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Wait for what is being done (less than a second); nothing else is begun."""
        self._thread.shutdown(cancel_futures=True)
