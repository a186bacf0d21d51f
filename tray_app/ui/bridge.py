"""Between the app's threads and the GUI thread: snapshots come in, operations go out.

`Bridge` belongs to the GUI thread. Snapshots that arrive faster than they can be shown are
left out, never queued up.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal
from shiboken6 import isValid

from tray_app.errors import AppError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.app.status import AppStatus
    from tray_app.ui.app_protocol import AppProtocol

_log = logging.getLogger(__name__)

Value = TypeVar("Value")


@dataclass(slots=True)
class _Operation:
    """A call of the app that is under way, and what follows. GUI thread."""

    thread: threading.Thread
    perform: Callable[[], Any]
    """Kept here so that the widgets it refers to are not freed on its thread."""
    success: Callable[[Any], object]
    failure: Callable[[AppError], object]
    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How an operation ended."""

    number: int
    value: Any = None
    error: AppError | None = None


class Bridge(QObject):
    """The app as the widgets see it."""

    status_changed = Signal(object)
    """An `AppStatus` later than the one before, on the GUI thread."""
    engines_changed = Signal()
    """An engine has been installed or removed, or something is known of one that was not."""
    _engines_changed = Signal()
    _arrived = Signal()
    _finished = Signal(object)

    def __init__(self, app: AppProtocol) -> None:
        super().__init__()
        self.app = app
        self._lock = threading.Lock()
        self._waiting: AppStatus | None = None
        self.closing = threading.Event()
        """Set when the app ends: long operations stop then and leave nothing half done."""
        self._numbers = itertools.count()
        self._operations: dict[int, _Operation] = {}
        self._afterwards: list[Callable[[], object]] = []
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._finished.connect(self._conclude, Qt.ConnectionType.QueuedConnection)
        self._engines_changed.connect(self.engines_changed, Qt.ConnectionType.QueuedConnection)
        app.changed.connect(self._receive)
        app.engines.changed.connect(self._hear_of_engines)
        # Asked after connecting, so that no change falls between.
        self.status: AppStatus = app.status()

    def run(
        self,
        operation: Callable[[], Value],
        success: Callable[[Value], object],
        failure: Callable[[AppError], object],
    ) -> Callable[[], None]:
        """Do `operation` on a thread of its own, then call `success` or `failure` on the GUI thread.

        Call the result to drop the outcome: neither of the two is called then, though `operation` goes on.
        """
        number = next(self._numbers)
        thread = threading.Thread(
            target=self._perform, args=(number, operation), name="ui-operation", daemon=True
        )
        follows = self._operations[number] = _Operation(thread, operation, success, failure)
        thread.start()

        def abandon() -> None:
            follows.abandoned = True

        return abandon

    def afterwards(self, act: Callable[[], object]) -> None:
        """Call `act` as soon as no operation is under way, nor one that was begun by another's outcome."""
        self._afterwards.append(act)
        self._act_afterwards()

    def close(self, timeout_s: float) -> None:
        """Deliver nothing more, and wait for the operations that still run."""
        self.app.changed.disconnect(self._receive)
        self.app.engines.changed.disconnect(self._hear_of_engines)
        self.closing.set()
        deadline_s = time.monotonic() + timeout_s
        for operation in self._operations.values():
            operation.thread.join(max(0.0, deadline_s - time.monotonic()))
        # The callbacks refer to this: a cycle with widgets in it could be deleted on another thread.
        self._operations.clear()

    def _receive(self, status: AppStatus) -> None:
        """Any thread: keep the newest snapshot, and wake the GUI thread unless it has been woken already."""
        with self._lock:
            awake = self._waiting is not None
            self._waiting = status
        if not awake:
            self._arrived.emit()

    def _hear_of_engines(self) -> None:
        """Any thread."""
        if not self.closing.is_set():
            self._engines_changed.emit()

    def _deliver(self) -> None:
        with self._lock:
            status, self._waiting = self._waiting, None
        if status is not None and not self.closing.is_set():
            self.status = status
            self.status_changed.emit(status)

    def _perform(self, number: int, operation: Callable[[], object]) -> None:
        try:
            outcome = _Outcome(number, operation())
        except AppError as exc:
            outcome = _Outcome(number, error=_without_frames(exc))
        except Exception as exc:  # noqa: BLE001 - the top of a thread
            # The person must hear of it, and the log must have the details.
            _log.exception("An operation of the user interface failed")
            cause = f"{type(exc).__name__}: {exc}"
            error = AppError(
                ErrorCode.INTERNAL_ERROR,
                "Something went wrong inside the app",
                cause,
                "The log has the details.",
            )
            outcome = _Outcome(number, error=error)
        if not self.closing.is_set():
            self._finished.emit(outcome)

    def _conclude(self, outcome: _Outcome) -> None:
        operation = self._operations.pop(outcome.number, None)
        if operation is None:  # closed meanwhile
            return
        # The thread has nothing left to do. Once it has ended, it cannot drop the last reference to a widget:
        # deleting a widget outside the GUI thread ends the process.
        operation.thread.join()
        try:
            self._tell(operation, outcome)
        finally:
            self._act_afterwards()

    def _tell(self, operation: _Operation, outcome: _Outcome) -> None:
        hear = operation.failure if outcome.error else operation.success
        if self.closing.is_set() or operation.abandoned or _is_gone(hear):
            return
        hear(outcome.error or outcome.value)

    def _act_afterwards(self) -> None:
        while self._afterwards and not self._operations:
            self._afterwards.pop(0)()


def _is_gone(hear: Callable[[Any], object]) -> bool:
    """Whether this is a method of an object that Qt has deleted, such as a window that was replaced."""
    owner = getattr(hear, "__self__", None)
    return isinstance(owner, QObject) and not isValid(owner)


def _without_frames(error: AppError) -> AppError:
    """The error without its traceback and those of its causes.

    Their frames refer to widgets, which must not stay alive in a snapshot of the app or in a cycle.
    """
    each: BaseException | None = error
    while each is not None:
        each.__traceback__ = None
        each = each.__cause__ or each.__context__
    return error
