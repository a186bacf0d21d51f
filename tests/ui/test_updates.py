"""New versions of the app in the window: the question, the news, what is done about it."""

from __future__ import annotations

import errno
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QTextTable
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox, QSystemTrayIcon

from tests.fakes.app import make_progress, make_status
from tests.fakes.bridges import end_desktop, settle
from tests.fakes.languages import ENGLISH
from tests.ui.test_accessibility import by_tab, nameless, unreachable
from tray_app import __version__
from tray_app.app.release import Release
from tray_app.app.updates import UpdateStatus
from tray_app.download.disk_errors import disk_fault
from tray_app.download.faults import broken_transfer
from tray_app.download.progress import Phase
from tray_app.download.refusals import refusal
from tray_app.download.size_limits import DiskRoom, NoRoomError
from tray_app.engine.lifecycle import State
from tray_app.errors import DownloadError, ErrorCode
from tray_app.ui.desktop import Desktop
from tray_app.ui.dialogs.what_is_new import WhatIsNewDialog
from tray_app.ui.pages.home import HomePage
from tray_app.ui.presenters.menu import Command, menu_entries
from tray_app.ui.presenters.notices import Page, notices
from tray_app.ui.presenters.updates import UpdateAction, update_card
from tray_app.ui.widgets.markdown import TextView
from tray_app.ui.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from PySide6.QtWidgets import QApplication, QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.app.status import AppStatus
    from tray_app.ui.bridge import Bridge

NOTES = """\
## What is new

- Embeddings are **twice as fast** on processors with AVX-512.
- The page *Home* shows new versions, see [the guide](https://example.org/guide).

| System | Package |
| --- | --- |
| Debian, Ubuntu | `.deb` |
"""
PAGE = "https://github.com/owner/name/releases/tag/v1.2.0"
NEWER = Release("1.2.0", NOTES, PAGE)
PACKAGE = "powerinfer-tray_1.2.0_amd64.deb"
UNTRUSTED = DownloadError(
    ErrorCode.UPDATE_NOT_SIGNED, "It cannot be trusted", "Not by us.", "Do not install."
)


def telling(
    newer: Release | None = NEWER, *, state: State = State.READY, fetches: bool = False, **changes: object
) -> AppStatus:
    updates = replace(UpdateStatus(newer=newer, fetches=fetches), **changes)  # type: ignore[arg-type]
    return replace(make_status(state), updates=updates)


ASKING = telling(None, asks=True)


def show(qtbot: QtBot, bridge: Bridge, fake: FakeApp, status: AppStatus) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(status)


def actions(status: AppStatus) -> tuple[object, ...]:
    card = update_card(status, ENGLISH)
    return card.actions if card else ()


@pytest.mark.parametrize("wanted", [True, False])
def test_the_answer_to_the_question_is_the_persons_wish(
    qtbot: QtBot, home_page: HomePage, bridge: Bridge, fake: FakeApp, *, wanted: bool
) -> None:
    show(qtbot, bridge, fake, ASKING)
    assert home_page.version.isVisible()
    assert "sends only the version that you have" in home_page.version.text.text()

    home_page.version.buttons[UpdateAction.TELL if wanted else UpdateAction.REFUSE].click()

    qtbot.waitUntil(lambda: ("answer_update_question", wanted) in fake.calls)
    show(qtbot, bridge, fake, make_status(State.READY))
    assert not home_page.version.isVisible()


def test_an_answer_does_not_lead_the_keyboard_to_a_button_elsewhere(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp
) -> None:
    show(qtbot, bridge, fake, ASKING)
    window = Window(bridge)
    qtbot.addWidget(window)
    window.open(Page.HOME)
    qtbot.waitUntil(window.isActiveWindow)
    home = window.page(Page.HOME)
    assert isinstance(home, HomePage)
    home.version.buttons[UpdateAction.REFUSE].setFocus()

    show(qtbot, bridge, fake, make_status(State.READY))

    assert window.focusWidget() is None
    QTest.keyClick(window, Qt.Key.Key_Tab)
    assert window.focusWidget() is window.page_list


def test_nobody_is_asked_before_there_is_a_model() -> None:
    assert actions(ASKING)
    assert not actions(replace(make_status(model_name=None), updates=UpdateStatus(asks=True)))
    assert not actions(make_status())


def test_a_check_that_began_in_another_language_is_shown_and_so_is_why_it_failed(
    qtbot: QtBot, home_page: HomePage, bridge: Bridge, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = Event()

    def check() -> None:
        go_on.wait(20)
        raise UNTRUSTED

    monkeypatch.setattr(fake.updates, "download", check)
    show(qtbot, bridge, fake, telling(fetches=True))
    home_page.version.buttons[UpdateAction.DOWNLOAD].click()
    new = HomePage(bridge)
    qtbot.addWidget(new)
    new.show()

    new.take_over(home_page)
    assert new.version.note.text() == "Checking the signature …"
    go_on.set()
    settle(qtbot, bridge)

    assert new.card.accessibleName() == "It cannot be trusted"
    assert UpdateAction.DOWNLOAD in new.version.buttons


def test_a_new_version_is_told_with_its_page(
    qtbot: QtBot, home_page: HomePage, bridge: Bridge, fake: FakeApp, outside: list[QUrl]
) -> None:
    show(qtbot, bridge, fake, telling())
    card = home_page.version
    assert card.title.text() == "Version 1.2.0 is available"
    assert f"You have version {__version__}." in card.text.text()
    assert [button.text() for button in card.buttons.values()] == [
        "What Is New",
        "Download",
        "Skip This Version",
    ]

    card.buttons[UpdateAction.DOWNLOAD].click()
    assert outside == [QUrl(PAGE)]
    card.buttons[UpdateAction.SKIP].click()

    qtbot.waitUntil(lambda: ("skip_version",) in fake.calls)
    assert ("download_version",) not in fake.calls


def test_a_package_that_can_be_checked_is_fetched_by_the_app(
    qtbot: QtBot, home_page: HomePage, bridge: Bridge, fake: FakeApp, outside: list[QUrl]
) -> None:
    show(qtbot, bridge, fake, telling(fetches=True))
    assert "browser" not in home_page.version.text.text()

    home_page.version.buttons[UpdateAction.DOWNLOAD].click()
    assert home_page.version.note.text() == "Checking the signature …"
    assert not home_page.version.buttons

    qtbot.waitUntil(lambda: not home_page.updates.checking)
    assert ("download_version",) in fake.calls
    progress = make_progress(name=PACKAGE)
    show(qtbot, bridge, fake, telling(fetches=True, download=progress))
    assert home_page.version.title.text() == "Downloading version 1.2.0"
    assert home_page.version.bar.isVisible()
    home_page.version.buttons[UpdateAction.CANCEL].click()
    qtbot.waitUntil(lambda: ("cancel_version",) in fake.calls)
    show(qtbot, bridge, fake, telling(fetches=True, download=make_progress(Phase.DONE, name=PACKAGE)))
    assert PACKAGE in home_page.version.text.text()
    home_page.version.buttons[UpdateAction.REVEAL].click()

    assert outside == [QUrl.fromLocalFile(str(progress.path.parent))]


def test_what_is_not_signed_is_said_and_not_hidden_by_the_next_snapshot(
    qtbot: QtBot, home_page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    fake.refuse("download_version", UNTRUSTED)
    show(qtbot, bridge, fake, telling(fetches=True))

    home_page.version.buttons[UpdateAction.DOWNLOAD].click()
    qtbot.waitUntil(lambda: home_page.card.error is UNTRUSTED)

    show(qtbot, bridge, fake, telling(fetches=True, state=State.STOPPED))
    assert home_page.card.error is UNTRUSTED
    assert UpdateAction.DOWNLOAD in home_page.version.buttons


def test_a_download_that_failed_says_why_and_can_be_begun_again() -> None:
    failed = make_progress(Phase.FAILED, name=PACKAGE, error=UNTRUSTED)
    card = update_card(telling(fetches=True, download=failed), ENGLISH)
    assert card
    assert card.title == "The download of version 1.2.0 failed"
    assert "Not by us." in card.text
    assert UpdateAction.DOWNLOAD in card.actions


def no_room(folder: Path) -> DownloadError:
    with pytest.raises(NoRoomError) as told:
        DiskRoom(folder).require(1 << 60)
    return told.value


@pytest.mark.parametrize(
    "fault",
    [
        *(
            lambda folder, number=number: disk_fault(OSError(number, "no"), folder / PACKAGE)
            for number in (errno.ENOSPC, errno.EACCES, errno.EFBIG)
        ),
        no_room,
    ],
)
def test_a_folder_of_no_use_is_that_of_packages_and_not_that_of_models(
    tmp_path: Path, fault: Callable[[Path], DownloadError]
) -> None:
    error = fault(tmp_path)
    failed = make_progress(Phase.FAILED, name=PACKAGE, error=error)
    card = update_card(telling(fetches=True, download=failed), ENGLISH)
    assert card
    assert str(tmp_path) in card.text
    assert "your downloads folder, then choose Download." in card.text
    assert "models folder" not in card.text


def test_a_lost_connection_names_the_button_that_is_there() -> None:
    failed = make_progress(Phase.FAILED, name=PACKAGE, error=broken_transfer("It ended."))
    card = update_card(telling(fetches=True, download=failed), ENGLISH)
    assert card
    assert "It ended.\nWhat was downloaded is kept. Choose Download to continue." in card.text


def test_a_package_that_is_gone_is_not_blamed_on_what_the_person_has_typed() -> None:
    gone = refusal(404, "mirror.example", {})
    card = update_card(telling(download=make_progress(Phase.FAILED, name=PACKAGE, error=gone)), ENGLISH)
    assert card
    assert card.text.endswith("It may have been withdrawn. Try again tomorrow.")


def test_without_a_page_that_can_be_opened_there_is_nothing_to_download() -> None:
    assert actions(telling(replace_page(""))) == (UpdateAction.NEWS, UpdateAction.SKIP)


def replace_page(page: str) -> Release:
    return Release("1.2.0", NOTES, page)


def test_the_menu_has_it_only_while_there_is_one() -> None:
    assert menu_entries(telling(), None, ENGLISH)[Command.UPDATE].text == "&Version 1.2.0 is available…"
    assert menu_entries(telling(), None, ENGLISH)[Command.UPDATE].visible
    assert not menu_entries(ASKING, None, ENGLISH)[Command.UPDATE].visible


def test_it_is_a_notification_once_for_each_version() -> None:
    before = make_status(State.READY)
    (notice,) = notices(before, telling(), ENGLISH)
    assert (notice.title, notice.page) == ("Version 1.2.0 is available", Page.HOME)
    assert not notices(telling(), telling(Release("1.2.0", "Other words")), ENGLISH)
    assert not notices(telling(), before, ENGLISH)
    assert notices(telling(), telling(Release("1.3.0")), ENGLISH)


@pytest.fixture
def desktop(qapp: QApplication, fake: FakeApp, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desktop]:
    """The app with a tray that no panel shows."""
    monkeypatch.setattr(QSystemTrayIcon, "isSystemTrayAvailable", lambda: True)
    made = Desktop(qapp, fake)
    made._look_for_tray()
    yield made
    end_desktop(made)


def test_the_entry_of_the_menu_opens_the_page_home(qtbot: QtBot, desktop: Desktop, fake: FakeApp) -> None:
    assert desktop.tray
    with qtbot.waitSignal(desktop.bridge.status_changed):
        fake.show(telling())
    (entry,) = (each for each in desktop.tray.menu.actions() if each.isVisible() and "1.2.0" in each.text())
    desktop.window.page_list.setCurrentRow(3)

    entry.trigger()

    assert desktop.window.isVisible()
    assert desktop.window.page(Page.HOME).isVisible()
    settle(qtbot, desktop.bridge)


def test_a_table_that_follows_a_quotation_begins_as_every_other(qtbot: QtBot) -> None:
    table = "| Part | Size |\n|---|---|\n| Windows | 96 MB |\n"
    view = TextView()
    qtbot.addWidget(view)

    heights = []
    for before in ("Text", "> Quotation", "```\ncode\n```"):
        view.show_markdown(f"{before}\n\n{table}")
        (shown,) = view.document().rootFrame().childFrames()
        assert isinstance(shown, QTextTable)
        cell = shown.cellAt(0, 0)
        assert cell.firstCursorPosition().block() == cell.lastCursorPosition().block()
        assert [shown.cellAt(0, column).firstCursorPosition().block().text() for column in (0, 1)] == [
            "Part",
            "Size",
        ]
        view.document().setTextWidth(400)
        heights.append(view.document().documentLayout().frameBoundingRect(shown).height())
    assert len(set(heights)) == 1


def what_is_new(page: HomePage, notes: str) -> WhatIsNewDialog:
    dialog = WhatIsNewDialog(Release("1.2.0", notes, PAGE), page)
    dialog.show()
    return dialog


@pytest.mark.parametrize(
    ("link", "asked"),
    [
        ("https://example.org/", True),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("vbscript:x", False),
        ("\\\\host\\share\\x.exe", False),
        ("data:text/html,x", False),
    ],
)
def test_a_link_is_opened_only_if_it_leads_to_a_page_and_the_person_agrees(
    home_page: HomePage, outside: list[QUrl], link: str, *, asked: bool
) -> None:
    dialog = what_is_new(home_page, f"[click]({link})")

    dialog.notes.text.link_clicked.emit(link)

    (box,) = dialog.findChildren(QMessageBox)
    labels = [button.text() for button in box.buttons()]
    assert ("&Open Link" in labels) is asked
    assert not outside
    box.close()


def test_a_strangers_text_loads_nothing_and_runs_nothing(home_page: HomePage, outside: list[QUrl]) -> None:
    notes = (
        "# Hello\n<img src='http://tracker.example/x.png'><script>alert(1)</script>\n\n"
        "![a](http://tracker.example/y.png)\n\n<b>bold</b> \x1b[31m"
    )
    dialog = what_is_new(home_page, notes)

    shown = dialog.notes.text.toPlainText()

    assert "[Picture: a]" in shown
    assert "<script>" in shown
    assert "<b>bold</b>" in shown
    assert not outside


@pytest.mark.parametrize(
    "notes", ["a" * 20_000, "# a\n" * 5000, "|a" * 10_000, "[](" * 7000, ">" * 20_000, ""]
)
def test_a_text_without_end_is_a_text(home_page: HomePage, notes: str) -> None:
    dialog = what_is_new(home_page, notes)
    assert dialog.notes.text.minimumHeight() >= dialog.fontMetrics().height()
    assert dialog.notes.text.width() <= dialog.width()


def test_the_page_is_opened_from_the_news(
    qtbot: QtBot, home_page: HomePage, bridge: Bridge, fake: FakeApp, outside: list[QUrl]
) -> None:
    show(qtbot, bridge, fake, telling())
    home_page.version.buttons[UpdateAction.NEWS].click()
    dialog = home_page.updates.dialog
    assert dialog
    assert "twice as fast" in dialog.notes.text.toPlainText()

    dialog.page_button.click()

    assert outside == [QUrl(PAGE)]
    dialog.reject()


def test_all_of_it_has_names_and_can_be_reached_by_the_keyboard(
    qtbot: QtBot, home_page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    for status in (ASKING, telling()):
        show(qtbot, bridge, fake, status)
        assert not nameless(home_page)
        assert not unreachable(home_page)
        buttons = list(home_page.version.buttons.values())
        assert by_tab(buttons[0], buttons[-1]) == [each.accessibleName() for each in buttons]


@pytest.mark.parametrize(
    "status", [ASKING, telling(), telling(fetches=True)], ids=["asks", "tells", "fetches"]
)
def test_pictures_for_people_to_look_at(
    qtbot: QtBot,
    bridge: Bridge,
    fake: FakeApp,
    photograph: Callable[[QWidget, str], None],
    request: pytest.FixtureRequest,
    status: AppStatus,
) -> None:
    window = Window(bridge)
    qtbot.addWidget(window)
    window.open(Page.HOME)
    show(qtbot, bridge, fake, status)
    home = window.page(Page.HOME)
    assert isinstance(home, HomePage)
    assert home.version.isVisible()
    photograph(
        window, f"updates-{request.node.callspec.id.replace('light', '').replace('dark', '').strip('-')}"
    )
    if status.updates.newer:
        dialog = WhatIsNewDialog(status.updates.newer, window)
        dialog.show()
        photograph(dialog, "updates-what-is-new")
        dialog.reject()
