"""Whether an error of the system is temporary. Pure."""

from __future__ import annotations

import errno

_PASSING = frozenset(
    getattr(errno, name)
    for name in (
        *("EMFILE", "ENFILE"),  # too many open files or connections, in this app or on the machine
        *("ENOMEM", "ENOBUFS", "EAGAIN"),  # no memory, no buffers, no more processes or threads
        *("ETXTBSY", "EINTR"),  # the program's file is being written
    )
    if hasattr(errno, name)
)
_PASSING_ON_WINDOWS = frozenset((4, 8, 14, 32, 33, 1450, 1451, 1452, 1453, 1454, 1455))
"""Too many open files, no memory, a file that another program has open (often a virus scanner), no resources,
page file full: see “System Error Codes” in Microsoft's documentation."""


def passes(exc: OSError) -> bool:
    """Whether the error is temporary, because the system is busy or short of something."""
    winerror = getattr(exc, "winerror", None)
    return exc.errno in _PASSING or winerror in _PASSING_ON_WINDOWS
