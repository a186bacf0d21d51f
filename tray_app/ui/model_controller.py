"""Does what a person has chosen for a model, and asks first where something would be lost. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from tray_app.engine.launch_plan import LaunchPlan
from tray_app.models.integrity import Check
from tray_app.models.removal import NotDiscardedError
from tray_app.ui.dialogs.confirm import ask_to_cancel, ask_to_remove
from tray_app.ui.dialogs.download import DownloadDialog
from tray_app.ui.dialogs.import_files import ImportDialog
from tray_app.ui.dialogs.model_information import ModelInformation
from tray_app.ui.dialogs.quantize import QuantizeDialog
from tray_app.ui.file_jobs import FileJobs
from tray_app.ui.model_operations import discard_downloads, import_file, make_smaller, remove
from tray_app.ui.open_outside import open_path
from tray_app.ui.operations import choose_model, for_each_download, load_model
from tray_app.ui.presenters.models import ModelAction
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PySide6.QtWidgets import QDialog, QWidget

    from tray_app.errors import AppError
    from tray_app.models.import_modes import How
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.models import ModelRow
    from tray_app.ui.widgets.cards import MessageCard


class ModelController(QObject):
    """Handles rows of models, files and addresses.

    `card` shows errors and outcomes, `window` is the parent of dialogs.
    """

    expected = Signal(str)
    """The key of a row that will appear, or has appeared."""
    folder_changed = Signal()
    """A model was removed."""

    def __init__(self, bridge: Bridge, card: MessageCard, window: QWidget) -> None:
        super().__init__(window)
        self._bridge = bridge
        self._app = bridge.app
        self._card = card
        self._window = window
        self.jobs = FileJobs(bridge)
        self.dialog: QDialog | None = None
        """The dialog that was opened last."""

    def do(self, action: ModelAction, row: ModelRow) -> None:  # noqa: C901 - one for each action
        """Do this with the model of a row that permits it."""
        match action:
            case ModelAction.USE:
                self.run(lambda: choose_model(self._app, row.id))
            case ModelAction.LOAD:
                self.run(lambda: load_model(self._app, row.id))
            case ModelAction.UNLOAD:
                self.run(lambda: self._app.unload_model(row.id))
            case ModelAction.DOWNLOAD:
                self.download(row.name, row.source)
            case ModelAction.PAUSE:
                self.run(lambda: for_each_download(self._app.downloads.pause, row.downloads))
            case ModelAction.RESUME:
                self.run(lambda: for_each_download(self._app.downloads.resume, row.downloads))
            case ModelAction.CANCEL:
                self._cancel(row)
            case ModelAction.VERIFY:
                self._verify(row)
            case ModelAction.QUANTIZE:
                self._quantize(row)
            case ModelAction.INFORM:
                self._open(ModelInformation(row, self._window))
            case ModelAction.REVEAL if row.path:
                open_path(self._window, row.path.parent)
            case ModelAction.REMOVE:
                served = row.path is not None and (row.path == self._served() or self._would_be_served(row))
                self.dialog = ask_to_remove(self._window, row, lambda: self._remove(row), served=served)

    def download(self, name: str, source: str, success: Callable[[], object] = lambda: None) -> None:
        """Show what a download brings and takes, and start it if the person confirms."""
        dialog = DownloadDialog(self._bridge, name, source, self._window)
        dialog.confirmed.connect(lambda: self.run(lambda: self._app.download(source), success))
        self._open(dialog)

    def import_files(self, files: Sequence[Path]) -> None:
        """Ask how to import these files, and do it."""
        dialog = ImportDialog(files, self._app.models_folder, self._window)
        dialog.confirmed.connect(lambda how: self._import(files, how))
        self._open(dialog)

    def run(self, operation: Callable[[], object], success: Callable[[], object] = lambda: None) -> None:
        """Run a short operation; an error is shown on the card."""
        self._card.clear()
        self._bridge.run(operation, lambda _: success(), self._tell)

    def take_over(self, old: ModelController) -> None:
        """Continue what `old` has begun; outcomes are shown here."""
        self.jobs = old.jobs
        old._card = self._card
        old.expected.connect(self.expected)
        old.folder_changed.connect(self.folder_changed)

    def _import(self, files: Sequence[Path], how: How) -> None:
        self._card.clear()
        for file in files:
            self._import_one(file, how)

    def _import_one(self, file: Path, how: How) -> None:
        self.jobs.begin(
            file.name,
            tr("Importing"),
            lambda tell: import_file(self._app, file, how, tell),
            self.expected.emit,
            self._tell,
        )

    def _cancel(self, row: ModelRow) -> None:
        if row.id in self.jobs.current:
            self.jobs.cancel(row.id)
            return
        self.dialog = ask_to_cancel(
            self._window,
            row,
            lambda: self.run(lambda: for_each_download(self._app.downloads.cancel, row.downloads)),
            lambda: self.run(lambda: discard_downloads(self._app, row)),
        )

    def _verify(self, row: ModelRow) -> None:
        self._card.clear()
        self.jobs.begin(
            row.id,
            tr("Checking"),
            lambda tell: self._app.models.verify_model(str(row.path), tell),
            lambda check: self._show_check(row, check),
            self._tell,
        )

    def _show_check(self, row: ModelRow, check: Check) -> None:
        if check is Check.DIGEST:
            text = tr("Every byte is as it was downloaded.")
        else:
            text = tr("Header and size are right. What each byte should be is not known for this file.")
        self._card.show_message(tr("{name} is in order").format(name=row.name), text)
        self._card.offer_to_close()

    def _quantize(self, row: ModelRow) -> None:
        dialog = QuantizeDialog(self._bridge, row, self._window)
        dialog.confirmed.connect(lambda type_name, target: self._make_smaller(row, type_name, target))
        self._open(dialog)

    def _make_smaller(self, row: ModelRow, type_name: str, target: Path) -> None:
        self._card.clear()
        self.jobs.begin(
            target.name,
            tr("Quantizing"),
            lambda tell: make_smaller(self._app, row, target, type_name, tell),
            self.expected.emit,
            self._tell,
        )
        self.expected.emit(target.name)  # its row shows the progress

    def _tell(self, error: AppError) -> None:
        self._card.show_error(error)

    def _served(self) -> Path | None:
        """The file that the main engine has open, if it runs."""
        engine = self._bridge.status.engine
        return engine.plan.model.path if engine.pid and isinstance(engine.plan, LaunchPlan) else None

    def _would_be_served(self, row: ModelRow) -> bool:
        """Whether the next request would load this model."""
        return row.chosen and self._bridge.status.server.base_url is not None

    def _remove(self, row: ModelRow, *, for_good: bool = False) -> None:
        self._card.clear()
        self._bridge.run(
            lambda: remove(self._app, row, for_good=for_good),
            lambda _: self.folder_changed.emit(),
            lambda error: self._removal_failed(row, error),
        )

    def _removal_failed(self, row: ModelRow, error: AppError) -> None:
        self._tell(error)
        if isinstance(error, NotDiscardedError):
            self._card.offer(tr("Delete &Permanently"), lambda: self._remove(row, for_good=True))

    def _open(self, dialog: QDialog) -> None:
        self.dialog = dialog
        dialog.open()
