"""A speed limit that all connections of a download share. Any thread."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable

_BURST_S = 0.25
"""After a pause, this many seconds' worth may be received at once."""
_PIECES_PER_S = 20
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg])b?(?:/s)?", re.IGNORECASE)
_UNITS = {"k": 1e3, "m": 1e6, "g": 1e9}


class Throttle:
    """A token bucket: `pace` returns when the received bytes are within the limit."""

    def __init__(self, wait: Callable[[float], object], clock: Callable[[], float]) -> None:
        """`wait` sleeps for a number of seconds, but returns early when the download is stopped."""
        self.limit_bytes_per_s: float | None = None
        """May be changed at any time; None for no limit."""
        self._wait = wait
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at_s = clock()

    def piece_bytes(self, most: int) -> int:
        """The bytes to read at once, at most `most`: less with a low limit, so that the progress is
        smooth.
        """
        limit = self.limit_bytes_per_s
        return most if limit is None else max(1024, min(most, int(limit / _PIECES_PER_S)))

    def pace(self, count: int) -> None:
        """Call after receiving `count` bytes: waits until the next ones are allowed."""
        limit = self.limit_bytes_per_s
        if limit is None:
            return
        with self._lock:
            now_s = self._clock()
            self._free_at_s = max(self._free_at_s, now_s - _BURST_S) + count / limit
            delay_s = self._free_at_s - now_s
        if delay_s > 0:
            self._wait(delay_s)


def parse_rate(text: str) -> float:
    """The bytes per second in `500k`, `2.5 MB/s` or `1G`; `DownloadError` if it is not a rate with a unit."""
    found = _RATE.fullmatch(text.strip())
    if not found or not float(found[1]):
        raise DownloadError(
            ErrorCode.SPEED_INVALID,
            "This is not a speed",
            phrase("“{text}” should be a number with a unit.", text=text),
            "For example: 500k, 2.5MB/s",
        )
    return float(found[1]) * _UNITS[found[2].lower()]
