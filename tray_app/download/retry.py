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
    """Less than this in one window is a stall: a read time-out alone never ends one byte a second."""
    standstill_s: float = 0.3
    """At the end, the bytes of a connection that receives nothing for so long are fetched over another
    one."""
    waits_s: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
    """The waits before further attempts; they begin anew whenever more of the file has arrived."""
    unreachable_waits_s: tuple[float, ...] = (0.5, 1.0)
    """The same while no server has answered yet: the address may be misspelt, so an error must come soon."""
    offline_wait_s: float = 3.0
    """Between two looks whether the network is back; they are not counted."""
