"""Long work on model files: runs it, tells its progress, cancels it. GUI thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from tray_app.errors import AppError, ErrorCode
from tray_app.ui.presenters.models import FileJob

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tray_app.models.importing import OnProgress
    from tray_app.ui.bridge import Bridge

Value = TypeVar("Value")


class CalledOffError(AppError):
    """The work was canceled, or the app ends."""


class FileJobs(QObject):
    """The work under way, at most one job for each file."""

    changed = Signal()
    _progressed = Signal(str, object)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._jobs: dict[str, FileJob] = {}
        self._cancelled: dict[str, threading.Event] = {}
        self._progressed.connect(self._note, Qt.ConnectionType.QueuedConnection)

    @property
    def current(self) -> Mapping[str, FileJob]:
        """The jobs under way, by the keys of their rows."""
        return dict(self._jobs)

    def begin(
        self,
        key: str,
        verb: str,
        operation: Callable[[OnProgress], Value],
        success: Callable[[Value], object],
        failure: Callable[[AppError], object],
    ) -> None:
        """Run `operation`, which reports progress, then call `success` or `failure`, unless it is canceled.

        Nothing happens while another job for the same key is under way.
        """
        if key in self._jobs:
            return
        self._jobs[key] = FileJob(verb)
        cancelled = self._cancelled[key] = threading.Event()
        tell = self._teller(key, verb, cancelled)

        def end_well(value: Value) -> None:
            self._end(key)
            success(value)

        def end_badly(error: AppError) -> None:
            self._end(key)
            if not isinstance(error, CalledOffError):
                failure(error)

        self._bridge.run(lambda: operation(tell), end_well, end_badly)
        self.changed.emit()

    def cancel(self, key: str) -> None:
        """Cancel a job: it ends within moments and leaves nothing half done."""
        if cancelled := self._cancelled.get(key):
            cancelled.set()

    def _teller(self, key: str, verb: str, cancelled: threading.Event) -> OnProgress:
        """What the operation calls on its thread. At most a thousand steps are passed on, as a bar has."""
        told = -1

        def tell(done: int, total: int) -> None:
            nonlocal told
            if cancelled.is_set() or self._bridge.closing.is_set():
                raise CalledOffError(ErrorCode.CALLED_OFF, "Called off")
            work = FileJob(verb, done, total)
            if work.permille != told:
                told = work.permille
                self._progressed.emit(key, work)

        return tell

    def _note(self, key: str, job: FileJob) -> None:
        if key in self._jobs:
            self._jobs[key] = job
            self.changed.emit()

    def _end(self, key: str) -> None:
        del self._jobs[key], self._cancelled[key]
        self.changed.emit()
