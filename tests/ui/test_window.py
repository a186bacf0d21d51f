from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton

from tests.fakes.app import make_progress, make_snapshot, make_status
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError, ErrorCode, SettingsError
from tray_app.ui.pages.chat import ChatPage
from tray_app.ui.pages.embeddings import EmbeddingsPage
from tray_app.ui.pages.home import HomePage
from tray_app.ui.pages.models import ModelsPage
from tray_app.ui.presenters.notices import Page
from tray_app.ui.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.ui.bridge import Bridge


@pytest.fixture
def window(qtbot: QtBot, bridge: Bridge) -> Window:
    made = Window(bridge)
    qtbot.addWidget(made)
    return made


def test_nothing_is_built_before_someone_looks(window: Window) -> None:
    assert window.built() == ()


def test_it_opens_on_home(window: Window) -> None:
    window.open()

    assert window.built() == (Page.HOME,)
    assert window.current() is Page.HOME


def test_who_looks_for_other_models_than_the_first_ones_comes_to_discover(
    qtbot: QtBot, window: Window, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(model_name=None))
    window.open()
    home = window.page(Page.HOME)
    assert isinstance(home, HomePage)
    qtbot.waitUntil(home.first_steps.isVisible)

    home.first_steps.discover_button.click()

    models = window.page(Page.MODELS)
    assert isinstance(models, ModelsPage)
    assert window.current() is Page.MODELS
    assert models.currentWidget() is models.discover


@pytest.mark.parametrize(("button", "page"), [("chat_button", Page.CHAT)])
def test_home_leads_to_what_the_loaded_model_is_for(
    qtbot: QtBot, window: Window, bridge: Bridge, fake: FakeApp, button: str, page: Page
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY))
    window.open()
    home = window.page(Page.HOME)
    assert isinstance(home, HomePage)

    getattr(home.server, button).click()

    assert window.current() is page


def test_it_comes_back_on_the_page_where_it_was_left(window: Window) -> None:
    window.open(Page.EMBEDDINGS)
    window.close()
    window.open()

    assert window.current() is Page.EMBEDDINGS


def test_pages_are_changed_by_the_keyboard(window: Window) -> None:
    window.open(Page.HOME)
    QTest.keyClick(window.page_list, Qt.Key.Key_Down)

    assert window.current() is Page.MODELS


def test_an_error_from_the_tray_is_shown_above_the_pages(window: Window) -> None:
    window.show_error(
        SettingsError(ErrorCode.SETTINGS_NOT_SAVED, "The settings could not be saved", "The disk is full.")
    )

    assert window.isVisible()
    assert window.message.accessibleName() == "The settings could not be saved"


def test_an_error_that_the_page_shows_already_is_not_shown_twice(
    qtbot: QtBot, window: Window, bridge: Bridge, fake: FakeApp
) -> None:
    failure = EngineError(ErrorCode.NOT_ENOUGH_MEMORY, "not enough memory")
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.FAILED, engine=make_snapshot(State.FAILED, failure=failure)))

    window.show_error(failure)

    assert window.message.isHidden()
    assert window.current() is Page.HOME


def test_settings_can_be_asked_for(qtbot: QtBot, window: Window) -> None:
    with qtbot.waitSignal(window.settings_wanted):
        window.settings_button.click()


@pytest.mark.parametrize("page", Page)
def test_no_mnemonic_is_used_twice_on_a_page(window: Window, page: Page) -> None:
    window.open(page)
    shown = window.page(page)
    together: list[QPushButton | QLabel] = [*shown.findChildren(QPushButton)]
    together += shown.findChildren(QLabel)
    # Those of another tab are out of reach; those that are hidden for a while are not.
    texts = [one.text() for one in together if _in_reach(one.parentWidget(), shown)]
    texts.append(window.settings_button.text())
    keys = [text[text.index("&") + 1].lower() for text in texts if "&" in text]

    assert len(keys) == len(set(keys)), keys


def _in_reach(parent: QWidget | None, page: QWidget) -> bool:
    return parent is None or parent.isVisibleTo(page)


def test_who_wants_a_chat_model_is_led_to_where_there_are_some(
    qtbot: QtBot, window: Window, bridge: Bridge, fake: FakeApp
) -> None:
    fake.library.models = ()
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY, model_name=None))
    window.open(Page.CHAT)
    chat = window.page(Page.CHAT)
    assert isinstance(chat, ChatPage)
    button = chat.chat.talk.greeting.models_button
    qtbot.waitUntil(button.isVisible)

    button.click()

    models = window.page(Page.MODELS)
    assert isinstance(models, ModelsPage)
    assert window.current() is Page.MODELS
    assert models.currentWidget() is models.discover


def test_pictures_of_the_window(
    qtbot: QtBot, window: Window, bridge: Bridge, fake: FakeApp, photograph: Callable[[QWidget, str], None]
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY, downloads=(make_progress(),)))
    window.open(Page.MODELS)
    page = window.page(Page.MODELS)
    qtbot.waitUntil(lambda: page.installed.table.model().rowCount() == 3)  # type: ignore[attr-defined]
    photograph(window, "window-download")

    window.open(Page.EMBEDDINGS)
    trial = window.page(Page.EMBEDDINGS)
    assert isinstance(trial, EmbeddingsPage)
    trial.setCurrentWidget(trial.compare)
    trial.compare.texts.setPlainText("The quick brown fox\nDer schnelle braune Fuchs\n素早い茶色の狐")
    trial.compare.embed()
    qtbot.waitUntil(lambda: trial.compare.results.isVisible() and trial.compare.results.tabs.y() > 0)
    photograph(window, "window-embedding")

    window.open(Page.MODELS)
    window.show_error(
        SettingsError(
            ErrorCode.SETTINGS_NOT_SAVED,
            "The settings could not be saved",
            "The disk is full.",
            "Free some space.",
        )
    )
    photograph(window, "window-error")
