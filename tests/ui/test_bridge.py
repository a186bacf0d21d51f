from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QObject, Signal
from shiboken6 import delete

from tests.fakes.app import make_status
from tests.fakes.bridges import settle
from tray_app.engine.lifecycle import State
from tray_app.errors import AppError, EngineError, ErrorCode
from tray_app.ui.bridge import Bridge

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.app.status import AppStatus


def test_a_snapshot_from_any_thread_arrives_on_the_gui_thread(
    qtbot: QtBot, fake: FakeApp, bridge: Bridge
) -> None:
    threads: list[threading.Thread] = []
    bridge.status_changed.connect(lambda _: threads.append(threading.current_thread()))
    ready = make_status(State.READY)

    with qtbot.waitSignal(bridge.status_changed) as arrived:
        other = threading.Thread(target=fake.show, args=(ready,))
        other.start()
        other.join()

    assert arrived.args == [ready]
    assert bridge.status is ready
    assert threads == [threading.current_thread()]


def test_of_many_snapshots_only_the_last_is_shown(qtbot: QtBot, fake: FakeApp, bridge: Bridge) -> None:
    shown: list[AppStatus] = []
    bridge.status_changed.connect(shown.append)

    with qtbot.waitSignal(bridge.status_changed):
        for _ in range(100):
            fake.show(make_status(State.LOADING))
        last = make_status(State.READY)
        fake.show(last)

    assert shown == [last]


def test_an_operation_runs_elsewhere_and_its_value_comes_back(qtbot: QtBot, bridge: Bridge) -> None:
    places: list[threading.Thread] = []
    values: list[tuple[int, threading.Thread]] = []

    def operation() -> int:
        places.append(threading.current_thread())
        return 42

    bridge.run(operation, lambda value: values.append((value, threading.current_thread())), _unexpected)
    qtbot.waitUntil(lambda: bool(values))

    assert values == [(42, threading.current_thread())]
    assert places != [threading.current_thread()]


def test_an_error_for_people_comes_back_as_it_is(qtbot: QtBot, bridge: Bridge) -> None:
    error, errors = EngineError(ErrorCode.LLAMA_CPP_NOT_FOUND, "No engine"), list[AppError]()

    def operation() -> None:
        raise error

    bridge.run(operation, _unexpected, errors.append)
    qtbot.waitUntil(lambda: bool(errors))

    assert errors == [error]


@pytest.mark.warns("An operation of the user interface failed")
def test_a_defect_is_told_and_logged(qtbot: QtBot, bridge: Bridge, caplog: pytest.LogCaptureFixture) -> None:
    errors: list[AppError] = []

    bridge.run(lambda: 1 / 0, _unexpected, errors.append)
    qtbot.waitUntil(lambda: bool(errors))

    assert "ZeroDivisionError" in errors[0].message
    assert "Traceback" in caplog.text


def test_an_abandoned_operation_is_not_heard_of(qtbot: QtBot, bridge: Bridge) -> None:
    go_on = threading.Event()
    heard: list[str] = []

    abandon = bridge.run(lambda: go_on.wait(10), _unexpected, _unexpected)
    abandon()
    go_on.set()
    bridge.run(lambda: "next", heard.append, _unexpected)

    settle(qtbot, bridge)
    assert heard == ["next"]


def test_what_comes_afterwards_waits_for_what_an_operation_begins(qtbot: QtBot, bridge: Bridge) -> None:
    happened: list[str] = []

    def begin_another(value: str) -> None:
        happened.append(value)
        bridge.run(lambda: "another", happened.append, lambda error: pytest.fail(str(error)))

    bridge.run(lambda: "one", begin_another, lambda error: pytest.fail(str(error)))
    bridge.afterwards(lambda: happened.append("afterwards"))

    qtbot.waitUntil(lambda: "afterwards" in happened)
    assert happened == ["one", "another", "afterwards"]


def test_what_has_been_deleted_is_told_nothing(qtbot: QtBot, bridge: Bridge) -> None:
    heard: list[int] = []

    class Listener(QObject):
        told = Signal(int)

        def hear(self, value: int) -> None:
            heard.append(value)
            self.told.emit(value)

    listener = Listener()
    bridge.run(lambda: 42, listener.hear, lambda error: pytest.fail(str(error)))
    delete(listener)
    settle(qtbot, bridge)

    assert heard == []


def test_a_closed_bridge_delivers_nothing(qapp: QApplication, fake: FakeApp) -> None:
    bridge = Bridge(fake)
    shown: list[AppStatus] = []
    bridge.status_changed.connect(shown.append)
    fake.show(make_status(State.READY))  # on its way when the bridge closes
    bridge.close(timeout_s=5)

    fake.show(make_status(State.READY))
    qapp.processEvents()

    assert shown == []


def test_an_error_with_a_cause_lets_go_of_whoever_met_it(qtbot: QtBot, bridge: Bridge) -> None:
    class Worker:
        def work(self) -> None:
            try:
                int("x")
            except ValueError as exc:
                raise EngineError(ErrorCode.LLAMA_CPP_NOT_FOUND, "No engine") from exc

    errors: list[AppError] = []
    worker = Worker()
    gone = weakref.ref(worker)
    bridge.run(worker.work, _unexpected, errors.append)
    del worker
    qtbot.waitUntil(lambda: bool(errors))

    assert gone() is None


def test_a_closed_bridge_lets_go_of_whoever_waits_for_an_operation(
    qtbot: QtBot, qapp: QApplication, fake: FakeApp
) -> None:
    class Waiter:
        def hear(self, value: object) -> None:
            raise AssertionError(value)

    bridge = Bridge(fake)
    waiter = Waiter()
    gone = weakref.ref(waiter)
    with qtbot.captureExceptions() as raised:
        bridge.run(lambda: "done", waiter.hear, waiter.hear)
        del waiter
        bridge.close(timeout_s=5)
        assert gone() is None
        qapp.processEvents()  # which may have the outcome still

    assert not raised


def _unexpected(value: object) -> None:
    raise AssertionError(value)
