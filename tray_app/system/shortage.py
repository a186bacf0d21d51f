"""Tells errors of the system that pass by themselves from those that stay. Pure."""

from __future__ import annotations

import errno

_PASSING = frozenset(
    getattr(errno, name)
    for name in (
        *("EMFILE", "ENFILE"),  # no more files or connections may be open, in this app or on the machine
        *("ENOMEM", "ENOBUFS", "EAGAIN"),  # no memory, buffers, or processes and threads
        *("ETXTBSY", "EINTR"),  # the program is being written just now
    )
    if hasattr(errno, name)
)
_PASSING_ON_WINDOWS = frozenset((4, 8, 14, 32, 33, 1450, 1451, 1452, 1453, 1454, 1455))
"""Too many open files, no memory, a file that somebody reads just now (mostly a virus scanner), no resources,
and no room in the page file: see «System Error Codes» in Microsoft's documentation."""


def passes(exc: OSError) -> bool:
    """Whether the system is short of something, or busy, so that the same may succeed a little later."""
    winerror = getattr(exc, "winerror", None)
    return exc.errno in _PASSING or winerror in _PASSING_ON_WINDOWS
