"""Does what a person has chosen about a new version; nothing is ever installed. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from tray_app.ui.cancellable_job import CancellableJob
from tray_app.ui.dialogs.what_is_new import WhatIsNewDialog
from tray_app.ui.open_outside import open_page, open_path
from tray_app.ui.presenters.updates import UpdateAction

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget

    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge


class UpdateController(QObject):
    """Calls `tell` with the error of what has failed, and with None when something begins.

    `window` is the parent of dialogs.
    """

    checked = Signal()
    """`checking` has changed."""

    def __init__(self, bridge: Bridge, tell: Callable[[AppError | None], object], window: QWidget) -> None:
        super().__init__(window)
        self._bridge = bridge
        self._tell = tell
        self._window = window
        self._check = CancellableJob(bridge, self.checked.emit, tell)
        self.dialog: WhatIsNewDialog | None = None
        """The dialog that was opened last."""

    @property
    def checking(self) -> bool:
        """Whether the signature of a package is being checked."""
        return self._check.busy

    def take_over(self, old: UpdateController) -> None:
        """Continue the check that `old` has begun."""
        self._check.take_over(old._check, lambda _: None)

    def do(self, action: UpdateAction) -> None:
        """Do this with the version that is available."""
        app, updates = self._bridge.app, self._bridge.status.updates
        match action:
            case UpdateAction.TELL | UpdateAction.REFUSE:
                self._run(lambda: app.answer_update_question(wanted=action is UpdateAction.TELL))
            case UpdateAction.NEWS if updates.newer:
                self.dialog = WhatIsNewDialog(updates.newer, self._window)
                self.dialog.open()
            case UpdateAction.DOWNLOAD if updates.fetches:
                self._tell(None)
                self._check.start(lambda _: app.updates.download(), lambda _: None)
            case UpdateAction.DOWNLOAD if updates.newer:
                open_page(self._window, updates.newer.page)
            case UpdateAction.SKIP:
                self._run(app.updates.skip)
            case UpdateAction.CANCEL:
                self._run(app.updates.cancel)
            case UpdateAction.REVEAL if updates.download:
                open_path(self._window, updates.download.path.parent)

    def _run(self, operation: Callable[[], object]) -> None:
        self._tell(None)
        self._bridge.run(operation, lambda _: None, self._tell)
