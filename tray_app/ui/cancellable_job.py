"""An operation that a person can cancel, with a page that shows whether it is under way. GUI thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

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
        self._operation: _Operation | None = None
        """The one that is under way."""

    @property
    def busy(self) -> bool:
        """Whether an operation is under way."""
        return self._operation is not None

    def start(self, operation: Callable[[Event], Value], success: Callable[[Value], object]) -> None:
        """Run `operation` off the GUI thread; it should end soon after its argument is set.

        Only while not `busy`.
        """
        begun = self._operation = _Operation(self._end, success, self._failure)
        begun.forget = self._bridge.run(lambda: operation(begun.cancelled), begun.succeed, begun.fail)
        self._changed()

    def take_over(self, old: CancellableJob, success: Callable[[Any], object]) -> None:
        """Continue the operation of `old`, if one is under way: from now on, its outcome is told here."""
        begun = self._operation = old._operation
        old._operation = None
        if begun:
            begun.ended, begun.success, begun.failure = self._end, success, self._failure
            self._changed()

    def cancel(self) -> None:
        """Ask the operation to end; until it has ended, it is under way, and its outcome is delivered."""
        if self._operation:
            self._operation.cancelled.set()

    def abandon(self) -> None:
        """Ask the operation to end, and drop its outcome: it counts as ended at once."""
        if self._operation:
            self._operation.cancelled.set()
            self._operation.forget()
            self._end()

    def is_current(self, cancelled: Event) -> bool:
        """Whether the operation with this argument is the one under way."""
        return self._operation is not None and cancelled is self._operation.cancelled

    def _end(self) -> None:
        self._operation = None
        self._changed()


@dataclass(slots=True)
class _Operation:
    """An operation under way, and what follows when it has ended."""

    ended: Callable[[], object]
    success: Callable[[Any], object]
    failure: Callable[[AppError], object]
    cancelled: Event = field(default_factory=Event)
    forget: Callable[[], None] = lambda: None

    def succeed(self, value: Any) -> None:
        self.ended()
        self.success(value)

    def fail(self, error: AppError) -> None:
        self.ended()
        self.failure(error)
