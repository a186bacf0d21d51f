"""Keeps two programs from downloading the same file. Runs on the thread that writes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import Timeout

from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase
from tray_app.system.file_lock import locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def sole_writer(final: Path) -> Iterator[None]:
    """Hold the lock for downloading to `final`; `DownloadError` if another program has it.

    The system releases the lock when a program ends in any way.
    """
    try:
        with locked(final.with_name(f"{final.name}.part.lock")):
            yield
    except Timeout as exc:
        raise DownloadError(
            ErrorCode.DOWNLOAD_ALREADY_RUNNING,
            "Another program is downloading this file",
            phrase("{path} is being written to, perhaps by this app in another terminal.", path=final),
            "Wait until the other download has finished, or stop it.",
        ) from exc
