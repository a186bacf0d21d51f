"""What a person is asked about an app or a web page of this computer that was refused."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton, QSystemTrayIcon

from tests.fakes.app import make_status
from tests.fakes.bridges import end_desktop, settle
from tests.fakes.gateways import get
from tests.fakes.languages import ENGLISH
from tests.ui.test_accessibility import by_tab, nameless, unreachable
from tests.ui.test_strangers import MARKUP, faults_of
from tray_app.app.root import App
from tray_app.engine.lifecycle import State
from tray_app.errors import ErrorCode, SettingsError
from tray_app.settings.schema import Settings
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths
from tray_app.system.ports import free_port
from tray_app.ui.bridge import Bridge
from tray_app.ui.desktop import Desktop
from tray_app.ui.pages.home import HomePage
from tray_app.ui.presenters.notices import Page
from tray_app.ui.presenters.origins import MOST_SHOWN, origin_question
from tray_app.ui.tray import Tray
from tray_app.ui.widgets.origin_card import OriginCard
from tray_app.ui.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from PySide6.QtGui import QAction
    from PySide6.QtWidgets import QApplication, QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.app.status import AppStatus
    from tray_app.ui.languages import Languages
    from tray_app.ui.presenters.origins import OriginQuestion

PAGE, OTHER = "app://obsidian.md", "http://localhost:3000"
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) obsidian/1.8.10 Chrome/132.0"}
LEAST_SCREEN = 1024
"""So wide, in pixels, is each screen that people use."""
DEADLINE_MS = 60_000


def asking(*origins: str, settings: Settings | None = None) -> AppStatus:
    return replace(make_status(State.READY, settings=settings), refused_origins=origins)


def question(*origins: str) -> OriginQuestion | None:
    return origin_question(asking(*origins), ENGLISH)


def enabled(card: OriginCard) -> list[bool]:
    return [card.allow_button.isEnabled(), card.refuse_button.isEnabled()]


def show(qtbot: QtBot, bridge: Bridge, fake: FakeApp, *origins: str) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(asking(*origins))


@pytest.fixture
def card(qtbot: QtBot) -> OriginCard:
    made = OriginCard()
    qtbot.addWidget(made)
    return made


@pytest.fixture
def window(qtbot: QtBot, bridge: Bridge) -> Window:
    made = Window(bridge)
    qtbot.addWidget(made)
    return made


@pytest.fixture
def desktop(qapp: QApplication, fake: FakeApp, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desktop]:
    """The app with a tray that no panel shows."""
    monkeypatch.setattr(QSystemTrayIcon, "isSystemTrayAvailable", lambda: True)
    made = Desktop(qapp, fake)
    made._look_for_tray()
    yield made
    end_desktop(made)


@pytest.fixture
def app(private_home: Path) -> Iterator[App]:
    assert private_home
    made = App(AppPaths.from_environment(os.environ), detect_host(), {"port": free_port(), "model": "test"})
    yield made
    made.close()


def entry(tray: Tray, label: str) -> QAction:
    return next(action for action in tray.menu.actions() if action.text() == label)


@pytest.mark.parametrize("allow", [True, False])
def test_an_answer_on_the_page_is_the_persons_wish(
    qtbot: QtBot, home_page: HomePage, bridge: Bridge, fake: FakeApp, *, allow: bool
) -> None:
    assert home_page.origin.isHidden()
    show(qtbot, bridge, fake, PAGE)
    assert home_page.origin.title.text() == "app://obsidian.md wants to use the server"

    button = home_page.origin.allow_button if allow else home_page.origin.refuse_button
    qtbot.waitUntil(button.isEnabled)
    button.click()
    qtbot.waitUntil(lambda: fake.calls == [("answer_origin", PAGE, allow)])
    assert enabled(home_page.origin) == [False, False]  # it has been answered
    show(qtbot, bridge, fake)
    assert home_page.origin.isHidden()


def test_an_answer_that_could_not_be_kept_is_told_and_can_be_given_again(
    qtbot: QtBot, home_page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    fake.refuse("answer_origin", SettingsError(ErrorCode.SETTINGS_NOT_SAVED, "The disk is full"))
    show(qtbot, bridge, fake, PAGE)
    qtbot.waitUntil(home_page.origin.allow_button.isEnabled)
    home_page.origin.allow_button.click()

    qtbot.waitUntil(lambda: home_page.card.accessibleName() == "The disk is full")
    assert enabled(home_page.origin) == [True, True]


@pytest.mark.usefixtures("qapp")
def test_a_question_that_has_just_come_up_takes_no_answer_yet(qtbot: QtBot, card: OriginCard) -> None:
    """It may have come up under a click that was meant for something else."""
    answers: list[tuple[str, bool]] = []
    card.answered.connect(lambda *answer: answers.append(answer))
    card.show_question(question(PAGE, OTHER))
    card.allow_button.click()
    assert answers == []

    qtbot.waitUntil(lambda: enabled(card) == [True, True])
    card.show_question(question(PAGE))  # the same, of which there is less to say
    assert enabled(card) == [True, True]
    card.allow_button.click()
    card.show_question(question(OTHER))
    card.allow_button.click()  # the second one of a double click
    assert answers == [(PAGE, True)]

    qtbot.waitUntil(lambda: enabled(card) == [True, True])
    card.hide()
    card.show()  # as when the window is opened
    card.allow_button.click()
    assert answers == [(PAGE, True)]


def test_every_control_has_a_name_and_its_place_in_the_order(
    qtbot: QtBot, window: Window, bridge: Bridge, fake: FakeApp
) -> None:
    window.open(Page.HOME)
    show(qtbot, bridge, fake, PAGE)
    page = window.page(Page.HOME)
    assert isinstance(page, HomePage)
    qtbot.waitUntil(page.origin.allow_button.isEnabled)

    assert nameless(window) == []
    assert unreachable(window) == []
    assert by_tab(page.server.chat_button, page.engines.rows[""].unload_button) == [
        "Open C&hat",
        f"Allow {PAGE}",
        f"Refuse {PAGE}",
        "Unload Bamboo 7B Q4_0",
    ]
    assert page.origin.accessibleName() == "app://obsidian.md wants to use the server"
    assert page.origin.accessibleDescription() == page.origin.text.text()


def test_the_keyboard_goes_on_at_the_next_question(
    qtbot: QtBot, window: Window, bridge: Bridge, fake: FakeApp
) -> None:
    show(qtbot, bridge, fake, PAGE, OTHER)
    window.open_question()
    page = window.page(Page.HOME)
    assert isinstance(page, HomePage)
    assert window.focusWidget() is page.origin.title  # and no button, which a key could press unread

    qtbot.waitUntil(page.origin.refuse_button.isEnabled)
    page.origin.refuse_button.setFocus()
    QTest.keyClick(page.origin.refuse_button, Qt.Key.Key_Space)
    assert window.focusWidget() is page.origin.title
    show(qtbot, bridge, fake, OTHER)
    assert page.origin.title.text() == "http://localhost:3000 wants to use the server"
    qtbot.waitUntil(lambda: fake.calls == [("answer_origin", PAGE, False)])


@pytest.mark.usefixtures("qapp")
def test_no_name_is_taken_for_markup_or_a_mnemonic(card: OriginCard) -> None:
    card.show_question(question(f"app://{MARKUP}&_x"))
    assert faults_of(card) == []

    tray = Tray(asking("app://a&b_c"), template=False, over_dbus=False)
    assert entry(tray, "app://a&&b_c wants to use the server…").isVisible()
    over_dbus = Tray(asking("app://a&b_c"), template=False, over_dbus=True)
    assert entry(over_dbus, "app://a\N{FULLWIDTH AMPERSAND}b__c wants to use the server…").isVisible()


def test_the_entry_of_the_menu_opens_the_question_and_nothing_opens_by_itself(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    tray = desktop.tray
    assert tray
    told: list[str] = []
    monkeypatch.setattr(tray.icon, "showMessage", lambda title, *_: told.append(title))
    show(qtbot, desktop.bridge, fake)
    before = [action.text() for action in tray.menu.actions() if action.isVisible()]
    desktop.window.open(Page.LOGS)
    desktop.window.hide()

    show(qtbot, desktop.bridge, fake, PAGE, OTHER)
    assert not desktop.window.isVisible()
    assert told == ["app://obsidian.md wants to use the server"]
    visible = [action.text() for action in tray.menu.actions() if action.isVisible()]
    assert visible[1] == "app://obsidian.md wants to use the server…"

    entry(tray, visible[1]).trigger()
    assert desktop.window.isVisible()
    assert desktop.window.current() is Page.HOME

    show(qtbot, desktop.bridge, fake)
    after = [action.text() for action in tray.menu.actions() if action.isVisible()]
    assert len(after) == len(before)
    settle(qtbot, desktop.bridge)


def test_who_wants_no_notices_finds_the_question_in_the_menu_alone(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    tray = desktop.tray
    assert tray
    monkeypatch.setattr(tray, "notify", lambda notice: pytest.fail(f"{notice} was shown"))
    with qtbot.waitSignal(desktop.bridge.status_changed):
        fake.show(asking(PAGE, settings=Settings(model="bamboo", notices=False)))

    assert entry(tray, "app://obsidian.md wants to use the server…").isVisible()
    settle(qtbot, desktop.bridge)


@pytest.mark.parametrize("language", ["en", "fr", "ja"])
def test_pictures_of_the_question(
    qtbot: QtBot,
    bridge: Bridge,
    fake: FakeApp,
    languages: Languages,
    photograph: Callable[[QWidget, str], None],
    language: str,
) -> None:
    languages.use(language)
    window = Window(bridge)
    qtbot.addWidget(window)
    window.open(Page.HOME)
    show(qtbot, bridge, fake, f"app://{'w' * MOST_SHOWN}")
    assert window.minimumSizeHint().width() <= LEAST_SCREEN

    show(qtbot, bridge, fake, "vscode-webview://*", OTHER)
    page = window.page(Page.HOME)
    assert isinstance(page, HomePage)
    qtbot.waitUntil(lambda: all(button.isEnabled() for button in page.origin.findChildren(QPushButton)))
    photograph(window, f"question-{language}")


def test_a_page_that_was_refused_is_let_in_by_a_click(qtbot: QtBot, qapp: object, app: App) -> None:
    """With the real app: a request is refused, a person is asked, and the same request works."""
    assert qapp
    bridge = Bridge(app)
    page = HomePage(bridge)
    qtbot.addWidget(page)
    page.show()
    tray = Tray(bridge.status, template=False, over_dbus=False)
    bridge.status_changed.connect(tray.show_status)
    app.start_server()
    base_url, _ = app._server.access()

    def asks(origin: str) -> int:
        return get(f"{base_url}/models", Origin=origin, **BROWSER).status_code

    def visible() -> list[str]:
        return [action.text() for action in tray.menu.actions() if action.isVisible()]

    assert [asks(PAGE), asks(OTHER)] == [403, 403]
    qtbot.waitUntil(lambda: f"{PAGE} wants to use the server…" in visible(), timeout=DEADLINE_MS)
    qtbot.waitUntil(page.origin.allow_button.isEnabled, timeout=DEADLINE_MS)
    page.origin.allow_button.click()
    qtbot.waitUntil(lambda: f"{OTHER} wants to use the server…" in visible(), timeout=DEADLINE_MS)
    qtbot.waitUntil(page.origin.refuse_button.isEnabled, timeout=DEADLINE_MS)
    page.origin.refuse_button.click()
    qtbot.waitUntil(page.origin.isHidden, timeout=DEADLINE_MS)

    assert [asks(PAGE), asks(OTHER)] == [200, 403]
    assert not any("wants to use" in text for text in visible())
    assert app.store.current.allowed_origins == (PAGE,)
    assert app.store.current.refused_origins == (OTHER,)
    bridge.close(timeout_s=60)
