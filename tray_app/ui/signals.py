"""Ends the app cleanly when the system asks it to by a signal. GUI thread."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSocketNotifier

if TYPE_CHECKING:
    from collections.abc import Callable


class SignalWatch(QObject):
    """Calls `quit_app` on SIGINT and SIGTERM.

    Python runs signal handlers between its own instructions, and Qt's event loop executes none. So the
    interpreter writes a byte for each signal, which wakes the loop.
    """

    def __init__(self, quit_app: Callable[[], None]) -> None:
        super().__init__()
        self._quit_app = quit_app
        self._old_handlers = {
            number: signal.signal(number, self._quit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        self._pipe: tuple[int, int] | None = None
        if os.name == "posix":  # elsewhere, signals come only from a console, which this app does not have
            self._pipe = os.pipe()
            for end in self._pipe:
                os.set_blocking(end, False)
            signal.set_wakeup_fd(self._pipe[1])
            self._notifier = QSocketNotifier(self._pipe[0], QSocketNotifier.Type.Read, self)
            self._notifier.activated.connect(self._drain)

    def close(self) -> None:
        """Restore the signal handlers."""
        if self._pipe:
            self._notifier.setEnabled(False)
            signal.set_wakeup_fd(-1)
            for end in self._pipe:
                os.close(end)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)

    def _drain(self) -> None:
        if self._pipe:
            os.read(self._pipe[0], 64)

    def _quit(self, *_: object) -> None:
        self._quit_app()
