"""What engines and clients use, measured repeatedly while the window is visible. GUI thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from tray_app.ui.presenters.usage import UsageSample, extended, is_asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget

    from tray_app.app.status import AppStatus
    from tray_app.errors import AppError
    from tray_app.ui.app_protocol import AppProtocol
    from tray_app.ui.bridge import Bridge

_BUSY_MS = 1000
_IDLE_MS = 5000
"""While there are no requests: a measurement takes milliseconds and would find the same as the last one."""
_BUSY_FOR_S = 10.0


def usage_now(app: AppProtocol) -> tuple[UsageSample, AppStatus]:
    """What engines and clients use now, and the status with the values of each model."""
    used, status = app.resource_usage(), app.status()  # in this order: the usage is measured for both
    return UsageSample(time.monotonic(), used, status.traffic), status


class UsageLook(QObject):
    """The samples of the last two minutes, also while another page is shown. Measured on another thread."""

    seen = Signal(object)
    """An `AppStatus` with what each model uses now; `samples` has one more."""
    failed = Signal(object)
    """An `AppError`: nothing can be measured, and nothing is until `start`."""

    def __init__(self, bridge: Bridge, page: QWidget) -> None:
        super().__init__(page)
        self._bridge = bridge
        self._page = page
        self.samples: tuple[UsageSample, ...] = ()
        """The newest last."""
        self._abandon: Callable[[], None] | None = None
        self.clock = QTimer(self)
        self.clock.setInterval(_BUSY_MS)
        self.clock.timeout.connect(self._look_if_seen)

    def start(self) -> None:
        """Measure now and from now on, since the page is shown."""
        if not self.clock.isActive():
            self.clock.start()
        self._look()

    def stop_if_unseen(self) -> bool:
        """Stop measuring if the window is closed or minimized; whether it is."""
        window = self._page.window()
        if window.isVisible() and not window.isMinimized():
            return False
        self.clock.stop()
        if self._abandon is not None:
            self._abandon()
            self._abandon = None
        return True

    def take(self, sample: UsageSample) -> None:
        """Add a sample. While there are no requests, the next ones come less often."""
        self.samples = extended(self.samples, sample)
        busy = is_asked(self.samples, _BUSY_FOR_S)
        self.clock.setInterval(_BUSY_MS if busy else _IDLE_MS)

    def _look_if_seen(self) -> None:
        if not self.stop_if_unseen():
            self._look()

    def _look(self) -> None:
        if self._abandon is None:  # else the last measurement is still under way
            self._abandon = self._bridge.run(lambda: usage_now(self._bridge.app), self._take, self._fail)

    def _take(self, look: tuple[UsageSample, AppStatus]) -> None:
        self._abandon = None
        sample, status = look
        self.take(sample)
        self.seen.emit(status)

    def _fail(self, error: AppError) -> None:
        self._abandon = None
        self.clock.stop()
        self.failed.emit(error)
