"""Work on model files that takes long: runs it, says how far it is, calls it off. GUI thread."""

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
    """The person has changed their mind, or the app ends."""


class FileJobs(QObject):
    """What is being done with which file; one thing with each."""

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
        """All that is being done, by the key of its row."""
        return dict(self._jobs)

    def begin(
        self,
        key: str,
        verb: str,
        operation: Callable[[OnProgress], Value],
        success: Callable[[Value], object],
        failure: Callable[[AppError], object],
    ) -> None:
        """Do `operation`, which tells how far it is; one of the other two is called unless it is called off.

        Nothing happens while something else is being done with the same file.
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
        """Call it off: it ends within moments, and leaves nothing half done."""
        if cancelled := self._cancelled.get(key):
            cancelled.set()

    def _teller(self, key: str, verb: str, cancelled: threading.Event) -> OnProgress:
        """What the operation calls, on its thread; a bar has a thousand steps, so no more are told."""
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
