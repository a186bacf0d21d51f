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
"""So much of a second may come at once, after a pause."""
_PIECES_PER_S = 20
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg])b?(?:/s)?", re.IGNORECASE)
_UNITS = {"k": 1e3, "m": 1e6, "g": 1e9}


class Throttle:
    """A token bucket: `pace` returns when what was received fits the limit."""

    def __init__(self, wait: Callable[[float], object], clock: Callable[[], float]) -> None:
        """`wait` sleeps so many seconds, but ends early when the download is stopped."""
        self.limit_bytes_per_s: float | None = None
        """May be changed at any time; None: no limit."""
        self._wait = wait
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at_s = clock()

    def piece_bytes(self, most: int) -> int:
        """How much to read at once, so that a low limit does not come in jerks."""
        limit = self.limit_bytes_per_s
        return most if limit is None else max(1024, min(most, int(limit / _PIECES_PER_S)))

    def pace(self, count: int) -> None:
        """So many bytes have been received: wait until the next may be."""
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
    """Bytes per second from `500k`, `2.5 MB/s`, `1G`; DownloadError if it is no rate or has no unit."""
    found = _RATE.fullmatch(text.strip())
    if not found or not float(found[1]):
        raise DownloadError(
            ErrorCode.SPEED_INVALID,
            "This is not a speed",
            phrase("“{text}” should be a number with a unit.", text=text),
            "For example: 500k, 2.5MB/s",
        )
    return float(found[1]) * _UNITS[found[2].lower()]
