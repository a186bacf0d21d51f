"""Notices changes in the models folder and of single files elsewhere. Owns the thread `models-watch`.

It compares names, sizes and times once a second, including sub-folders. With a hundred models that takes a
millisecond or two, works on every disk and share, and needs no support by the system. If a look takes long,
the pauses get longer.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from tray_app.models.headers import stamp_of
from tray_app.models.model_files import is_fresh
from tray_app.models.tree import files_below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tray_app.models.tree import Found

INTERVAL_S = 1.0
_REST = 50
"""The shortest pause between two looks, as a multiple of the time that a look takes, so that they use at most
two percent of a processor."""
_log = logging.getLogger(__name__)


class FolderWatch:
    """Calls `on_change` on its thread after each change in the folder and files that `folder` and `files`
    return.
    """

    def __init__(
        self,
        folder: Callable[[], Path],
        on_change: Callable[[], object],
        interval_s: float = INTERVAL_S,
        clock: Callable[[], float] = time.time,
        files: Callable[[], Iterable[Path]] = tuple,
    ) -> None:
        self._folder = folder
        self._files = files
        self._on_change = on_change
        self._interval_s = interval_s
        self._clock = clock
        self._closing = threading.Event()
        self._seen: object = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start watching; does nothing if it was started before."""
        if self._thread is None:
            self._seen = self._look()
            self._thread = threading.Thread(target=self._run, name="models-watch", daemon=True)
            self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Stop watching. Waits at most `timeout_s`, because a disk may not respond."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        wait_s = self._interval_s
        while not self._closing.wait(wait_s):
            began_s = time.perf_counter()
            now = self._look()
            wait_s = max(self._interval_s, _REST * (time.perf_counter() - began_s))
            if now != self._seen:
                self._seen = now
                try:
                    self._on_change()
                except Exception:  # noqa: BLE001 - the top of a thread, which must go on watching
                    _log.exception("A change of the models folder could not be announced")

    def _look(self) -> object:
        folder = self._folder()
        return folder, picture(folder, self._clock()), [(path, stamp_of(path)) for path in self._files()]


def picture(folder: Path, now_s: float) -> frozenset[tuple[str, int, int, bool]] | None:
    """A value that differs after each relevant change; None while the folder does not exist.

    A file that was just written to also counts as changed a few seconds later, so that a file that seemed to
    be still growing is read again. Only the names of partial files count: they change all the time, and their
    progress is reported elsewhere.
    """
    try:
        return frozenset(_seen(found, now_s) for found in files_below(folder))
    except OSError:
        return None


def _seen(found: Found, now_s: float) -> tuple[str, int, int, bool]:
    if found.partial:
        return found.name, 0, 0, False
    try:
        info = found.entry.stat()
    except OSError:  # gone meanwhile, or a link that leads nowhere
        return found.name, -1, 0, False
    return found.name, info.st_size, info.st_mtime_ns, is_fresh(info.st_mtime, now_s)
