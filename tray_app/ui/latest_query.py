"""A query about something that may change faster than the app can answer. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge

Subject = TypeVar("Subject")
Answer = TypeVar("Answer")


class LatestQuery(Generic[Subject, Answer]):
    """At most one query at a time. Who gets the answer asks again, about what has changed meanwhile.

    It refers to no widget: that would be a cycle, and widgets in cycles may be deleted on another thread.
    """

    def __init__(self, bridge: Bridge, question: Callable[[Subject], Answer]) -> None:
        self._bridge = bridge
        self._question = question
        self._subject: Subject | None = None
        self._waits = False

    def ask(self, subject: Subject, hear: Callable[[Subject, Answer | AppError], object]) -> None:
        """Ask, unless an answer is awaited or the last query was about the same. `hear` gets both."""
        if self._waits or subject == self._subject:
            return
        self._waits, self._subject = True, subject

        def answered(answer: Answer | AppError) -> None:
            self._waits = False
            hear(subject, answer)

        self._bridge.run(lambda: self._question(subject), answered, answered)
