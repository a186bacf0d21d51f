"""Looks once a week whether models are newer at their sources, if that is switched on. Owns the thread
`models-newer`.

It asks the sources alone, and fetches nothing. Without a network it tries again an hour later.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from tray_app.errors import AppError
from tray_app.models.last_use import DAY_S

if TYPE_CHECKING:
    from collections.abc import Callable

WEEK_S = 7 * DAY_S
_PAUSE_S = 60 * 60.0
_log = logging.getLogger(__name__)


class WeeklyLook:
    """Calls `look` on its thread when the last look, at `last_s`, is a week ago, and `is_on` says so."""

    def __init__(
        self,
        look: Callable[[], object],
        *,
        is_on: Callable[[], bool],
        last_s: Callable[[], float],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._look = look
        self._is_on = is_on
        self._last_s = last_s
        self._clock = clock
        self._wake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look now if it is time, and from now on; nothing if that is done already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="models-newer", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Look now if it is time: it may just have been switched on."""
        self._wake.set()

    def close(self, timeout_s: float) -> None:
        """Look no more. A server that does not answer is not waited for longer than `timeout_s`."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._closing:
            if self._is_on() and not 0 <= self._clock() - self._last_s() < WEEK_S:
                self._try()
            self._wake.wait(_PAUSE_S)
            self._wake.clear()

    def _try(self) -> None:
        try:
            self._look()
        except AppError as exc:
            _log.info("Whether models are newer at their sources cannot be told now: %s", exc.title)
        except Exception:  # noqa: BLE001 - the top of a thread: it must not end
            _log.exception("Whether models are newer at their sources cannot be told")
