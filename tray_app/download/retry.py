"""How long a download waits for what. Pure; tests have less of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The waits of one download."""

    connect_s: float = 10.0
    silence_s: float = 30.0
    stall_window_s: float = 30.0
    stall_bytes: int = 64 * 1024
    """Less than this in one window is a stall: a read time-out alone never ends one byte a second."""
    standstill_s: float = 0.3
    """At the end, what a connection that brings nothing for so long still holds is fetched over another."""
    waits_s: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
    """Before each further attempt; begins anew whenever more of the file has arrived."""
    unreachable_waits_s: tuple[float, ...] = (0.5, 1.0)
    """The same while nothing has ever answered: a person sits there and has perhaps misspelt the address."""
    offline_wait_s: float = 3.0
    """Between two looks whether the network is back; they are not counted."""
