"""Limits the freed memory that the C library keeps. Any thread.

After glibc has freed a large block, it takes later ones of up to 32 MiB from its heaps and keeps them: a
process that has once handled a few large bodies then permanently uses twice the memory. It also gives nearly
each thread its own heap, up to eight for each processor, and each keeps what is free in it.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

LARGE_BLOCK_BYTES = 256 * 1024
"""Blocks of this size or more come directly from the system and return to it at once. For the many smaller
ones, that would take too long."""
_HEAPS = 2
"""Python's global lock lets one thread work at a time, so more heaps would only use more memory."""

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
"""Parameters of `mallopt` (malloc.h). Once the first is set, glibc no longer changes it by itself."""


def keep_less() -> None:
    """Let large blocks return to the system as soon as they are freed, and threads share few heaps. Does
    nothing with other C libraries.
    """
    if (mallopt := _of_glibc("mallopt")) is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        mallopt(_M_ARENA_MAX, _HEAPS)


def give_back() -> None:
    """Return free memory in the heaps to the system, for example after the start, which leaves many holes."""
    if (trim := _of_glibc("malloc_trim")) is not None:
        trim(0)


def _of_glibc(name: str) -> Any:
    """A function of glibc; None with other C libraries."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
