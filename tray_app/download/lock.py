"""Keeps two programs from writing the same file. On the thread that writes."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from tray_app.errors import DownloadError
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def sole_writer(final: Path) -> Iterator[None]:
    """Be the only one who downloads to `final`; DownloadError if somebody else does.

    The system frees the lock of a program that has ended, however it did.
    """
    path = final.with_name(f"{final.name}.part.lock")
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as exc:
        raise DownloadError(
            "Another program is downloading this file",
            phrase("{path} is being written, perhaps by this app in another window or terminal.", path=final),
            "Wait until it is there, or stop the other download.",
        ) from exc
    try:
        yield
    finally:
        if sys.platform != "win32":  # there, filelock deletes it itself
            # Before the release: whoever opened it meanwhile finds that it has no name, and makes a new one.
            path.unlink(missing_ok=True)
        lock.release()
