"""How many files and sockets this process may have open at once. Any thread.

Desktops often start programs with a soft limit of 256 (macOS) or 1024 (Linux), far below what the system
permits; on Windows there is no such limit for sockets.
"""

from __future__ import annotations

import logging

ENOUGH = 8192
"""So many are plenty, and within what macOS takes (OPEN_MAX) where the hard limit says «no limit»."""

_logger = logging.getLogger(__name__)


def raise_limit() -> None:
    """Take what the system permits, up to `ENOUGH`. Whoever has more already keeps it."""
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as exc:  # a sandbox may forbid it; then what there is must do
        _logger.warning("The limit of open files stays %d: %s", soft, exc)


def limit() -> int | None:
    """How many may be open; None where nothing limits them."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
