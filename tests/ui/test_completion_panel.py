from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from tests.fakes.app import make_status
from tests.fakes.bridges import settle
from tray_app.engine.lifecycle import State
from tray_app.errors import ErrorCode, GatewayError
from tray_app.settings.schema import Settings
from tray_app.ui.pages.completion import CompletionPanel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.ui.bridge import Bridge


@pytest.fixture
def panel(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> CompletionPanel:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY, settings=Settings(model="bamboo", temperature=0.25)))
    made = CompletionPanel(bridge)
    qtbot.addWidget(made)
    return made


def test_the_answer_is_shown_piece_by_piece(qtbot: QtBot, panel: CompletionPanel, fake: FakeApp) -> None:
    panel.prompt.setPlainText("The fox jumps")
    panel.tokens.setValue(16)
    shown: list[str] = []
    panel.answer.textChanged.connect(lambda: shown.append(panel.answer.toPlainText()))

    panel.go_button.click()
    qtbot.waitUntil(panel.go_button.isEnabled)

    assert fake.calls == [("complete", "The fox jumps", 16)]
    assert shown[-4:] == ["over ", "over the ", "over the lazy ", "over the lazy dog."]
    assert panel.temperature.text() == "Temperature 0.25"


def test_stop_works_at_once_keeps_what_is_there_and_ends_the_answer(
    qtbot: QtBot, bridge: Bridge, panel: CompletionPanel, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, ended = threading.Event(), threading.Event()

    def complete(_prompt: str, _tokens: int, cancelled: threading.Event) -> Iterator[str]:
        yield "first"
        go_on.wait(10)
        yield "second"  # what was on its way when it was stopped
        if cancelled.is_set():
            ended.set()

    monkeypatch.setattr(fake, "complete", complete)
    panel.show()
    panel.go_button.click()
    qtbot.waitUntil(lambda: panel.answer.toPlainText() == "first")

    with qtbot.waitActive(panel):
        panel.activateWindow()
    QTest.keyClick(panel.prompt, Qt.Key.Key_Escape)

    assert panel.go_button.isEnabled()
    go_on.set()
    assert ended.wait(10)
    settle(qtbot, bridge)
    assert panel.answer.toPlainText() == "first"


def test_another_language_keeps_the_answer_that_is_on_its_way(
    qtbot: QtBot, bridge: Bridge, panel: CompletionPanel, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, said = threading.Event(), threading.Event()

    def complete(_prompt: str, _tokens: int, _cancelled: threading.Event) -> Iterator[str]:
        yield "first"
        yield " second"  # it waits for the window, where the first was shown
        said.set()
        go_on.wait(10)
        yield " third"

    monkeypatch.setattr(fake, "complete", complete)
    panel.go_button.click()
    assert said.wait(10)
    anew = [panel, CompletionPanel(bridge), CompletionPanel(bridge)]
    for before, after in itertools.pairwise(anew):
        qtbot.addWidget(after)
        after.take_over(before)
    last = anew[-1]
    assert not last.stop_button.isHidden()
    go_on.set()
    settle(qtbot, bridge)

    assert last.answer.toPlainText() == "first second third"
    assert last.go_button.isEnabled()


def test_ctrl_enter_goes_on(qtbot: QtBot, panel: CompletionPanel, fake: FakeApp) -> None:
    panel.show()
    with qtbot.waitActive(panel):
        panel.activateWindow()
    QTest.keyClick(panel.prompt, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)

    qtbot.waitUntil(lambda: len(fake.calls) == 1 and panel.go_button.isEnabled())


def test_a_failure_is_explained_in_place(qtbot: QtBot, panel: CompletionPanel, fake: FakeApp) -> None:
    fake.refuse(
        "complete",
        GatewayError(ErrorCode.ANSWER_BROKE_OFF, "The answer was interrupted", "The engine ended."),
    )

    panel.go_button.click()

    qtbot.waitUntil(lambda: panel.card.accessibleName() == "The answer was interrupted")
    assert panel.go_button.isEnabled()


def test_pictures_of_the_panel(
    qtbot: QtBot, panel: CompletionPanel, photograph: Callable[[QWidget, str], None]
) -> None:
    panel.resize(700, 520)
    panel.show()
    panel.go_button.click()
    qtbot.waitUntil(lambda: panel.answer.toPlainText().endswith("dog.") and panel.go_button.isEnabled())
    photograph(panel, "completion")
