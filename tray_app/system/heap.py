"""How the C library keeps what this process has given back. Any thread.

Where glibc has given back one large block, it takes later ones from its heaps, up to 32 MiB each, and keeps
those: a process that has once handled a few large bodies then holds twice as much, and for ever.
"""

from __future__ import annotations

import ctypes
import sys

LARGE_BLOCK_BYTES = 256 * 1024
"""From this size on, a block comes from the system, and goes back to it at once. Smaller ones are so many
that asking the system for each would take longer than using it."""

_M_MMAP_THRESHOLD = -3
"""Of `mallopt` (malloc.h). Setting it also ends that glibc changes it by itself."""


def return_large_blocks() -> None:
    """Let large blocks go back to the system as soon as nothing uses them. Other C libraries do so anyway."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
