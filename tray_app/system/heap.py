"""How the C library keeps what this process has given back. Any thread.

Where glibc has given back one large block, it takes later ones from its heaps, up to 32 MiB each, and keeps
those: a process that has once handled a few large bodies then holds twice as much, and for ever. It also
gives nearly each thread a heap of its own, eight for each processor, of which each keeps what is free in it.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

LARGE_BLOCK_BYTES = 256 * 1024
"""From this size on, a block comes from the system, and goes back to it at once. Smaller ones are so many
that asking the system for each would take longer than using it."""
_HEAPS = 2
"""Python's own lock lets one thread work at a time: more heaps would only be larger together."""

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
"""Of `mallopt` (malloc.h). Setting the first also ends that glibc changes it by itself."""


def keep_less() -> None:
    """Let large blocks go back to the system as soon as nothing uses them, and threads share few heaps. Other
    C libraries do so anyway.
    """
    if (mallopt := _of_glibc("mallopt")) is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        mallopt(_M_ARENA_MAX, _HEAPS)


def give_back() -> None:
    """Give back what is free in the heaps now, as after the start, which leaves many holes."""
    if (trim := _of_glibc("malloc_trim")) is not None:
        trim(0)


def _of_glibc(name: str) -> Any:
    """None elsewhere: musl has none of them."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
