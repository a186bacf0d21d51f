"""An operation that a person can cancel, with a page that shows whether it is under way. GUI thread."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge

Value = TypeVar("Value")


class CancellableJob:
    """At most one operation at a time.

    `changed` is called after it has begun or ended, `failure` with the error of one that has failed.
    """

    def __init__(
        self, bridge: Bridge, changed: Callable[[], object], failure: Callable[[AppError], object]
    ) -> None:
        self._bridge = bridge
        self._changed = changed
        self._failure = failure
        self._cancelled: Event | None = None
        self._forget: Callable[[], None] = lambda: None

    @property
    def busy(self) -> bool:
        """Whether an operation is under way."""
        return self._cancelled is not None

    def start(self, operation: Callable[[Event], Value], success: Callable[[Value], object]) -> None:
        """Run `operation` off the GUI thread; it should end soon after its argument is set.

        Only while not `busy`.
        """
        cancelled = self._cancelled = Event()

        def succeed(value: Value) -> None:
            self._end()
            success(value)

        def fail(error: AppError) -> None:
            self._end()
            self._failure(error)

        self._forget = self._bridge.run(lambda: operation(cancelled), succeed, fail)
        self._changed()

    def cancel(self) -> None:
        """Ask the operation to end; until it has ended, it is under way, and its outcome is delivered."""
        if self._cancelled:
            self._cancelled.set()

    def abandon(self) -> None:
        """Ask the operation to end, and drop its outcome: it counts as ended at once."""
        if self._cancelled:
            self._cancelled.set()
            self._forget()
            self._end()

    def is_current(self, cancelled: Event) -> bool:
        """Whether the operation with this argument is the one under way."""
        return cancelled is self._cancelled

    def _end(self) -> None:
        self._cancelled = None
        self._changed()
