"""Looks once a week for what is newer elsewhere, each kind only if it is switched on. Owns the thread
`weekly-look`.

It only asks, and fetches nothing. Without a network it tries again an hour later, or when it is woken, but
not before the time that a server has named.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.errors import AppError
from tray_app.models.last_use import DAY_S

if TYPE_CHECKING:
    from collections.abc import Callable

WEEK_S = 7 * DAY_S
_PAUSE_S = 60 * 60.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """One kind of look: what it is for, for the log, and how it is done."""

    subject: str
    """What may be newer."""
    act: Callable[[], object]
    """Asks. `AppError` if nobody answers: then `last_s` stays as it was."""
    is_on: Callable[[], bool]
    last_s: Callable[[], float]
    """When the last look was, as `WeeklyLook`'s clock counts; 0 if there was none."""


class WeeklyLook:
    """Does each of `looks` on its thread when the last one is a week ago, and `is_on` says so."""

    def __init__(self, *looks: Look, clock: Callable[[], float] = time.time) -> None:
        self._looks = looks
        self._clock = clock
        self._put_off_s: dict[Look, float] = {}
        """Until when a server does not want to be asked, as `time.monotonic` has it."""
        self._wake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look now if it is time, and from now on; nothing if that is done already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="weekly-look", daemon=True)
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
            for look in self._looks:
                if look.is_on() and self._is_due(look):
                    self._try(look)
            self._wake.wait(_PAUSE_S)
            self._wake.clear()

    def _is_due(self, look: Look) -> bool:
        """Also after the clock was set back behind the last look."""
        if time.monotonic() < self._put_off_s.get(look, 0.0):
            return False
        return not 0 <= self._clock() - look.last_s() < WEEK_S

    def _try(self, look: Look) -> None:
        try:
            look.act()
        except AppError as exc:
            self._put_off_s[look] = time.monotonic() + getattr(exc, "retry_after_s", 0.0)
            _log.info("Whether %s newer elsewhere cannot be told now: %s", look.subject, exc.title)
        except Exception:  # noqa: BLE001 - the top of a thread: it must not end
            _log.exception("Whether %s newer elsewhere cannot be told", look.subject)
