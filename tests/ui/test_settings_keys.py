"""Keys in the settings dialog, on the app as it is: with a keychain in memory, locked, slow or missing."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING

import keyring
import pytest
from keyring.backends.fail import Keyring as NoKeychain
from keyring.errors import KeyringLocked
from PySide6.QtCore import QCoreApplication, QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox, QLineEdit

from tests.fakes.bridges import end_desktop, settle
from tests.fakes.errors import coded
from tests.fakes.gateways import get
from tests.fakes.keychain import memory_keychain
from tests.fakes.remote_server import KEY, remote_server
from tray_app.app.root import App
from tray_app.engine.lifecycle import State
from tray_app.errors import ErrorCode, SettingsError
from tray_app.settings.keys import GATEWAY, HUGGING_FACE, KEYS, REMOTE
from tray_app.settings.keystore import KeyStore
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths
from tray_app.system.ports import free_port
from tray_app.ui.bridge import Bridge
from tray_app.ui.desktop import Desktop
from tray_app.ui.dialogs.settings import SettingsDialog
from tray_app.ui.operations import collect_diagnostics
from tray_app.ui.pages.home import HomePage
from tray_app.ui.presenters.notices import Page
from tray_app.ui.presenters.settings import GROUPS
from tray_app.ui.widgets.setting_editors import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PySide6.QtWidgets import QApplication, QPushButton, QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tests.fakes.keychain import MemoryKeychain
    from tray_app.settings.keys import Key

DEADLINE_MS = 60_000
SERVICE = "powerinfer-tray"
SPEED = GROUPS.index("speed")


@pytest.fixture(autouse=True)
def keychain() -> Iterator[MemoryKeychain]:
    with memory_keychain() as memory:
        yield memory


@pytest.fixture
def app() -> Iterator[App]:
    paths = AppPaths.from_environment(os.environ)
    made = App(paths, detect_host(), {"port": free_port(), "model": "test", "threads": 1})
    yield made
    made.close()


@pytest.fixture
def to_app(app: App) -> Iterator[Bridge]:
    made = Bridge(app)
    yield made
    made.close(timeout_s=5)


@pytest.fixture
def open_dialog(qtbot: QtBot, to_app: Bridge) -> Callable[[], SettingsDialog]:
    """Opens the dialog, and waits until it has heard all that it has asked."""

    def open_it() -> SettingsDialog:
        dialog = SettingsDialog(to_app)
        qtbot.addWidget(dialog)
        dialog.show()
        settle(qtbot, to_app)
        return dialog

    return open_it


def keep(keychain: MemoryKeychain, key: Key) -> None:
    keychain.kept[SERVICE, key.name] = KEY


def kept(keychain: MemoryKeychain, key: Key) -> str | None:
    return keychain.kept.get((SERVICE, key.name))


def type_key(dialog: SettingsDialog, key: Key, text: str) -> None:
    line = dialog.keys[key.name].line
    line.clear()
    QTest.keyClicks(line, text)


def note(dialog: SettingsDialog, key: Key) -> str:
    return dialog.rows[key.name].note.text()


def placeholder(dialog: SettingsDialog, key: Key) -> str:
    return dialog.keys[key.name].line.placeholderText()


def button(dialog: SettingsDialog, which: QDialogButtonBox.StandardButton) -> QPushButton:
    return dialog.buttons.button(which)


def refuse(*_: str) -> str:
    raise KeyringLocked("it is locked")


OK, APPLY = QDialogButtonBox.StandardButton.Ok, QDialogButtonBox.StandardButton.Apply


def test_each_key_says_whether_it_is_kept_and_never_what_it_is(
    keychain: MemoryKeychain, open_dialog: Callable[[], SettingsDialog]
) -> None:
    keep(keychain, REMOTE)

    dialog = open_dialog()

    assert {key.name: placeholder(dialog, key) for key in KEYS} == {
        "gateway": "None",
        "remote": "Kept in the system's keychain",
        "huggingface.co": "None",
    }
    assert {name: not editor.remove_button.isHidden() for name, editor in dialog.keys.items()} == {
        "gateway": False,
        "remote": True,
        "huggingface.co": False,
    }
    assert all(note(dialog, key) == key.help for key in KEYS)
    assert not any(editor.line.text() for editor in dialog.keys.values())
    assert dialog.key_changes() == {}
    assert not button(dialog, APPLY).isEnabled()


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_key_can_be_pointed_at_stands_below_its_setting_and_has_a_name(
    open_dialog: Callable[[], SettingsDialog], key: Key
) -> None:
    dialog = open_dialog()
    dialog.point_at(key.name)

    line = dialog.keys[key.name].line
    above = dialog.editors[key.setting]
    assert dialog.groups.current == key.group
    assert dialog.focusWidget() is line
    assert above.mapTo(dialog, QPoint()).y() < line.mapTo(dialog, QPoint()).y()
    assert (line.accessibleName(), line.accessibleDescription()) == (
        key.title,
        f"{key.help}\n{key.details}",
    )
    assert line.echoMode() is QLineEdit.EchoMode.Password


def test_what_is_typed_is_hidden_and_kept_with_apply(
    qtbot: QtBot, keychain: MemoryKeychain, open_dialog: Callable[[], SettingsDialog]
) -> None:
    dialog = open_dialog()
    type_key(dialog, HUGGING_FACE, " hf_typed ")
    line = dialog.keys[HUGGING_FACE.name].line
    assert "hf" not in line.displayText()

    button(dialog, APPLY).click()

    qtbot.waitUntil(lambda: placeholder(dialog, HUGGING_FACE) == "Kept in the system's keychain")
    assert kept(keychain, HUGGING_FACE) == "hf_typed"
    assert line.text() == ""
    assert dialog.isVisible()
    assert not button(dialog, APPLY).isEnabled()


def test_a_kept_key_is_removed_with_ok_and_not_before(
    qtbot: QtBot, keychain: MemoryKeychain, open_dialog: Callable[[], SettingsDialog]
) -> None:
    keep(keychain, REMOTE)
    dialog = open_dialog()
    remove = dialog.keys[REMOTE.name].remove_button

    remove.click()
    assert (placeholder(dialog, REMOTE), remove.text()) == ("Will be removed", "Keep")
    assert kept(keychain, REMOTE) == KEY
    remove.click()
    assert dialog.key_changes() == {}
    remove.click()
    with qtbot.waitSignal(dialog.accepted):
        button(dialog, OK).click()

    assert kept(keychain, REMOTE) is None


def test_typing_takes_a_removal_back(
    keychain: MemoryKeychain, open_dialog: Callable[[], SettingsDialog]
) -> None:
    keep(keychain, REMOTE)
    dialog = open_dialog()
    dialog.keys[REMOTE.name].remove_button.click()

    QTest.keyClicks(dialog.keys[REMOTE.name].line, "sk-2")

    assert dialog.key_changes() == {"remote": "sk-2"}


def test_a_key_that_was_made_here_can_be_read_and_copied_until_it_is_applied(
    qtbot: QtBot, keychain: MemoryKeychain, open_dialog: Callable[[], SettingsDialog]
) -> None:
    dialog = open_dialog()
    editor = dialog.keys[GATEWAY.name]
    assert editor.copy_button.isHidden()

    editor.generate_button.click()
    first = editor.line.displayText()
    editor.generate_button.click()
    made = editor.line.displayText()
    editor.copy_button.click()

    assert made != first
    assert len(made) >= 43  # 256 bits
    assert made == dialog.key_changes()["gateway"] == QGuiApplication.clipboard().text()
    assert note(dialog, GATEWAY).endswith("Copy it now: once applied, it is not shown again.")

    button(dialog, APPLY).click()
    qtbot.waitUntil(lambda: placeholder(dialog, GATEWAY) == "Kept in the system's keychain")
    assert kept(keychain, GATEWAY) == made
    assert (editor.line.text(), editor.copy_button.isHidden()) == ("", True)
    assert editor.line.echoMode() is QLineEdit.EchoMode.Password


def test_what_is_typed_over_a_made_key_is_hidden(open_dialog: Callable[[], SettingsDialog]) -> None:
    dialog = open_dialog()
    editor = dialog.keys[GATEWAY.name]
    editor.generate_button.click()

    editor.line.selectAll()
    QTest.keyClicks(editor.line, "sk-mine-and-nobodys")

    assert dialog.key_changes() == {"gateway": "sk-mine-and-nobodys"}
    assert "sk" not in editor.line.displayText()
    assert editor.copy_button.isHidden()


def test_what_cannot_be_a_key_is_said_at_its_field_and_at_its_tab(
    open_dialog: Callable[[], SettingsDialog],
) -> None:
    dialog = open_dialog()
    type_key(dialog, REMOTE, "a b")

    assert note(dialog, REMOTE).startswith("⚠ A key")
    assert dialog.groups.list.item(SPEED).text() == "⚠ Engine & speed"
    assert not button(dialog, OK).isEnabled()

    type_key(dialog, REMOTE, "ab")
    assert dialog.groups.list.item(SPEED).text() == "Engine & speed"
    assert button(dialog, OK).isEnabled()


def test_the_local_network_is_not_chosen_without_a_key(open_dialog: Callable[[], SettingsDialog]) -> None:
    dialog = open_dialog()
    dialog.editors["network"].set_value("lan")
    assert note(dialog, GATEWAY) == "⚠ The local network needs one: type it, or press Generate."
    assert not button(dialog, OK).isEnabled()

    dialog.keys[GATEWAY.name].generate_button.click()
    assert button(dialog, OK).isEnabled()


def test_settings_in_which_a_key_is_missing_already_can_be_changed_all_the_same(
    app: App, open_dialog: Callable[[], SettingsDialog]
) -> None:
    app.store.override(network="lan")
    dialog = open_dialog()
    assert note(dialog, GATEWAY).startswith("⚠ The local network needs one")

    dialog.editors["ctx_size"].set_value(1024)

    assert button(dialog, OK).isEnabled()


def test_without_a_keychain_the_rows_are_grey_and_say_why(open_dialog: Callable[[], SettingsDialog]) -> None:
    keyring.set_keyring(NoKeychain())  # type: ignore[no-untyped-call]
    dialog = open_dialog()

    for key in KEYS:
        assert note(dialog, key).startswith("This system has no keychain.\n")
        assert f"powerinfer-tray key set {key.name} --file" in note(dialog, key)
        assert key.variables[0] in note(dialog, key)
        assert not dialog.keys[key.name].isEnabled()
        assert dialog.keys[key.name].remove_button.isHidden()
    dialog.editors["network"].set_value("lan")
    assert note(dialog, GATEWAY).startswith("⚠ The local network needs one.\nThis system has no keychain.")
    assert not button(dialog, OK).isEnabled()


def test_without_a_keychain_the_network_can_be_chosen_with_a_key_in_a_file(
    app: App, open_dialog: Callable[[], SettingsDialog]
) -> None:
    keyring.set_keyring(NoKeychain())  # type: ignore[no-untyped-call]
    KeyStore(app.paths.keys, {}).set_in_file(GATEWAY.name, KEY)
    dialog = open_dialog()

    assert placeholder(dialog, GATEWAY) == "Kept in a file"
    dialog.editors["network"].set_value("lan")
    assert not note(dialog, GATEWAY).startswith("⚠")
    assert button(dialog, OK).isEnabled()
    dialog.keys[GATEWAY.name].remove_button.click()
    assert note(dialog, GATEWAY).startswith("⚠ The local network needs one.")


def test_a_key_of_the_environment_is_said_and_not_changed(
    monkeypatch: pytest.MonkeyPatch, open_dialog: Callable[[], SettingsDialog]
) -> None:
    monkeypatch.setenv("POWERINFER_TRAY_KEY_GATEWAY", KEY)
    dialog = open_dialog()

    assert placeholder(dialog, GATEWAY) == "Set in the environment"
    assert "POWERINFER_TRAY_KEY_GATEWAY" in note(dialog, GATEWAY)
    editor = dialog.keys[GATEWAY.name]
    assert not editor.isEnabled()
    assert editor.remove_button.isHidden()
    dialog.editors["network"].set_value("lan")
    assert button(dialog, OK).isEnabled()
    assert KEY not in note(dialog, GATEWAY)


def test_a_web_origin_that_can_never_match_is_said_at_its_field(
    qtbot: QtBot, app: App, to_app: Bridge, open_dialog: Callable[[], SettingsDialog]
) -> None:
    dialog = open_dialog()
    origins = dialog.editors["allowed_origins"]
    assert isinstance(origins, Text)
    origins.line.setText("example.net, http://localhost:*")
    assert "Write it as browsers send it: https://example.net" in dialog.rows["allowed_origins"].note.text()
    assert not button(dialog, OK).isEnabled()

    origins.line.setText("HTTPS://Example.net/, http://localhost:*")
    button(dialog, APPLY).click()
    settle(qtbot, to_app)
    assert app.store.current.allowed_origins == ("https://example.net", "http://localhost:*")


def test_a_keychain_that_is_locked_says_so_and_can_be_tried_again(
    qtbot: QtBot,
    keychain: MemoryKeychain,
    open_dialog: Callable[[], SettingsDialog],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as locked:
        locked.setattr(keychain, "get_password", refuse)
        locked.setattr(keychain, "set_password", refuse)
        dialog = open_dialog()
        assert "it is locked" in note(dialog, HUGGING_FACE)
        assert dialog.keys[HUGGING_FACE.name].isEnabled()
        type_key(dialog, HUGGING_FACE, "hf_typed")
        dialog.editors["temperature"].set_value(0.2)
        button(dialog, OK).click()
        qtbot.waitUntil(lambda: not dialog.card.isHidden())

    assert dialog.card.accessibleName() == "The keychain denied access"
    assert dialog.key_changes() == {"huggingface.co": "hf_typed"}
    assert dialog.form.draft() == {"temperature": 0.2}
    with qtbot.waitSignal(dialog.accepted):
        button(dialog, OK).click()
    assert kept(keychain, HUGGING_FACE) == "hf_typed"


def test_a_keychain_is_waited_for_and_holds_up_nothing(
    qtbot: QtBot,
    to_app: Bridge,
    keychain: MemoryKeychain,
    open_dialog: Callable[[], SettingsDialog],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unlocked = threading.Event()
    asked_by: set[str] = set()

    def slow(*_: str) -> None:
        asked_by.add(threading.current_thread().name)
        unlocked.wait(10)

    dialog = open_dialog()
    monkeypatch.setattr(keychain, "get_password", slow)
    monkeypatch.setattr(keychain, "set_password", slow)
    type_key(dialog, REMOTE, "sk-1")
    button(dialog, APPLY).click()
    with qtbot.waitSignal(to_app.status_changed):  # tells nothing of keys
        to_app.app.changed.emit(to_app.app.status())
    assert dialog.key_changes() == {"remote": "sk-1"}
    assert not button(dialog, OK).isEnabled()

    unlocked.set()
    settle(qtbot, to_app)
    assert dialog.key_changes() == {}
    assert asked_by == {"ui-operation"}


def test_a_key_and_the_local_network_in_one_go_keep_the_engine_and_ask_for_the_key(
    qtbot: QtBot, app: App, open_dialog: Callable[[], SettingsDialog]
) -> None:
    app.start_server()
    app.wait_until_ready(DEADLINE_MS / 1000)
    models = f"{app.status().server.base_url}/models"
    assert get(models).status_code == 200
    dialog = open_dialog()
    dialog.editors["network"].set_value("lan")
    dialog.keys[GATEWAY.name].generate_button.click()
    key = dialog.keys[GATEWAY.name].line.text()

    with qtbot.waitSignal(dialog.accepted, timeout=DEADLINE_MS):
        button(dialog, OK).click()

    assert get(models).status_code == 401
    assert get(models, Authorization=f"Bearer {key}").status_code == 200
    assert (app.status().engine.run, app.status().engine.state) == (1, State.READY)


def test_a_remote_server_and_its_key_in_one_go_are_one_start(
    qtbot: QtBot, app: App, open_dialog: Callable[[], SettingsDialog]
) -> None:
    app.start_server()
    app.wait_until_ready(DEADLINE_MS / 1000)
    dialog = open_dialog()
    with remote_server() as remote:
        dialog.editors["engine"].set_value("remote")
        dialog.editors["remote_url"].set_value(remote.url)
        type_key(dialog, REMOTE, KEY)
        qtbot.waitUntil(lambda: "The model will be loaded again." in dialog.consequence.text())
        with qtbot.waitSignal(dialog.accepted, timeout=DEADLINE_MS):
            button(dialog, OK).click()
        app.wait_until_ready(DEADLINE_MS / 1000)

        assert (app.status().engine.run, app.status().engine.models[0]) == (2, "llama3:8b")
        app.stop_server()


def test_another_key_of_a_remote_server_is_said_to_restart_it(
    qtbot: QtBot, app: App, keychain: MemoryKeychain, open_dialog: Callable[[], SettingsDialog]
) -> None:
    keep(keychain, REMOTE)
    with remote_server() as remote:
        app.store.override(engine="remote", remote_url=remote.url)
        app.start_server()
        app.wait_until_ready(DEADLINE_MS / 1000)
        dialog = open_dialog()
        assert "again" not in dialog.consequence.text()
        type_key(dialog, REMOTE, "sk-2")
        qtbot.waitUntil(lambda: "The model will be loaded again." in dialog.consequence.text())
        app.stop_server()


def test_an_error_about_a_key_has_a_button_that_leads_to_its_field(
    qtbot: QtBot, qapp: QApplication, app: App
) -> None:
    app.store.override(network="lan")
    desktop = Desktop(qapp, app)
    with pytest.raises(SettingsError, check=coded(ErrorCode.NETWORK_NEEDS_KEY)):
        app.start_server()
    desktop.window.open(Page.HOME)
    page = desktop.window.page(Page.HOME)
    assert isinstance(page, HomePage)
    qtbot.waitUntil(lambda: page.card.error is not None)

    page.card._button.click()

    assert desktop.dialog is not None
    assert desktop.dialog.focusWidget() is desktop.dialog.keys[GATEWAY.name].line
    end_desktop(desktop)


def test_no_key_comes_into_the_settings_file_the_log_or_a_report(
    qtbot: QtBot, app: App, open_dialog: Callable[[], SettingsDialog], caplog: pytest.LogCaptureFixture
) -> None:
    dialog = open_dialog()
    secrets = {key: f"sk-secret-of-{key.name}" for key in KEYS}
    for key, secret in secrets.items():
        type_key(dialog, key, secret)
    dialog.editors["network"].set_value("lan")
    with qtbot.waitSignal(dialog.accepted, timeout=DEADLINE_MS):
        button(dialog, OK).click()

    assert 'network = "lan"' in app.store.path.read_text()
    told = [app.store.path.read_text(), caplog.text, collect_diagnostics(app), repr(app.status())]
    assert not [secret for secret in secrets.values() for text in told if secret in text]


def test_a_dialog_in_another_language_goes_on_with_the_keys(
    open_dialog: Callable[[], SettingsDialog],
) -> None:
    old = open_dialog()
    old.keys[GATEWAY.name].generate_button.click()
    type_key(old, REMOTE, "sk-1")

    new = open_dialog()
    new.take_over(old)

    assert new.key_changes() == old.key_changes()
    assert not new.keys[GATEWAY.name].copy_button.isHidden()
    assert not new.keys[REMOTE.name].in_clear


def test_a_dialog_that_is_closed_is_gone_without_the_help_of_the_garbage_collector(
    open_dialog: Callable[[], SettingsDialog],
) -> None:
    dialog = open_dialog()
    dialog.close()
    widgets: list[QWidget] = [dialog, dialog.card, *dialog.keys.values()]
    gone = [weakref.ref(widget) for widget in widgets]
    del dialog, widgets

    assert [one() for one in gone] == [None] * len(gone)


def test_the_tab_key_goes_through_a_row_from_left_to_right(
    keychain: MemoryKeychain, open_dialog: Callable[[], SettingsDialog]
) -> None:
    keep(keychain, GATEWAY)
    dialog = open_dialog()
    dialog.point_at(GATEWAY.name)
    editor = dialog.keys[GATEWAY.name]
    editor.generate_button.click()
    came_by: list[QWidget | None] = [dialog.focusWidget()]
    for _ in range(3):
        QTest.keyClick(dialog.focusWidget(), Qt.Key.Key_Tab)
        came_by.append(dialog.focusWidget())

    assert came_by == [editor.line, editor.generate_button, editor.copy_button, editor.remove_button]


def test_pictures_of_the_keys(
    qtbot: QtBot, fake: FakeApp, bridge: Bridge, photograph: Callable[[QWidget, str], None]
) -> None:
    fake.kept = {"huggingface.co", "remote"}
    dialog = SettingsDialog(bridge)
    qtbot.addWidget(dialog)
    dialog.show()
    settle(qtbot, bridge)
    dialog.keys[REMOTE.name].remove_button.click()
    for group in ("speed", "downloads"):
        dialog.groups.open(group)
        photograph(dialog, f"keys-{group}")
    dialog.point_at(GATEWAY.name)
    dialog.editors["network"].set_value("lan")
    photograph(dialog, "keys-network-missing")
    dialog.keys[GATEWAY.name].generate_button.click()
    QCoreApplication.processEvents()  # the note has become longer
    photograph(dialog, "keys-network-made")
    dialog.close()
    fake.has_keychain = False
    without = SettingsDialog(bridge)
    qtbot.addWidget(without)
    without.show()
    without.point_at(GATEWAY.name)
    without.editors["network"].set_value("lan")
    settle(qtbot, bridge)
    QCoreApplication.processEvents()
    photograph(without, "keys-no-keychain")
