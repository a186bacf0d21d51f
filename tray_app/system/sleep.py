"""Notices that the machine has slept, by clocks. Called by one thread."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SLACK_S = 5.0


def wall_clock_s() -> float:
    """A clock that goes on while the machine sleeps; on Linux one that nobody sets, elsewhere the time."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.time()


class SleepWatch:
    """Looks at two clocks, `awake` and `wall`, at least every `look_every_s`.

    On Linux and macOS the monotonic clock stands still in sleep, so that the other gets ahead of it; on
    Windows it goes on, so that a look comes late. A clock that somebody sets ahead looks like sleep too: what
    follows must do no harm then.
    """

    def __init__(
        self, look_every_s: float, awake: Callable[[], float], wall: Callable[[], float] = wall_clock_s
    ) -> None:
        self._look_every_s = look_every_s
        self._awake, self._wall = awake, wall
        self._seen_s = awake(), wall()

    def has_slept(self) -> bool:
        """Whether the machine has slept since the last look, or the look comes late."""
        before_s, self._seen_s = self._seen_s, (self._awake(), self._wall())
        awake_s, wall_s = (now_s - then_s for now_s, then_s in zip(self._seen_s, before_s, strict=True))
        return wall_s - awake_s > _SLACK_S or awake_s > self._look_every_s + _SLACK_S
