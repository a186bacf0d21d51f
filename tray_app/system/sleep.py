"""Notices that the machine has slept, by comparing clocks. Called by one thread."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SLACK_S = 5.0


def wall_clock_s() -> float:
    """A clock that continues while the machine sleeps: on Linux one that cannot be set, elsewhere the time of
    day.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.time()


class SleepWatch:
    """Compares two clocks, `awake` and `wall`. Must be called at least every `look_every_s`.

    On Linux and macOS the monotonic clock stops during sleep, so the other one gets ahead of it. On Windows
    it continues, so the next call is late. A clock that is set forward looks like sleep too, so the reaction
    must be harmless.
    """

    def __init__(
        self, look_every_s: float, awake: Callable[[], float], wall: Callable[[], float] = wall_clock_s
    ) -> None:
        self._look_every_s = look_every_s
        self._awake, self._wall = awake, wall
        self._seen_s = awake(), wall()

    def has_slept(self) -> bool:
        """Whether the machine has slept since the last call, or the call is late."""
        before_s, self._seen_s = self._seen_s, (self._awake(), self._wall())
        awake_s, wall_s = (now_s - then_s for now_s, then_s in zip(self._seen_s, before_s, strict=True))
        return wall_s - awake_s > _SLACK_S or awake_s > self._look_every_s + _SLACK_S
