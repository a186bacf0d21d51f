"""It is looked for what is newer once a week, if that is switched on, and never otherwise."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING

import pytest

from tray_app.app.weekly_look import WEEK_S, Look, WeeklyLook
from tray_app.download.faults import TransientError
from tray_app.errors import DownloadError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_S = 10


class Looks:
    """The looks of one `WeeklyLook`, at times that a test sets."""

    def __init__(self) -> None:
        self.on, self.now_s, self.last_s = True, 100 * WEEK_S, 0.0
        self.asked: queue.SimpleQueue[float] = queue.SimpleQueue()
        """When it was looked whether it is on: each turn of the thread once."""
        self.done: queue.SimpleQueue[float] = queue.SimpleQueue()
        self.error: Exception | None = None
        self.look = Look("models are", self._look, is_on=self._is_on, last_s=lambda: self.last_s)
        self.weekly = WeeklyLook(self.look, clock=lambda: self.now_s)

    def _is_on(self) -> bool:
        self.asked.put(self.now_s)
        return self.on

    def _look(self) -> None:
        self.done.put(self.now_s)
        if self.error:
            raise self.error
        self.last_s = self.now_s

    def turn(self) -> None:
        """Let the thread come round once more, and wait until it has asked."""
        self.weekly.wake()
        self.asked.get(timeout=WAIT_S)


@pytest.fixture
def looks() -> Iterator[Looks]:
    made = Looks()
    yield made
    made.weekly.close(WAIT_S)


def test_it_looks_at_the_start_and_a_week_later(looks: Looks) -> None:
    looks.weekly.start()
    assert looks.done.get(timeout=WAIT_S) == looks.now_s
    looks.asked.get(timeout=WAIT_S)

    looks.now_s += WEEK_S - 1
    looks.turn()
    looks.now_s += 1
    looks.turn()

    assert looks.done.get(timeout=WAIT_S) == looks.now_s
    assert looks.done.empty()


def test_a_clock_that_was_set_back_does_not_hold_it_up(looks: Looks) -> None:
    looks.last_s = looks.now_s + WEEK_S
    looks.weekly.start()

    assert looks.done.get(timeout=WAIT_S) == looks.now_s


def test_it_does_not_look_unless_it_is_switched_on(looks: Looks) -> None:
    looks.on = False
    looks.weekly.start()
    looks.asked.get(timeout=WAIT_S)
    looks.turn()
    assert looks.done.empty()

    looks.on = True
    looks.turn()
    assert looks.done.get(timeout=WAIT_S)


@pytest.mark.parametrize(
    "error",
    [
        DownloadError(ErrorCode.SOURCE_UNREACHABLE, "No", "net.", ""),
        pytest.param(
            OSError("x"), marks=pytest.mark.warns("Whether models are newer elsewhere cannot be told$")
        ),
    ],
)
def test_it_tries_again_after_a_failure(looks: Looks, error: Exception) -> None:
    looks.error = error
    looks.weekly.start()
    looks.done.get(timeout=WAIT_S)
    looks.asked.get(timeout=WAIT_S)

    looks.error = None
    looks.turn()

    assert looks.done.get(timeout=WAIT_S)


def test_a_server_that_counts_requests_is_not_asked_before_its_time(looks: Looks) -> None:
    looks.error = TransientError(ErrorCode.SOURCE_ASKED_TOO_OFTEN, "Too often", retry_after_s=900.0)
    looks.weekly.start()
    looks.done.get(timeout=WAIT_S)
    looks.asked.get(timeout=WAIT_S)

    looks.turn()
    looks.turn()  # by now the turn before has ended

    assert looks.done.empty()


def test_one_kind_of_look_does_not_wait_for_another_that_fails() -> None:
    first, second = Looks(), Looks()
    first.error = DownloadError(ErrorCode.SOURCE_UNREACHABLE, "No", "net.", "")
    weekly = WeeklyLook(first.look, second.look, clock=lambda: 100 * WEEK_S)
    weekly.start()
    try:
        assert second.done.get(timeout=WAIT_S)
        assert first.done.get(timeout=WAIT_S)
    finally:
        weekly.close(WAIT_S)
