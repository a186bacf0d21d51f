from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QSystemTrayIcon

from tests.fakes.app import make_loaded, make_model, make_progress, make_status, with_engines
from tests.fakes.bridges import end_desktop, settle
from tray_app.download.progress import Phase
from tray_app.engine.lifecycle import State
from tray_app.errors import ErrorCode, SettingsError
from tray_app.settings.schema import Settings
from tray_app.ui.desktop import Desktop
from tray_app.ui.dialogs.about import about_box
from tray_app.ui.dialogs.import_files import ImportDialog
from tray_app.ui.pages.models import ModelsPage
from tray_app.ui.presenters.menu import Command
from tray_app.ui.presenters.notices import Page
from tray_app.ui.tray import Tray

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.app.status import AppStatus
    from tray_app.models.model import Contents


@pytest.fixture
def desktop(qapp: QApplication, fake: FakeApp) -> Iterator[Desktop]:
    """The app where there is no tray: the platform of these tests has none."""
    made = Desktop(qapp, fake)
    yield made
    end_desktop(made)
    qapp.setQuitOnLastWindowClosed(False)


def show(qtbot: QtBot, desktop: Desktop, fake: FakeApp, status: AppStatus) -> None:
    with qtbot.waitSignal(desktop.bridge.status_changed):
        fake.show(status)


def test_without_a_tray_the_window_opens_says_so_and_quits_when_closed(
    qtbot: QtBot, qapp: QApplication, desktop: Desktop
) -> None:
    desktop.start(background=False)

    qtbot.waitUntil(desktop.window.isVisible)
    assert desktop.window.message.accessibleName() == "This desktop shows no tray icons"
    assert qapp.quitOnLastWindowClosed()


def test_in_the_background_a_tray_is_waited_for_before_a_window_opens(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp
) -> None:
    desktop.start(background=True)

    qtbot.waitUntil(lambda: fake.quit_app is not None)  # the last thing that happens at a start
    assert not desktop.window.isVisible()
    assert desktop._look.isActive()


def test_a_second_start_brings_the_window_of_the_first_one_to_the_front(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp
) -> None:
    desktop.start(background=True)
    qtbot.waitUntil(lambda: fake.quit_app is not None)
    assert fake.show_window is not None

    other = threading.Thread(target=fake.show_window, args=("",))  # the control listener's
    other.start()
    other.join()

    qtbot.waitUntil(desktop.window.isVisible)


def test_what_a_second_start_was_asked_for_is_filled_in_and_not_fetched(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp
) -> None:
    desktop.start(background=True)

    desktop.show_window("hf:owner/repo/tiny.gguf")

    qtbot.waitUntil(desktop.window.isVisible)
    models = desktop.window.page(Page.MODELS)
    assert isinstance(models, ModelsPage)
    assert models.discover.field.text() == "hf:owner/repo/tiny.gguf"
    assert desktop.window.current() is Page.MODELS
    assert "download" not in {call[0] for call in fake.calls}


def test_a_file_that_a_second_start_was_asked_for_is_not_imported_unasked(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp
) -> None:
    desktop.start(background=True)

    desktop.show_window("/elsewhere/mine.gguf")

    qtbot.waitUntil(desktop.window.isVisible)
    models = desktop.window.page(Page.MODELS)
    assert isinstance(models, ModelsPage)
    assert isinstance(models.installed.controller.dialog, ImportDialog)
    assert "import" not in {call[0] for call in fake.calls}
    models.installed.controller.dialog.close()


def test_a_window_whose_screen_is_gone_comes_back(qtbot: QtBot, qapp: QApplication, desktop: Desktop) -> None:
    desktop.start(background=True)
    desktop.window.open()
    desktop.open_settings()
    windows = (desktop.window, desktop.dialog)
    screen = qapp.primaryScreen()
    for window in windows:
        assert window is not None
        window.move(5000, 5000)

    qapp.screenRemoved.emit(screen)

    qtbot.waitUntil(
        lambda: all(window and screen.availableGeometry().contains(window.pos()) for window in windows)
    )


def test_a_window_is_no_larger_than_its_screen(qapp: QApplication, desktop: Desktop) -> None:
    desktop.window.resize(5000, 5000)

    desktop.window.open()

    available = qapp.primaryScreen().availableGeometry()
    assert available.contains(desktop.window.geometry().size().width() - 1, 0)
    assert desktop.window.height() <= available.height()


def test_the_app_begins_with_what_the_settings_ask_for(qapp: QApplication, fake: FakeApp) -> None:
    desktop = Desktop(qapp, fake)
    desktop.start(background=True)

    fake.wait_for_call("begin")
    end_desktop(desktop)


def test_without_a_tray_the_end_of_a_download_is_told_in_the_window(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp
) -> None:
    show(qtbot, desktop, fake, make_status(downloads=(make_progress(),)))
    show(qtbot, desktop, fake, make_status(downloads=(make_progress(Phase.DONE),)))

    assert desktop.window.message.accessibleName() == "Download finished"


def test_who_wants_no_notices_gets_none(qtbot: QtBot, desktop: Desktop, fake: FakeApp) -> None:
    silent = Settings(model="bamboo", notices=False)
    show(qtbot, desktop, fake, make_status(settings=silent, downloads=(make_progress(),)))
    show(qtbot, desktop, fake, make_status(settings=silent, downloads=(make_progress(Phase.DONE),)))

    assert desktop.window.message.isHidden()


def test_a_screen_reader_hears_that_the_server_is_ready_while_the_window_is_open(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp, said: list[str]
) -> None:
    show(qtbot, desktop, fake, make_status(State.LOADING))
    desktop.window.open()
    show(qtbot, desktop, fake, make_status(State.READY))

    assert said == ["Ready — Bamboo 7B Q4_0"]


@pytest.mark.parametrize(
    ("command", "call"),
    [
        (Command.START, ("start_server",)),
        (Command.STOP, ("stop_server",)),
        (Command.RESTART, ("restart_server",)),
        (Command.PAUSE, ("pause", 7)),
        (Command.RESUME, ("resume", 7)),
        (Command.LOGIN, ("apply", {"launch_at_login": True})),
    ],
)
def test_an_entry_of_the_menu_becomes_a_wish(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp, command: Command, call: tuple[object, ...]
) -> None:
    show(qtbot, desktop, fake, make_status(downloads=(make_progress(number=7),)))

    desktop.run_command(command)

    qtbot.waitUntil(lambda: fake.calls == [call])


def test_the_menu_shows_what_the_system_does_at_login_now(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QSystemTrayIcon, "isSystemTrayAvailable", lambda: True)
    desktop._look_for_tray()
    assert desktop.tray
    desktop.tray.menu.aboutToShow.emit()

    qtbot.waitUntil(lambda: fake.calls == [("refresh_login",)])


@pytest.mark.parametrize(
    ("command", "page"),
    [
        (Command.CHAT, Page.CHAT),
        (Command.EMBEDDINGS, Page.EMBEDDINGS),
        (Command.WINDOW, Page.HOME),
        (Command.MODELS, Page.MODELS),
    ],
)
def test_an_entry_of_the_menu_opens_the_window(desktop: Desktop, command: Command, page: Page) -> None:
    desktop.run_command(command)

    assert desktop.window.isVisible()
    assert desktop.window.current() is page


@pytest.mark.parametrize(
    ("command", "begins"),
    [
        (Command.COPY_URL, "http://127.0.0.1:8080/v1"),
        (Command.COPY_CURL, "curl http://127.0.0.1:8080/v1/embeddings"),
        (Command.COPY_PYTHON, "from openai import OpenAI"),
        (Command.COPY_JAVASCRIPT, "import OpenAI from"),
        (Command.COPY_4D, "var $client:=cs.AIKit.OpenAI.new("),
    ],
)
def test_what_is_copied_is_on_the_clipboard(
    qtbot: QtBot, qapp: QApplication, desktop: Desktop, fake: FakeApp, command: Command, begins: str
) -> None:
    show(qtbot, desktop, fake, make_status(State.READY))
    desktop.run_command(command)

    assert qapp.clipboard().text().startswith(begins)


def test_the_box_that_says_what_this_is_opens_once(desktop: Desktop) -> None:
    desktop.run_command(Command.ABOUT)
    about = desktop.about
    desktop.run_command(Command.ABOUT)

    assert about is desktop.about
    assert about is not None
    assert about.isVisible()
    assert about.text().startswith("PowerInfer Tray ")


def test_a_package_says_where_the_licenses_of_its_parts_are(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "_MEIPASS", "/opt/powerinfer-tray", raising=False)
    box = about_box()
    qtbot.addWidget(box)

    assert "Qt is used under the GNU LGPL" in box.informativeText()
    assert "/opt/powerinfer-tray/licenses.txt" in box.informativeText()


def test_picking_a_model_while_the_server_is_stopped_chooses_it_and_a_refusal_is_told(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QSystemTrayIcon, "isSystemTrayAvailable", lambda: True)
    desktop.start(background=True)
    tray = desktop.tray
    assert tray is not None
    qtbot.waitUntil(lambda: len(marks(tray)) == 2)
    assert marks(tray) == {"Bamboo 7B Q4_0 — chosen": False, "Built-in test model": False}
    fake.refuse("apply", SettingsError(ErrorCode.SETTINGS_NOT_SAVED, "The settings could not be saved"))

    tray._model_actions["test"].trigger()

    qtbot.waitUntil(lambda: desktop.window.message.accessibleName() == "The settings could not be saved")
    assert ("apply", {"model": "test"}) in fake.calls
    assert ("start_server",) not in fake.calls
    assert marks(tray) == {"Bamboo 7B Q4_0 — chosen": False, "Built-in test model": False}


def test_a_model_that_is_picked_in_the_menu_is_loaded_and_then_unloaded(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QSystemTrayIcon, "isSystemTrayAvailable", lambda: True)
    fake.library.models += (make_model("Tiny", "tiny.gguf", sparse=False),)
    desktop.start(background=True)
    tray = desktop.tray
    assert tray is not None
    show(qtbot, desktop, fake, make_status(State.READY))
    qtbot.waitUntil(lambda: len(marks(tray)) == 3)

    tray._model_actions["tiny"].trigger()
    fake.wait_for_call("load_model", "tiny")
    show(qtbot, desktop, fake, with_engines(make_status(State.READY), make_loaded("Tiny")))
    assert marks(tray) == {"Bamboo 7B Q4_0 — chosen": True, "Built-in test model": False, "Tiny": True}

    tray._model_actions["tiny"].trigger()
    fake.wait_for_call("unload_model", "tiny")


def test_a_look_at_the_models_that_takes_long_does_not_undo_a_later_one(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QSystemTrayIcon, "isSystemTrayAvailable", lambda: True)
    read, go_on, before = fake.library.contents, threading.Event(), fake.library.contents()
    looks: list[int] = []

    def contents() -> Contents:
        looks.append(len(looks))
        if len(looks) == 1:
            assert go_on.wait(10)
            return before
        return read()

    monkeypatch.setattr(fake.library, "contents", contents)
    desktop._look_for_tray()
    tray = desktop.tray
    assert tray is not None
    qtbot.waitUntil(lambda: len(looks) == 1)
    fake.library.models += (make_model("New", "new.gguf"),)
    show(qtbot, desktop, fake, replace(fake.status(), folder_changes=1))
    qtbot.waitUntil(lambda: "New" in marks(tray))

    go_on.set()

    settle(qtbot, desktop.bridge)
    assert "New" in marks(tray)


def marks(tray: Tray) -> dict[str, bool]:
    return {action.text(): action.isChecked() for action in tray._model_actions.values()}


def test_the_settings_open_once_and_afresh_after_they_were_closed(qtbot: QtBot, desktop: Desktop) -> None:
    desktop.run_command(Command.SETTINGS)
    first = desktop.dialog
    desktop.run_command(Command.SETTINGS)
    assert desktop.dialog is first

    assert first is not None
    first.reject()
    desktop.run_command(Command.SETTINGS)
    assert desktop.dialog is not first
    assert desktop.dialog is not None
    dialog = desktop.dialog
    qtbot.waitUntil(lambda: dialog.command.value() != "")


def test_a_wish_that_fails_is_explained_and_the_menu_shows_what_is_true(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp
) -> None:
    desktop.tray = Tray(fake.status(), template=False, over_dbus=False)
    login = next(a for a in desktop.tray.menu.actions() if "Login" in a.text())
    fake.refuse("apply", SettingsError(ErrorCode.SETTINGS_NOT_SAVED, "The settings could not be saved"))
    desktop.tray.chosen.connect(desktop.run_command)

    login.trigger()

    qtbot.waitUntil(lambda: desktop.window.message.accessibleName() == "The settings could not be saved")
    assert not login.isChecked()


def test_a_start_that_fails_opens_the_page_that_says_why(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp
) -> None:
    problem = SettingsError(ErrorCode.PORT_IN_USE, "Port 8080 is in use by nginx (PID 812)")
    show(qtbot, desktop, fake, make_status(problem=problem))
    fake.refuse("start_server", problem)

    desktop.run_command(Command.START)

    qtbot.waitUntil(desktop.window.isVisible)
    assert desktop.window.current() is Page.HOME
    assert desktop.window.message.isHidden()  # the page has it


def test_pyside_keeps_no_source_of_what_is_imported_after_it() -> None:
    program = (
        "import linecache\n"
        "from tray_app.ui.sources import leave_sources_alone\n"
        "leave_sources_alone()\n"
        "import tray_app.ui.application\n"
        "print([file for file in linecache.cache if 'tray_app' in file])"
    )
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
