from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from tests.fakes.app import make_progress, make_sleeping, make_snapshot, make_status
from tray_app.download.progress import Phase
from tray_app.engine.lifecycle import State
from tray_app.settings.schema import Settings
from tray_app.ui.icons import app_icon
from tray_app.ui.presenters.menu import Command, ModelChoice
from tray_app.ui.presenters.notices import Notice, Page
from tray_app.ui.tray import Tray

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtGui import QAction
    from pytestqt.qtbot import QtBot

    from tray_app.download.progress import Progress
    from tray_app.ui.look import Look

pytestmark = pytest.mark.usefixtures("qapp")


@pytest.fixture
def tray() -> Tray:
    return Tray(make_status(), template=False, over_dbus=False)


def labels(tray: Tray) -> list[str]:
    return [a.text().replace("&", "") for a in tray.menu.actions() if a.isVisible() and not a.isSeparator()]


def entry(tray: Tray, label: str) -> QAction:
    return next(a for a in all_entries(tray.menu) if a.text().replace("&", "") == label)


def all_entries(menu: QMenu) -> Iterator[QAction]:
    """The entries of a menu and of its submenus."""
    for action in menu.actions():
        yield action
        if isinstance(below := action.menu(), QMenu):
            yield from all_entries(below)


def submenu(tray: Tray, label: str) -> QMenu:
    found = entry(tray, label).menu()
    assert isinstance(found, QMenu)
    return found


def test_the_menu_begins_with_the_state_and_ends_with_quit(tray: Tray) -> None:
    assert labels(tray) == [
        "Stopped — Bamboo 7B Q4_0",
        "Open Chat",
        "Open Embeddings",
        "Open Window",
        "Start Server",
        "Models",
        "Settings…",
        "Launch at Login",
        "About",
        "Quit",
    ]


def test_a_ready_server_has_its_address_in_the_menu_to_be_copied(tray: Tray) -> None:
    tray.show_status(make_status(State.READY))

    assert labels(tray)[:2] == ["Ready — Bamboo 7B Q4_0", "Copy http://127.0.0.1:8080/v1"]
    assert labels(tray)[5:7] == ["Stop Server", "Restart Server"]


def test_a_download_has_its_line_and_its_pause(tray: Tray) -> None:
    tray.show_status(make_status(State.READY, downloads=(make_progress(),)))

    assert labels(tray)[1:3] == ["Downloading tiny.gguf — 43 % · 12.3 MB/s · 3 min left", "Pause Download"]


def test_a_paused_download_can_be_resumed_from_the_menu(tray: Tray) -> None:
    tray.show_status(make_status(downloads=(make_progress(Phase.PAUSED),)))

    assert labels(tray)[1:3] == ["tiny.gguf — Paused at 43 %", "Resume Download"]


@pytest.mark.parametrize(
    ("label", "command"),
    [
        ("Start Server", Command.START),
        ("More Models…", Command.MODELS),
        ("Open Chat", Command.CHAT),
        ("Open Embeddings", Command.EMBEDDINGS),
        ("Copy http://127.0.0.1:8080/v1", Command.COPY_URL),
        ("Open Window", Command.WINDOW),
        ("Settings…", Command.SETTINGS),
        ("Launch at Login", Command.LOGIN),
        ("About", Command.ABOUT),
        ("Quit", Command.QUIT),
    ],
)
def test_an_entry_says_what_was_chosen(qtbot: QtBot, tray: Tray, label: str, command: Command) -> None:
    tray.show_status(make_sleeping())  # which can be started, and has an address
    with qtbot.waitSignal(tray.chosen) as chosen:
        entry(tray, label).trigger()

    assert chosen.args == [command]


def test_each_loaded_model_has_a_tick_that_follows_the_model_and_not_the_click(
    qtbot: QtBot, tray: Tray
) -> None:
    bamboo = ModelChoice("Bamboo — chosen", "bamboo", loaded=True, hint="Unload this model")
    other = ModelChoice("R&D", "rd", loaded=False)
    tray.show_models((bamboo, other))
    menu = submenu(tray, "Models")
    assert [a.text() for a in menu.actions()] == ["Bamboo — chosen", "R&&D", "", "&More Models…"]
    assert ticks(menu) == [True, False]
    assert menu.actions()[0].toolTip() == "Unload this model"

    with qtbot.waitSignal(tray.model_picked) as picked:
        menu.actions()[1].trigger()
    assert picked.args == ["rd"]
    assert ticks(menu) == [True, False]

    first, second = menu.actions()[:2]
    tray.show_models((bamboo, ModelChoice("R&D — loading …", "rd", loaded=True)))
    assert menu.actions()[:2] == [first, second]  # a menu that is open stays as it is
    assert second.text() == "R&&D — loading …"
    assert ticks(menu) == [True, True]


def ticks(menu: QMenu) -> list[bool]:
    return [action.isChecked() for action in menu.actions() if action.isCheckable()]


def test_models_that_are_gone_leave_the_menu(tray: Tray) -> None:
    tray.show_models((ModelChoice("Bamboo", "bamboo", loaded=True),))
    tray.show_models(())

    assert [a.text() for a in submenu(tray, "Models").actions()] == ["", "&More Models…"]


@pytest.mark.parametrize("download", [None, make_progress(), make_progress(Phase.PAUSED)])
def test_every_mnemonic_is_used_once(tray: Tray, download: Progress | None) -> None:
    tray.show_status(make_status(State.READY, downloads=(download,) if download else ()))
    # Those that are hidden now are not hidden always.
    texts = [a.text() for a in tray.menu.actions() if "&" in a.text()]
    keys = [text[text.index("&") + 1].lower() for text in texts]
    assert len(keys) == len(set(keys)), texts


def test_an_ampersand_in_a_name_is_no_mnemonic(tray: Tray) -> None:
    tray.show_status(make_status(model_name="R&D"))

    assert tray.menu.actions()[0].text() == "Stopped — R&&D"


def test_an_underscore_in_a_name_is_no_mnemonic_of_a_panel() -> None:
    tray = Tray(make_status(model_name="R&D Q4_0"), template=False, over_dbus=True)

    assert tray.menu.actions()[0].text() == "Stopped — R\N{FULLWIDTH AMPERSAND}D Q4__0"


def test_launch_at_login_carries_a_tick_while_it_is_chosen(tray: Tray) -> None:
    tray.show_status(make_status(settings=Settings(launch_at_login=True)))

    assert entry(tray, "Launch at Login").isChecked()


def test_a_menu_that_is_about_to_be_read_says_so(qtbot: QtBot, tray: Tray) -> None:
    with qtbot.waitSignal(tray.opening):
        tray.menu.aboutToShow.emit()


def test_a_left_click_opens_the_window_but_for_macos(qtbot: QtBot, tray: Tray) -> None:
    click = QSystemTrayIcon.ActivationReason.Trigger

    with qtbot.waitSignal(tray.chosen) as chosen:
        tray.icon.activated.emit(click)
    assert chosen.args == [Command.WINDOW]

    mac = Tray(make_status(), template=True, over_dbus=False)
    with qtbot.assertNotEmitted(mac.chosen):
        mac.icon.activated.emit(click)


def test_the_icon_is_a_template_on_macos_alone(tray: Tray) -> None:
    assert not tray.icon.icon().isMask()
    assert Tray(make_status(), template=True, over_dbus=False).icon.icon().isMask()


def test_the_icon_is_drawn_anew_when_light_becomes_dark(qtbot: QtBot, worn: Look, tray: Tray) -> None:
    def picture() -> object:
        return tray.icon.icon().pixmap(22).toImage()

    light = picture()
    worn.wear(dark=True)
    qtbot.waitUntil(lambda: picture() != light)
    worn.wear(dark=False)
    qtbot.waitUntil(lambda: picture() == light)


def test_the_icon_is_not_sent_again_while_it_looks_the_same(tray: Tray) -> None:
    tray.show_status(make_status(downloads=(make_progress(received_bytes=2_012_400_000),)))
    before = tray.icon.icon().cacheKey()
    tray.show_status(make_status(downloads=(make_progress(received_bytes=2_012_400_001),)))

    assert tray.icon.icon().cacheKey() == before


def test_the_clock_ticks_only_while_a_model_loads(qtbot: QtBot, tray: Tray) -> None:
    assert not tray.clock.isActive()

    tray.show_status(make_status(State.LOADING, engine=make_snapshot(State.LOADING)))
    assert tray.clock.isActive()
    with qtbot.waitSignal(tray.clock.timeout):
        pass

    tray.show_status(make_status(State.READY))
    assert not tray.clock.isActive()


def test_a_notice_carries_the_icon_of_the_app(monkeypatch: pytest.MonkeyPatch, tray: Tray) -> None:
    shown: list[object] = []
    monkeypatch.setattr(tray.icon, "showMessage", lambda *notice: shown.extend(notice))

    tray.notify(Notice("Download finished", "tiny.gguf", Page.MODELS))

    assert shown[:2] == ["Download finished", "tiny.gguf"]
    assert isinstance(shown[2], QIcon)
    assert shown[2].pixmap(32).toImage() == app_icon().pixmap(32).toImage()


def test_a_click_on_a_notice_opens_the_page_that_explains_it(qtbot: QtBot, tray: Tray) -> None:
    tray.notify(Notice("Download finished", "tiny.gguf", Page.MODELS))

    with qtbot.waitSignal(tray.notice_clicked) as clicked:
        tray.icon.messageClicked.emit()

    assert clicked.args == [Page.MODELS]
