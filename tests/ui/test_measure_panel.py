from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

import pytest

from tests.fakes.app import FakeApp, make_status
from tests.fakes.bridges import settle
from tray_app.engine.lifecycle import State
from tray_app.errors import ErrorCode, GatewayError
from tray_app.ui.pages.measure import MeasurePanel
from tray_app.ui.presenters.measurement import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tray_app.gateway.public_client import Embeddings
    from tray_app.ui.bridge import Bridge


@pytest.fixture
def panel(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> MeasurePanel:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY))
    made = MeasurePanel(bridge)
    qtbot.addWidget(made)
    return made


def measure(qtbot: QtBot, panel: MeasurePanel) -> None:
    panel.measure_button.click()
    qtbot.waitUntil(panel.measure_button.isEnabled)


def test_as_many_requests_are_sent_as_were_asked_for(
    qtbot: QtBot, panel: MeasurePanel, fake: FakeApp
) -> None:
    panel.requests.setValue(30)
    panel.text.setText("hello")

    measure(qtbot, panel)

    assert fake.calls == [("embed", ("hello",))] * 30
    assert panel.summary.text().startswith("30 requests · p50 3.5 ms · p95 3.5 ms · ")
    assert panel.job.bar.value() == 30
    assert panel.plot is not None
    assert panel.plot.accessibleDescription() == "30 requests from 3.5 to 3.5 ms"


def test_as_many_go_at_the_same_time_as_were_asked_for(
    qtbot: QtBot, panel: MeasurePanel, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(3, timeout=10)

    def embed_together(texts: Sequence[str]) -> Embeddings:
        together.wait()  # nobody passes before there are three
        return FakeApp.embed(fake, texts)

    monkeypatch.setattr(fake, "embed", embed_together)
    panel.requests.setValue(6)
    panel.at_once.setValue(3)

    measure(qtbot, panel)

    assert panel.summary.text().startswith("6 requests")


def test_a_measurement_that_is_cancelled_shows_what_there_is(
    qtbot: QtBot, panel: MeasurePanel, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def embed_and_cancel(texts: Sequence[str]) -> Embeddings:
        if len(fake.calls) == 4:
            panel.cancel()
        return FakeApp.embed(fake, texts)

    monkeypatch.setattr(fake, "embed", embed_and_cancel)
    panel.at_once.setValue(1)

    measure(qtbot, panel)

    assert panel.summary.text().startswith("5 requests")


def test_another_language_keeps_a_measurement_that_is_under_way(
    qtbot: QtBot, bridge: Bridge, panel: MeasurePanel, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def embed_slowly(texts: Sequence[str]) -> Embeddings:
        if len(fake.calls) == 4:
            go_on.wait(10)
        return FakeApp.embed(fake, texts)

    monkeypatch.setattr(fake, "embed", embed_slowly)
    panel.requests.setValue(30)
    panel.at_once.setValue(1)
    panel.measure_button.click()
    qtbot.waitUntil(lambda: panel.job.bar.value() == 4)
    new = MeasurePanel(bridge)
    qtbot.addWidget(new)

    new.take_over(panel)
    assert new.job.words.text() == "4 of 30 requests"
    go_on.set()
    settle(qtbot, bridge)

    assert new.summary.text().startswith("30 requests")
    assert new.measure_button.isEnabled()


def test_without_an_answer_nothing_of_the_last_measurement_is_left(qtbot: QtBot, panel: MeasurePanel) -> None:
    panel.show()
    measure(qtbot, panel)
    assert panel.plot is not None
    qtbot.waitUntil(panel.plot.isVisible)

    panel._show(Measurement((), 0.1))

    assert panel.summary.text() == "No request was answered."
    assert not panel.plot.isVisible()
    assert panel.picture_button.isHidden()


def test_the_histogram_is_saved_and_given_back_with_the_window(
    qtbot: QtBot, panel: MeasurePanel, tmp_path: Path
) -> None:
    panel.show()
    assert panel.picture_button.isHidden()
    measure(qtbot, panel)

    panel.save_picture(tmp_path / "latencies.svg")
    qtbot.waitUntil((tmp_path / "latencies.svg").exists)
    assert b"p95" in (tmp_path / "latencies.svg").read_bytes()

    plot = weakref.ref(panel.plot)
    panel.hide()
    qtbot.waitUntil(lambda: plot() is None)
    panel.show()
    assert panel.plot is not None


def test_a_request_that_fails_ends_it_and_is_explained(
    qtbot: QtBot, panel: MeasurePanel, fake: FakeApp
) -> None:
    fake.refuse("embed", GatewayError(ErrorCode.REQUEST_REFUSED, "The server refused the text"))

    measure(qtbot, panel)

    assert panel.card.accessibleName() == "The server refused the text"
    assert len(fake.calls) <= panel.at_once.value()


def test_a_server_that_does_not_run_cannot_be_measured(
    qtbot: QtBot, panel: MeasurePanel, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.STOPPED))

    assert not panel.measure_button.isEnabled()
    assert panel.server.words.text() == "The server must run first."


def test_pictures_of_the_panel(
    qtbot: QtBot, panel: MeasurePanel, photograph: Callable[[QWidget, str], None]
) -> None:
    panel.resize(700, 560)
    panel.show()
    panel._show(Measurement(tuple(3 + (n * 7919 % 100) ** 2 / 1500 for n in range(200)), 0.4))
    plot = panel.plot
    assert plot is not None
    qtbot.waitUntil(lambda: plot.isVisible() and plot.height() > 100)  # laid out
    photograph(panel, "measure")
