"""Reads, fills, renames, deletes and exports collections of texts. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from tray_app.app.server_status import ServerState
from tray_app.ui.cancellable_job import CancellableJob
from tray_app.ui.operations import start_server
from tray_app.ui.presenters.embedding import server_reason
from tray_app.ui.presenters.menu import start_refusal
from tray_app.ui.presenters.search import progress_text
from tray_app.ui.search_operations import Addition, Shelf, add, read_shelf
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from threading import Event

    from tray_app.app.status import AppStatus
    from tray_app.errors import AppError
    from tray_app.search.collection import AddReport, Collection
    from tray_app.ui.bridge import Bridge

_PROGRESS_MS = 100
"""How often the progress of an addition is shown."""


class SearchController(QObject):
    """The collections, the one that is shown, and what is being done with it.

    What needs the server waits until it is ready; a stopped server is started.
    """

    changed = Signal()
    """What is shown has changed."""
    filled = Signal(object)
    """An `AddReport`: an addition has ended."""
    failed = Signal(object, bool)
    """An `AppError`, and whether the addition can be continued with `add_again`."""
    _told = Signal(int, int)
    _made = Signal(str)

    def __init__(self, bridge: Bridge, parent: QObject) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.shelf = Shelf()
        self.is_known = False
        """Whether the collections have been read."""
        self.current_id = ""
        self.waiting: Addition | None = None
        """The addition that begins as soon as the server is ready."""
        self.done, self.total = 0, 0
        self._last: Addition | None = None
        self._judged_by: object = None
        self._forget_read: Callable[[], None] = lambda: None
        self._job = CancellableJob(bridge, self.changed.emit, self._fail)
        self._told.connect(self._hear)
        # Thousands of unchanged files are reported per second.
        self._soon = QTimer(self, singleShot=True, interval=_PROGRESS_MS)
        self._soon.timeout.connect(self._show_progress)
        self._made.connect(self._hear_of_new)
        bridge.status_changed.connect(self._follow)

    @property
    def current(self) -> Collection | None:
        """The collection that is shown."""
        return self.shelf.find(self.current_id)

    @property
    def busy(self) -> bool:
        """Whether texts are being embedded, or wait for the server."""
        return self._job.busy or self.waiting is not None

    @property
    def words(self) -> str:
        """The progress of that, in words."""
        if self.waiting is not None:
            return self.reason or tr("Starting …")
        return progress_text(self.done, self.total, tr)

    @property
    def reason(self) -> str:
        """Why nothing can be embedded now; empty if something can."""
        return server_reason(self._bridge.status, tr)

    @property
    def is_outdated(self) -> bool:
        """Whether the collection was embedded with another model than the current one."""
        return self.current_id in self.shelf.outdated

    def read(self) -> None:
        """Read the collections again."""
        self._judged_by = _model_of(self._bridge.status)
        search = self._bridge.app.search
        self._forget_read()  # an earlier read may end later
        self._forget_read = self._bridge.run(lambda: read_shelf(search), self._show, self._tell)

    def take_over(self, old: SearchController) -> None:
        """Show the same collection as `old`, and continue what it does."""
        self.current_id, self._last = old.current_id, old._last
        self.waiting, old.waiting = old.waiting, None
        self.done, self.total = old.done, old.total
        old._told.connect(self._told)
        old._made.connect(self._made)
        self._job.take_over(old._job, self._conclude)

    def choose(self, collection_id: str) -> None:
        """Show another collection."""
        if collection_id != self.current_id:
            self.current_id = collection_id
            self.changed.emit()

    def add(self, wanted: Addition) -> None:
        """Add texts or files, unless an addition is under way."""
        if self._job.busy:
            return
        self._last = wanted
        if self.reason:
            self.waiting = wanted
            self.start_server()
        else:
            search = self._bridge.app.search
            self._begin(lambda cancelled: add(search, wanted, self._told.emit, self._made.emit, cancelled))
        self.changed.emit()

    def add_again(self) -> None:
        """Continue the addition that has failed: what is embedded already is not embedded again."""
        if self._last is not None:
            into = self.current_id if self.shelf.find(self.current_id) else ""
            self.add(Addition(self._last.paths, self._last.texts, self._last.into or into, self._last.name))

    def rebuild(self) -> None:
        """Embed the texts of the collection again with the current model."""
        search, collection_id = self._bridge.app.search, self.current_id
        self._last = None
        self._begin(lambda cancelled: search.rebuild(collection_id, self._told.emit, cancelled))

    def cancel(self) -> None:
        """Stop embedding; what is embedded stays."""
        self.waiting = None
        self._job.cancel()
        self.changed.emit()

    def start_server(self) -> None:
        """Start the server, if it can be started."""
        if not start_refusal(self._bridge.status, tr):
            app = self._bridge.app
            self._bridge.run(lambda: start_server(app), lambda _: None, self._fail)

    def rename(self, name: str) -> None:
        """Give the collection another name."""
        search, collection_id = self._bridge.app.search, self.current_id
        self._change(lambda: search.rename(collection_id, name))

    def delete(self) -> None:
        """Delete the collection permanently."""
        search, collection_id = self._bridge.app.search, self.current_id
        self._change(lambda: search.delete(collection_id))

    def export(self, path: Path) -> None:
        """Write texts and vectors to a file."""
        search, collection_id = self._bridge.app.search, self.current_id
        self._change(lambda: search.export(collection_id, path))

    def _change(self, act: Callable[[], object]) -> None:
        self._bridge.run(act, lambda _: self.read(), self._tell)

    def _begin(self, work: Callable[[Event], AddReport]) -> None:
        self.done, self.total = 0, 0
        self._job.start(work, self._conclude)

    def _conclude(self, report: AddReport) -> None:
        self.filled.emit(report)
        self.read()

    def _fail(self, error: AppError) -> None:
        self.waiting = None
        self.failed.emit(error, self._last is not None)
        self.read()

    def _tell(self, error: AppError) -> None:
        self.failed.emit(error, False)

    def _hear(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        if not self._soon.isActive():
            self._soon.start()

    def _show_progress(self) -> None:
        if self._job.busy:
            self.changed.emit()

    def _hear_of_new(self, collection_id: str) -> None:
        self.current_id = collection_id

    def _show(self, shelf: Shelf) -> None:
        self.shelf, self.is_known = shelf, True
        if self.current is None and not self._job.busy:
            newest = max(shelf.collections, key=lambda each: each.updated_at, default=None)
            self.current_id = newest.id if newest else ""
        self.changed.emit()

    def _follow(self, status: AppStatus) -> None:
        if self.waiting is not None:
            if not self.reason:
                wanted, self.waiting = self.waiting, None
                self.add(wanted)
                return
            if status.server.state is ServerState.FAILED:
                self.waiting = None  # Home and the line here say why
        if self.is_known and _model_of(status) != self._judged_by:
            self.read()
        else:
            self.changed.emit()


def _model_of(status: AppStatus) -> object:
    """A value that differs when another model may embed."""
    return status.settings.model, status.settings.default_embedding, status.server.state.runs
