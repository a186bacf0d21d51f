"""A lock on a file between programs. Runs on the thread that holds it."""

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
    """Hold the lock at `path`; its file is deleted afterwards. `filelock.Timeout` if another program has it
    all the time.

    The system releases the lock when the program ends in any way. `OSError` if the file cannot be made.
    """
    lock = FileLock(path, timeout=timeout_s)
    lock.acquire()
    try:
        yield
    finally:
        if sys.platform != "win32":  # on Windows, filelock deletes the file itself
            # Before the release: a program that has opened it meanwhile notices that it was deleted, and
            # makes a new one.
            path.unlink(missing_ok=True)
        lock.release()
