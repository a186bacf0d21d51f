"""Which models there are, read again whenever that may have changed. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from tray_app.ui.model_operations import survey
from tray_app.ui.presenters.model_facts import ModelFacts, facts_key
from tray_app.ui.presenters.models import settled_rows
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from tray_app.app.status import AppStatus
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.models import SettledRows


class ModelsLook(QObject):
    """The latest rows of models for the tabs of a page. It begins to read as soon as it is made."""

    seen = Signal()
    """`settled` has been read again."""
    failed = Signal(object)
    """An `AppError`: the models could not be read."""

    def __init__(self, bridge: Bridge, page: QWidget) -> None:
        super().__init__(page)
        self._bridge = bridge
        self.settled = settled_rows(ModelFacts(), tr)
        """Empty until they have been read once."""
        self._looking = self._look_again = False
        self._facts_of: object = None
        bridge.status_changed.connect(self._follow)
        self._follow(bridge.status)

    def refresh(self) -> None:
        """Read the folder now, or once more after the read that is under way."""
        self._look_again = self._looking
        if not self._looking:
            self._looking = True
            self._bridge.run(lambda: settled_rows(survey(self._bridge.app), tr), self._adopt, self._fail)

    def _follow(self, status: AppStatus) -> None:
        facts_of = facts_key(status), status.settings
        if facts_of != self._facts_of:
            self._facts_of = facts_of
            self.refresh()

    def _adopt(self, settled: SettledRows) -> None:
        self.settled = settled
        self._end()
        self.seen.emit()

    def _fail(self, error: AppError) -> None:
        self._end()
        self.failed.emit(error)

    def _end(self) -> None:
        self._looking = False
        if self._look_again:
            self.refresh()
