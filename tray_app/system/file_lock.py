"""Lets one program at a time at a file. On the thread that holds it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def locked(path: Path, timeout_s: float = 0.0) -> Iterator[None]:
    """Hold the lock at `path`, which is gone afterwards; `filelock.Timeout` if others have it all the time.

    The system frees the lock of a program that has ended, however it did. `OSError` if it cannot be made.
    """
    lock = FileLock(path, timeout=timeout_s)
    lock.acquire()
    try:
        yield
    finally:
        if sys.platform != "win32":  # there, filelock deletes it itself
            # Before the release: whoever opened it meanwhile finds that it has no name, and makes a new one.
            path.unlink(missing_ok=True)
        lock.release()
