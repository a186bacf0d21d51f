"""How much is done at the same time: a limit for requests, and parts of one side by side. Event loop."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.engine_errors import RETRY_AFTER_S

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator


class ConcurrencyLimit:
    """A limit of `places` requests at the same time."""

    def __init__(self, places: int) -> None:
        self._free = places

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Take a place for one request during the block; `ApiError` 429 if all are taken."""
        if self._free <= 0:
            raise ApiError(
                429,
                "Too many requests are waiting for the engine.",
                code="queue_full",
                retry_after_s=RETRY_AFTER_S,
            )
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """Do all of these at the same time. The first error of one cancels the others."""
    if len(works) == 1:
        await works[0]
        return
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
