"""Does what a person has chosen for an engine, and asks first where something is at stake. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from tray_app.ui.dialogs.confirm import ask_to_add_engine, ask_to_remove_engine
from tray_app.ui.dialogs.terms import TermsDialog
from tray_app.ui.open_outside import open_path
from tray_app.ui.presenters.builds import EngineAction, removal_text, terms_of
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtWidgets import QDialog, QWidget

    from tray_app.app.engine_manager import EnginesOverview
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.builds import BuildRow


class EngineController(QObject):
    """Calls `tell` with the error of what has failed, and with None when something begins.

    `window` is the parent of dialogs.
    """

    def __init__(self, bridge: Bridge, tell: Callable[[AppError | None], object], window: QWidget) -> None:
        super().__init__(window)
        self._bridge = bridge
        self._engines = bridge.app.engines
        self._tell = tell
        self._window = window
        self.dialog: QDialog | None = None
        """The dialog that was opened last."""

    def do(self, action: EngineAction, build_id: str, overview: EnginesOverview | None) -> None:
        """Do this with a published or installed build, or with its installation."""
        match action:
            case EngineAction.INSTALL | EngineAction.UPDATE:
                self._install(build_id, overview)
            case EngineAction.PAUSE:
                self._run(self._engines.pause)
            case EngineAction.RESUME | EngineAction.RETRY:
                self._run(self._engines.resume)
            case EngineAction.CANCEL | EngineAction.CLOSE:
                self._run(self._engines.cancel)
            case EngineAction.ALLOW:
                self._run(lambda: self._engines.allow_again(build_id))
            case EngineAction.PROVE:
                self._run(lambda: self._engines.prove(build_id))

    def do_with_row(self, action: EngineAction, row: BuildRow, overview: EnginesOverview) -> None:
        """Do this with the engine of a row."""
        match action:
            case EngineAction.INSTALL | EngineAction.UPDATE:
                self.do(action, row.successor_id, overview)
            case EngineAction.REVEAL if row.path:
                open_path(self._window, row.path.parent)
            case EngineAction.REMOVE:
                self.dialog = ask_to_remove_engine(
                    self._window,
                    row.title,
                    removal_text(row, overview, tr),
                    lambda: self._run(lambda: self._engines.remove(row.id)),
                )
            case _:
                self.do(action, row.id, overview)

    def add(self, path: Path) -> None:
        """Install a file or folder as an engine, if the person confirms that they trust it."""
        self.dialog = ask_to_add_engine(
            self._window, path, lambda: self._run(lambda: self._engines.install_file(path))
        )

    def _install(self, build_id: str, overview: EnginesOverview | None) -> None:
        """Install a build, after its terms are accepted if it has any."""
        offers = overview.offers if overview else ()
        build = next((each for each in offers if each.id == build_id), None)
        terms = terms_of(build, tr) if build else None
        if terms is None:
            self._run(lambda: self._engines.install(build_id))
            return
        dialog = TermsDialog(terms, self._window)
        dialog.accepted.connect(lambda: self._run(lambda: self._engines.install(build_id)))
        self.dialog = dialog
        dialog.open()

    def _run(self, operation: Callable[[], object]) -> None:
        self._tell(None)
        self._bridge.run(operation, lambda _: None, self._tell)
