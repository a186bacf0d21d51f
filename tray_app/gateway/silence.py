"""Notices when an engine sends nothing for too long. Runs on the gateway's event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class Silence:
    """Wraps a request: calls `alarm` after each `limit_s` without a call of `heard`."""

    def __init__(self, limit_s: float, alarm: Callable[[], None]) -> None:
        self._limit_s = limit_s
        self._alarm = alarm
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._heard_s = 0.0

    def __enter__(self) -> Self:
        self.heard()
        self._look_in(self._limit_s)
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer:
            self._timer.cancel()

    def heard(self) -> None:
        """Something arrived. Called for each piece of a stream, so it only notes the time."""
        self._heard_s = self._loop.time()

    def _look_in(self, delay_s: float) -> None:
        self._timer = self._loop.call_later(delay_s, self._look)

    def _look(self) -> None:
        left_s = self._heard_s + self._limit_s - self._loop.time()
        if left_s > 0:
            self._look_in(left_s)
            return
        self._alarm()
        self.heard()
        self._look_in(self._limit_s)
