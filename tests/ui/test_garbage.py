"""Python's garbage goes on the thread of the windows, whichever thread has made it."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, ClassVar

import pytest
from PySide6.QtCore import QObject

from tray_app.ui import garbage
from tray_app.ui.garbage import GarbageTimer, collect_if_due

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot


class Circle:
    """Refers to itself, so that only the collector ends it; says on which thread that was."""

    ended_on: ClassVar[list[threading.Thread]] = []

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        Circle.ended_on.append(threading.current_thread())


@pytest.fixture
def ended_on() -> Iterator[list[threading.Thread]]:
    """Where circles have ended."""
    gc.collect()
    Circle.ended_on.clear()
    yield Circle.ended_on
    Circle.ended_on.clear()


def make_garbage() -> None:
    for _ in range(10 * gc.get_threshold()[0]):
        Circle()


def test_what_other_threads_leave_is_collected_on_the_thread_of_the_windows(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, ended_on: list[threading.Thread]
) -> None:
    monkeypatch.setattr(garbage, "_LOOK_MS", 10)
    owner = QObject()
    gc.enable()
    timer = GarbageTimer(owner)
    worker = threading.Thread(target=make_garbage)
    worker.start()
    worker.join()

    assert ended_on == []
    qtbot.waitUntil(lambda: bool(ended_on))
    timer.stop()

    assert set(ended_on) == {threading.main_thread()}


def test_nothing_is_looked_through_before_enough_has_come_together(
    monkeypatch: pytest.MonkeyPatch, ended_on: list[threading.Thread]
) -> None:
    Circle()
    monkeypatch.setattr(gc, "get_count", lambda: (700, 10, 10))
    monkeypatch.setattr(gc, "get_threshold", lambda: (700, 10, 10))

    collect_if_due()

    assert ended_on == []


@pytest.mark.parametrize(("counts", "generation"), [((701, 0, 0), 0), ((701, 11, 0), 1), ((9, 0, 11), 2)])
def test_the_oldest_generation_that_is_due_is_collected(
    counts: tuple[int, int, int], generation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(gc, "get_count", lambda: counts)
        patched.setattr(gc, "get_threshold", lambda: (700, 10, 10))
        patched.setattr(gc, "collect", collected.append)

        collect_if_due()

    assert collected == [generation]
