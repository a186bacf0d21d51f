"""How many files and sockets this process may have open at once. Any thread.

Desktops often start programs with a soft limit of 256 (macOS) or 1024 (Linux), far below the hard limit.
Windows has no such limit for sockets.
"""

from __future__ import annotations

import logging

ENOUGH = 8192
"""Enough for this app, and accepted by macOS (OPEN_MAX) where the hard limit is “no limit”."""

_logger = logging.getLogger(__name__)


def raise_limit() -> None:
    """Raise the soft limit to what the system permits, up to `ENOUGH`. A higher limit is kept."""
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
    except (OSError, ValueError) as exc:  # a sandbox may forbid it; the present limit then stays
        _logger.warning("The limit of open files stays %d: %s", soft, exc)


def limit() -> int | None:
    """The present limit; None if there is none."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
