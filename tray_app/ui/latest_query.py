"""A question to the app about what changes faster than it can answer. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge

Subject = TypeVar("Subject")
Answer = TypeVar("Answer")


class LatestQuery(Generic[Subject, Answer]):
    """Asked about one subject at a time. Whoever hears the answer asks again: what came meanwhile is next.

    It refers to no widget, which would be a circle: widgets in circles may be deleted on another thread.
    """

    def __init__(self, bridge: Bridge, question: Callable[[Subject], Answer]) -> None:
        self._bridge = bridge
        self._question = question
        self._subject: Subject | None = None
        self._waits = False

    def ask(self, subject: Subject, hear: Callable[[Subject, Answer | AppError], object]) -> None:
        """Ask, unless an answer is awaited or this was asked last."""
        if self._waits or subject == self._subject:
            return
        self._waits, self._subject = True, subject

        def answered(answer: Answer | AppError) -> None:
            self._waits = False
            hear(subject, answer)

        self._bridge.run(lambda: self._question(subject), answered, answered)
