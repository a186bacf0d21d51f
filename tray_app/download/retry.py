"""The time limits and waits of a download. Pure; tests use shorter ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The time limits and waits of one download."""

    connect_s: float = 10.0
    silence_s: float = 30.0
    stall_window_s: float = 30.0
    stall_bytes: int = 64 * 1024
    """Fewer bytes in one window are a stall; the read time-out would not notice one byte per second."""
    standstill_s: float = 0.3
    """Near the end of a file, the bytes of a connection that receives nothing for this long are fetched over
    another one."""
    waits_s: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
    """The waits before further attempts; they start again whenever more of the file has arrived."""
    unreachable_waits_s: tuple[float, ...] = (0.5, 1.0)
    """The same before any server has answered: the URL may be misspelled, so an error must come soon."""
    offline_wait_s: float = 3.0
    """The wait while this computer is offline; these attempts are not counted."""
