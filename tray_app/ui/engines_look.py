"""Which engines there are, read again whenever that may have changed. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from tray_app.app.engine_manager import EnginesOverview
    from tray_app.app.status import AppStatus
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge


_PAUSE_MS = 500
"""The pause between two reads: an installation in progress changes all the time."""


class EnginesLook(QObject):
    """The latest overview of the engines, for a page, which calls `refresh` when it is shown."""

    seen = Signal()
    """`overview` has been read again."""
    failed = Signal(object)
    """An `AppError`: the engines could not be read."""

    def __init__(self, bridge: Bridge, page: QWidget) -> None:
        super().__init__(page)
        self._bridge = bridge
        self._page = page
        self.overview: EnginesOverview | None = None
        """None until they have been read once."""
        self._looking = self._look_again = False
        self._runs: object = None
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self.refresh)
        bridge.engines_changed.connect(self._look_if_seen)
        bridge.status_changed.connect(self._follow)

    def refresh(self) -> None:
        """Read them now, or once more after the read that is under way."""
        self._look_again = self._looking
        if not self._looking:
            self._looking = True
            self._bridge.run(self._bridge.app.engines.overview, self._adopt, self._fail)

    def _follow(self, status: AppStatus) -> None:
        """Read them again when another engine runs a model, which the overview tells."""
        runs = {(each.model_id, each.engine.pid) for each in status.pool.engines if each.engine.pid}
        if runs != self._runs:
            self._runs = runs
            self._look_if_seen()

    def _look_if_seen(self) -> None:
        if self._page.isVisible() and not self._pause.isActive():
            self.refresh()

    def _adopt(self, overview: EnginesOverview) -> None:
        self.overview = overview
        self.seen.emit()
        self._end()

    def _fail(self, error: AppError) -> None:
        self.failed.emit(error)
        self._end()

    def _end(self) -> None:
        self._looking = False
        if self._look_again:
            self._pause.start()
