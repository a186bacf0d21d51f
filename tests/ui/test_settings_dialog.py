from __future__ import annotations

import dataclasses
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QCoreApplication, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox

from tests.fakes.app import FakeApp, make_engine, make_host, make_plan, make_snapshot, make_status
from tests.fakes.bridges import settle
from tray_app.engine.devices import EngineDevice
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.ineffective_settings import ONE_THREAD
from tray_app.engine.lifecycle import State
from tray_app.errors import ErrorCode, SettingsError
from tray_app.settings.fields import ALL_FIELDS, FIELDS
from tray_app.settings.keys import KEYS
from tray_app.settings.schema import Settings
from tray_app.system.autostart import Login
from tray_app.system.host import System
from tray_app.system.ports import PortOwner
from tray_app.ui.bridge import Bridge
from tray_app.ui.dialogs.settings import SettingsDialog
from tray_app.ui.presenters.settings import GROUPS
from tray_app.ui.widgets.setting_editors import ChoiceEditor, Number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from PySide6.QtWidgets import QPushButton, QWidget
    from pytestqt.qtbot import QtBot

    from tray_app.engine.program import Engine
    from tray_app.settings.fields import Field
    from tray_app.settings.keys import Key, KeyChanges
    from tray_app.system.host import Host

POWERINFER = make_engine(EngineKind.POWERINFER, "--model", "--port", "--vram-budget", "--n-gpu-layers")


def llama_server(*devices: EngineDevice) -> Engine:
    """One that lists these cards."""
    return replace(make_engine(EngineKind.LLAMA_SERVER, "--fit-target"), devices=devices)


@pytest.fixture
def open_dialog(qtbot: QtBot) -> Iterator[Callable[[FakeApp], SettingsDialog]]:
    """Opens the dialog on an app, and waits until it has judged what it shows."""
    bridges: list[Bridge] = []

    def open_on(fake: FakeApp) -> SettingsDialog:
        bridges.append(Bridge(fake))
        dialog = SettingsDialog(bridges[-1])
        qtbot.addWidget(dialog)
        qtbot.waitUntil(lambda: dialog.command.value() != "" and model_editor(dialog).box.count() > 0)
        return dialog

    yield open_on
    for bridge in bridges:
        bridge.close(timeout_s=5)


@pytest.fixture
def dialog(fake: FakeApp, open_dialog: Callable[[FakeApp], SettingsDialog]) -> SettingsDialog:
    return open_dialog(fake)


def model_editor(dialog: SettingsDialog) -> ChoiceEditor:
    editor = dialog.editors["model"]
    assert isinstance(editor, ChoiceEditor)
    return editor


def button(dialog: SettingsDialog, which: QDialogButtonBox.StandardButton) -> QPushButton:
    return dialog.buttons.button(which)


OK, APPLY = QDialogButtonBox.StandardButton.Ok, QDialogButtonBox.StandardButton.Apply


def test_of_two_models_with_the_same_name_the_chosen_one_is_meant(qtbot: QtBot) -> None:
    editor = ChoiceEditor(next(field for field in ALL_FIELDS if field.name == "model"))
    qtbot.addWidget(editor)
    editor.offer((("qwen-a", "Qwen3 4B"), ("qwen-b", "Qwen3 4B")))

    editor.set_value("qwen-b")
    assert editor.value() == "qwen-b"
    editor.box.setCurrentIndex(0)
    assert editor.value() == "qwen-a"
    editor.box.setEditText("Another")
    assert editor.value() == "Another"


def test_every_setting_has_an_editor_filled_with_its_value(
    open_dialog: Callable[[FakeApp], SettingsDialog], tmp_path: Path
) -> None:
    settings = Settings(
        model="test",
        port=9000,
        threads=3,
        temperature=0.25,
        vram_budget=2.5,
        engine="/opt/server",
        extra_arguments=("--mlock", "a b"),
        launch_at_login=True,
    )

    dialog = open_dialog(FakeApp(make_status(settings=settings), folder=tmp_path))

    shown = {name: editor.value() for name, editor in dialog.editors.items()}
    assert shown.keys() == {field.name for field in ALL_FIELDS}
    assert shown["extra_arguments"] == "--mlock 'a b'"
    assert (shown["model"], shown["port"], shown["threads"], shown["threads_batch"]) == (
        "test",
        9000,
        3,
        "auto",
    )
    assert (shown["temperature"], shown["vram_budget"], shown["engine"]) == (0.25, 2.5, "/opt/server")
    assert shown["launch_at_login"] is True
    assert dialog.form.draft() == {}


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_setting_can_be_pointed_at(dialog: SettingsDialog, field: Field) -> None:
    dialog.point_at(field.name)
    dialog.show()

    assert dialog.groups.current == field.group
    assert dialog.editors[field.name].isVisible()
    focused = dialog.focusWidget()
    # A setting that has no effect here is greyed out, and explains itself.
    assert dialog.editors[field.name].isAncestorOf(focused) or not dialog.editors[field.name].isEnabled()


def test_a_value_that_is_automatic_says_so(dialog: SettingsDialog) -> None:
    threads = dialog.editors["threads"]
    assert isinstance(threads, Number)

    assert threads.box.text() == "Automatic"
    threads.box.stepUp()
    assert threads.value() == 1


def test_an_automatic_context_says_what_it_comes_to_and_steps_in_round_numbers(
    qtbot: QtBot, dialog: SettingsDialog
) -> None:
    context = dialog.editors["ctx_size"]
    note = dialog.rows["ctx_size"].note
    assert isinstance(context, Number)
    assert context.box.text() == "Automatic"
    qtbot.waitUntil(lambda: note.text().endswith(" · 4096 tokens for this model"))

    context.box.stepUp()
    assert context.value() == 512
    context.box.stepUp()
    assert context.value() == 1024
    assert "for this model" not in note.text()
    context.box.stepDown()
    context.box.stepDown()
    assert context.value() == "auto"


def test_models_are_offered_by_name(dialog: SettingsDialog) -> None:
    box = model_editor(dialog).box

    assert [box.itemText(row) for row in range(box.count())] == [
        "Built-in test model",
        "Bamboo 7B Q4_0",
        "Tiny",
    ]
    assert box.currentText() == "Bamboo 7B Q4_0"

    box.setEditText("/data/mine.gguf")
    assert dialog.form.draft() == {"model": "/data/mine.gguf"}
    box.setCurrentIndex(2)
    assert dialog.form.draft() == {"model": "tiny"}


@pytest.mark.parametrize(("name", "words"), [("idle_minutes", "Never"), ("speed_limit", "No limit")])
def test_a_zero_says_what_it_means(dialog: SettingsDialog, name: str, words: str) -> None:
    editor = dialog.editors[name]
    assert isinstance(editor, Number)
    editor.set_value(5)
    assert words not in editor.box.text()

    editor.set_value(0)

    assert editor.box.text() == words
    assert editor.value() == 0


def test_ok_applies_what_was_changed_and_closes(qtbot: QtBot, dialog: SettingsDialog, fake: FakeApp) -> None:
    dialog.editors["ctx_size"].set_value(4096)
    with qtbot.waitSignal(dialog.accepted):
        button(dialog, OK).click()

    assert ("apply", {"ctx_size": 4096}) in fake.calls


def test_apply_applies_and_stays(qtbot: QtBot, dialog: SettingsDialog, fake: FakeApp) -> None:
    dialog.show()
    assert not button(dialog, APPLY).isEnabled()
    dialog.editors["port"].set_value(9000)
    assert button(dialog, APPLY).isEnabled()

    button(dialog, APPLY).click()

    qtbot.waitUntil(lambda: ("apply", {"port": 9000}) in fake.calls and dialog.form.draft() == {})
    assert dialog.isVisible()
    assert not button(dialog, APPLY).isEnabled()


def test_cancel_changes_nothing(qtbot: QtBot, dialog: SettingsDialog, fake: FakeApp) -> None:
    dialog.editors["port"].set_value(9000)
    with qtbot.waitSignal(dialog.rejected):
        QTest.keyClick(dialog, Qt.Key.Key_Escape)

    assert not [call for call in fake.calls if call[0] == "apply"]


@pytest.mark.parametrize("succeeds", [True, False])
def test_what_ends_after_the_dialog_was_closed_closes_nothing_and_its_failure_is_told_elsewhere(
    qtbot: QtBot,
    dialog: SettingsDialog,
    fake: FakeApp,
    monkeypatch: pytest.MonkeyPatch,
    succeeds: bool,
) -> None:
    may_end = threading.Event()
    failure = SettingsError(ErrorCode.CONNECTION_LOST, "The download failed")

    def apply_slowly(_new: Settings, _keys: KeyChanges) -> None:
        assert may_end.wait(20)
        if not succeeds:
            raise failure

    monkeypatch.setattr(fake, "apply", apply_slowly)
    dialog.editors["port"].set_value(9000)
    button(dialog, OK).click()
    dialog.reject()
    ended: list[int] = []
    failed: list[object] = []
    dialog.finished.connect(ended.append)
    dialog.failed_later.connect(failed.append)

    may_end.set()
    settle(qtbot, dialog._bridge)

    assert ended == []
    assert failed == ([] if succeeds else [failure])


def test_all_problems_are_shown_at_their_fields_and_ok_is_disabled(dialog: SettingsDialog) -> None:
    dialog.editors["engine"].set_value("my-server")
    dialog.editors["extra_arguments"].set_value(("--fine",))
    dialog.editors["models_folder"].set_value("relative")

    assert dialog.rows["engine"].note.text().startswith("⚠ It must be")
    assert dialog.rows["models_folder"].note.text().startswith("⚠ It must be the full path of a folder")
    assert not dialog.rows["extra_arguments"].note.text().startswith("⚠")
    assert not button(dialog, OK).isEnabled()

    dialog.editors["engine"].set_value("auto")
    dialog.editors["models_folder"].set_value("")
    assert button(dialog, OK).isEnabled()


def test_a_refused_change_is_explained_and_the_draft_survives(
    qtbot: QtBot, dialog: SettingsDialog, fake: FakeApp
) -> None:
    fake.refuse(
        "apply",
        SettingsError(
            ErrorCode.SETTINGS_NOT_SAVED, "The settings could not be saved", "The disk is full.", ""
        ),
    )
    dialog.editors["port"].set_value(9000)
    button(dialog, OK).click()

    qtbot.waitUntil(lambda: not dialog.card.isHidden())
    assert dialog.card.accessibleName() == "The settings could not be saved"
    assert dialog.form.draft() == {"port": 9000}
    assert button(dialog, OK).isEnabled()


def test_ok_does_not_wait_for_a_model_that_must_be_downloaded_first(
    qtbot: QtBot, dialog: SettingsDialog, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = threading.Event()

    def apply_slowly(new: Settings, _keys: KeyChanges) -> None:
        fake.show(make_status(settings=new))
        arrived.wait(10)
        raise SettingsError(ErrorCode.CONNECTION_LOST, "The download failed")

    monkeypatch.setattr(fake, "apply", apply_slowly)
    dialog.editors["model"].set_value("tiny")
    with qtbot.waitSignal(dialog.accepted):
        button(dialog, OK).click()

    with qtbot.waitSignal(dialog.failed_later) as failed:
        arrived.set()
    assert failed.args[0].title == "The download failed"


def test_the_memory_bar_follows_the_fields_and_forbids_nothing(
    qtbot: QtBot, open_dialog: Callable[[FakeApp], SettingsDialog], tmp_path: Path
) -> None:
    fake = FakeApp(make_status(), folder=tmp_path)
    model = fake.library.models[0]
    fake.library.models = (dataclasses.replace(model, size_bytes=20 * 2**30), *fake.library.models[1:])
    dialog = open_dialog(fake)
    main, graphics = dialog.memory_bars

    assert "does not fit" in main.warning.text()
    assert graphics.isHidden()
    before = main.accessibleDescription()
    dialog.editors["batch_size"].set_value(64)
    dialog.editors["batch_size"].changed.emit()
    qtbot.waitUntil(lambda: main.accessibleDescription() != before)
    assert button(dialog, OK).isEnabled()


def test_graphics_memory_has_a_bar_that_follows_the_vram_budget(
    qtbot: QtBot, open_dialog: Callable[[FakeApp], SettingsDialog], tmp_path: Path
) -> None:
    fake = FakeApp(make_status(), host=make_host(gpu=True), folder=tmp_path)
    model = fake.library.models[0]
    dense = replace(model, header=replace(model.header, sparse=False))
    fake.library.models = (dense, *fake.library.models[1:])
    fake.engine = llama_server(EngineDevice("NVIDIA GeForce", 8 << 30, "CUDA0"))
    dialog = open_dialog(fake)
    _, graphics = dialog.memory_bars
    qtbot.waitUntil(lambda: graphics.accessibleDescription().endswith("of 7.0 GiB that can be used"))

    dialog.editors["vram_budget"].set_value(2.0)
    dialog.editors["vram_budget"].changed.emit()

    expected = "Graphics memory: 2.0 GiB of 2.0 GiB that can be used"
    qtbot.waitUntil(lambda: graphics.accessibleDescription() == expected)


def test_a_change_from_elsewhere_does_not_undo_what_is_typed_nor_is_it_undone(
    qtbot: QtBot, dialog: SettingsDialog, fake: FakeApp
) -> None:
    dialog.editors["ctx_size"].set_value(4096)
    fake.show(make_status(settings=Settings(model="bamboo", launch_at_login=True)))
    with qtbot.waitSignal(dialog.accepted):
        button(dialog, OK).click()

    assert fake.store.current == Settings(model="bamboo", launch_at_login=True, ctx_size=4096)


def test_a_login_that_starts_another_copy_is_said_until_the_switch_repairs_it(
    qtbot: QtBot, dialog: SettingsDialog, fake: FakeApp
) -> None:
    fake.show(replace(make_status(), login=Login.ELSEWHERE))
    note = dialog.rows["launch_at_login"].note
    qtbot.waitUntil(lambda: "another copy" in note.text())
    dialog.editors["launch_at_login"].set_value(value=True)

    assert "another copy" not in note.text()
    assert ("refresh_login",) in fake.calls


def test_what_changed_elsewhere_is_shown_where_nothing_is_typed(
    qtbot: QtBot, dialog: SettingsDialog, fake: FakeApp
) -> None:
    dialog.editors["ctx_size"].set_value(4096)

    fake.show(make_status(settings=Settings(model="test", ctx_size=1024, threads=2)))

    qtbot.waitUntil(lambda: dialog.editors["model"].value() == "test")
    assert dialog.editors["threads"].value() == 2
    assert dialog.form.draft() == {"ctx_size": 4096}


def test_each_field_can_be_reset_where_it_differs_from_its_default(
    open_dialog: Callable[[FakeApp], SettingsDialog], tmp_path: Path
) -> None:
    settings = Settings(model="bamboo", port=9000, threads=3, extra_arguments=("--mlock",))
    dialog = open_dialog(FakeApp(make_status(settings=settings), folder=tmp_path))
    there = {name for name, reset in dialog.form.resets.items() if not reset.isHidden()}
    assert there == {"model", "port", "threads", "extra_arguments"}

    for name in there:
        dialog.form.resets[name].click()

    assert all(reset.isHidden() for reset in dialog.form.resets.values())
    assert dialog.form.draft() == {"model": "", "port": 8080, "threads": "auto", "extra_arguments": ""}


def test_a_port_that_someone_has_is_told_at_once_and_not_forbidden(
    qtbot: QtBot, dialog: SettingsDialog, fake: FakeApp
) -> None:
    fake.owners = {9000: (PortOwner("nginx", 812),)}

    dialog.editors["port"].set_value(9000)
    qtbot.waitUntil(lambda: dialog.rows["port"].note.text() == "⚠ Used by nginx (PID 812).")
    assert button(dialog, OK).isEnabled()

    dialog.editors["port"].set_value(9001)
    qtbot.waitUntil(lambda: dialog.rows["port"].note.text().endswith(" · Free"))


def test_the_port_of_a_running_server_is_its_own(
    qtbot: QtBot, open_dialog: Callable[[FakeApp], SettingsDialog], tmp_path: Path
) -> None:
    dialog = open_dialog(FakeApp(make_status(State.READY), folder=tmp_path))

    qtbot.waitUntil(lambda: dialog.rows["port"].note.text().endswith(" · Used by this server"))


def test_threads_go_up_to_the_cores_of_this_machine_or_what_is_set(
    open_dialog: Callable[[FakeApp], SettingsDialog], tmp_path: Path
) -> None:
    dialog = open_dialog(FakeApp(make_status(settings=Settings(threads_batch=32)), folder=tmp_path))
    threads, batch = dialog.editors["threads"], dialog.editors["threads_batch"]
    assert isinstance(threads, Number)
    assert isinstance(batch, Number)

    assert threads.box.maximum() == 8
    assert batch.value() == 32


def test_the_command_line_follows_the_draft(qtbot: QtBot, dialog: SettingsDialog) -> None:
    assert "--ctx-size 16384" in dialog.command.value()  # four slots of 4096

    dialog.editors["ctx_size"].set_value(1024)

    qtbot.waitUntil(lambda: "--ctx-size 4096" in dialog.command.value())


def test_a_setting_that_the_engine_does_not_know_is_grey_and_says_why(
    qtbot: QtBot,
    fake: FakeApp,
    open_dialog: Callable[[FakeApp], SettingsDialog],
    photograph: Callable[[QWidget, str], None],
) -> None:
    fake.engine = POWERINFER
    dialog = open_dialog(fake)
    dialog.show()
    qtbot.waitUntil(lambda: not dialog.editors["ctx_size"].isEnabled())
    assert dialog.rows["ctx_size"].note.text() == "The engine that runs this model does not have this option."
    photograph(dialog, "settings-without-effect")


def test_a_restart_is_announced(
    qtbot: QtBot, open_dialog: Callable[[FakeApp], SettingsDialog], tmp_path: Path
) -> None:
    running = make_snapshot(State.READY, plan=make_plan(Settings(model="bamboo")))
    dialog = open_dialog(FakeApp(make_status(State.READY, engine=running), folder=tmp_path))
    assert dialog.consequence.text() == ""

    dialog.editors["ctx_size"].set_value(1024)
    qtbot.waitUntil(lambda: dialog.consequence.text() == "1 change. The model will be loaded again.")

    dialog.editors["ctx_size"].set_value("auto")
    dialog.editors["temperature"].set_value(0.1)
    qtbot.waitUntil(lambda: dialog.consequence.text() == "1 change.")


def test_what_cannot_be_started_yet_is_told_and_not_forbidden(
    open_dialog: Callable[[FakeApp], SettingsDialog], tmp_path: Path
) -> None:
    dialog = open_dialog(FakeApp(make_status(settings=Settings(model="tiny")), folder=tmp_path))

    assert dialog.command.value() == "Tiny has not been downloaded yet"
    assert dialog.rows["model"].note.text() == "⚠ Tiny has not been downloaded yet"
    assert button(dialog, OK).isEnabled()


@pytest.mark.parametrize(
    ("host", "engine", "reason"),
    [
        (make_host(system=System.MACOS, machine="arm64"), POWERINFER, "Apple silicon shares its memory"),
        (make_host(), POWERINFER, "This computer has no NVIDIA graphics card"),
        (
            make_host(gpu=True),
            make_engine(),
            "The engine that runs this model does not support a graphics memory limit",
        ),
        (make_host(gpu=True), POWERINFER, ""),
        (make_host(), llama_server(), "The engine that runs this model does not use a graphics card"),
        (make_host(), llama_server(EngineDevice("AMD Radeon", 8 << 30, "Vulkan0")), ""),
    ],
)
def test_the_vram_budget_is_grey_where_it_means_nothing_and_says_why(
    qtbot: QtBot,
    open_dialog: Callable[[FakeApp], SettingsDialog],
    tmp_path: Path,
    host: Host,
    engine: object,
    reason: str,
) -> None:
    fake = FakeApp(
        make_status(settings=Settings(model="bamboo", vram_budget=2.5)), host=host, folder=tmp_path
    )
    fake.engine = engine  # type: ignore[assignment]

    dialog = open_dialog(fake)
    editor = dialog.editors["vram_budget"]

    qtbot.waitUntil(lambda: editor.isEnabled() is (reason == ""))
    assert dialog.rows["vram_budget"].note.text().startswith(reason)
    assert editor.value() == 2.5


@pytest.mark.parametrize("name", ["threads", "threads_batch"])
def test_the_threads_are_grey_for_a_sparse_model_say_why_and_keep_their_value(
    qtbot: QtBot,
    open_dialog: Callable[[FakeApp], SettingsDialog],
    tmp_path: Path,
    name: str,
) -> None:
    fake = FakeApp(
        make_status(settings=Settings(model="bamboo", threads=3, threads_batch=3)), folder=tmp_path
    )

    dialog = open_dialog(fake)
    editor = dialog.editors[name]

    qtbot.waitUntil(lambda: not editor.isEnabled())
    assert dialog.rows[name].note.text() == ONE_THREAD
    assert editor.value() == 3
    dialog.editors["model"].set_value("test")  # a dense one
    qtbot.waitUntil(editor.isEnabled)


def show_active(qtbot: QtBot, dialog: SettingsDialog) -> None:
    with qtbot.waitActive(dialog):
        dialog.show()


def found(dialog: SettingsDialog) -> set[str]:
    """The settings and keys that can be seen."""
    return {name for name, row in dialog.rows.items() if row.isVisible()}


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("context size", {"ctx_size"}),
        ("CTX_SIZE", {"ctx_size"}),
        ("num_ctx", {"ctx_size"}),
        ("unload", {"memory_budget", "idle_minutes"}),
        ("mirror", {"hf_endpoint", "engines_address", "updates_address"}),
        ("  CORS ", {"allowed_origins", "refused_origins"}),
        ("token hugging", {"huggingface.co", "hf_endpoint"}),
        ("français", {"language"}),
        ("francais", {"language"}),
        ("prometheus", {"metrics"}),
        ("vram", {"vram_budget"}),
        ("xyzzy", set()),
    ],
)
def test_settings_of_all_groups_are_found_by_whatever_they_are_called(
    dialog: SettingsDialog, typed: str, names: set[str]
) -> None:
    dialog.show()

    dialog.groups.search.setText(typed)

    assert found(dialog) == names
    assert dialog.groups.nothing.isVisible() is (not names)


def test_the_command_line_is_found_too(dialog: SettingsDialog) -> None:
    dialog.show()
    assert not dialog.command.isVisible()

    dialog.groups.search.setText("command line")

    assert dialog.command.isVisible()
    assert found(dialog) == {"extra_arguments", "language"}  # the terminal's language is English


def test_a_search_begins_and_ends_with_the_keyboard(
    qtbot: QtBot, dialog: SettingsDialog, fake: FakeApp
) -> None:
    show_active(qtbot, dialog)
    dialog.groups.open("network")
    QTest.keyClick(dialog, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert dialog.focusWidget() is dialog.groups.search

    QTest.keyClicks(dialog.groups.search, "temperature")
    QTest.keyClick(dialog.groups.search, Qt.Key.Key_Return)
    assert dialog.editors["temperature"].isAncestorOf(dialog.focusWidget())
    assert not [call for call in fake.calls if call[0] == "apply"]

    QTest.keyClick(dialog.groups.search, Qt.Key.Key_Escape)
    assert dialog.isVisible()
    assert dialog.groups.search.text() == ""
    assert "network" in found(dialog)
    QTest.keyClick(dialog.groups.search, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_a_group_that_is_chosen_ends_a_search(dialog: SettingsDialog) -> None:
    dialog.show()
    dialog.groups.search.setText("temperature")

    QTest.keyClick(dialog.groups.list, Qt.Key.Key_Down)

    assert dialog.groups.search.text() == ""
    assert dialog.groups.current == GROUPS[1]
    assert "ctx_size" in found(dialog)
    assert "temperature" not in found(dialog)


def test_what_was_found_is_counted_for_a_screen_reader(dialog: SettingsDialog, said: list[str]) -> None:
    dialog.show()

    dialog.groups.search.setText("mirror")

    assert said[-1] == "3 settings found"


def test_rows_that_few_people_need_are_folded_until_someone_unfolds_them(dialog: SettingsDialog) -> None:
    dialog.show()
    dialog.groups.open("network")
    fold = dialog.groups.groups["network"].fold_button
    assert found(dialog) == {"network", "gateway", "port"}

    QTest.keyClick(fold, Qt.Key.Key_Space)
    assert {"allowed_origins", "metrics"} <= found(dialog)
    dialog.groups.open("general")
    dialog.groups.open("network")
    assert {"allowed_origins", "metrics"} <= found(dialog)

    fold.click()
    assert found(dialog) == {"network", "gateway", "port"}


def test_a_folded_row_with_a_problem_is_shown(dialog: SettingsDialog) -> None:
    dialog.show()
    dialog.groups.open("network")
    dialog.editors["allowed_origins"].set_value("example.net")

    assert "allowed_origins" in found(dialog)
    assert "metrics" not in found(dialog)
    assert dialog.groups.list.item(GROUPS.index("network")).text() == "⚠ Network & access"


def test_a_remote_server_is_asked_about_where_one_is_chosen(dialog: SettingsDialog) -> None:
    dialog.show()
    dialog.groups.open("speed")
    assert not {"remote_url", "remote_model", "remote"} & found(dialog)

    dialog.editors["engine"].set_value("remote")

    assert {"remote_url", "remote_model", "remote"} <= found(dialog)


def test_a_setting_without_effect_is_hidden_until_someone_looks_for_it(
    qtbot: QtBot, dialog: SettingsDialog
) -> None:
    dialog.show()
    dialog.groups.open("speed")
    qtbot.waitUntil(lambda: "threads" not in found(dialog))

    dialog.groups.search.setText("threads")
    assert "threads" in found(dialog)
    assert dialog.rows["threads"].note.text() == str(ONE_THREAD)

    dialog.groups.search.clear()
    dialog.point_at("threads")
    assert "threads" in found(dialog)
    dialog.groups.open("general")
    dialog.groups.open("speed")
    assert "threads" not in found(dialog)


def test_an_explanation_is_reached_with_the_keyboard_and_read_out(
    dialog: SettingsDialog, said: list[str]
) -> None:
    dialog.show()
    dialog.point_at("ctx_size")
    row = dialog.rows["ctx_size"]
    QTest.keyClick(dialog.focusWidget(), Qt.Key.Key_Backtab)
    assert dialog.focusWidget() is row.more_button
    assert row.more_button.accessibleName() == "More about: Context size"

    QTest.keyClick(row.more_button, Qt.Key.Key_Space)

    assert row.details is not None
    assert row.details.isVisible()
    assert said == [row.details.text()]
    QTest.keyClick(row.more_button, Qt.Key.Key_Space)
    assert not row.details.isVisible()


@pytest.mark.parametrize("what", [*ALL_FIELDS, *KEYS], ids=lambda what: what.name)
def test_a_row_has_no_more_than_a_few_words(what: Field | Key) -> None:
    assert 0 < len(str(what.help).split()) <= 8
    assert not str(what.help).endswith(".")


def test_the_wheel_that_scrolls_past_a_field_changes_nothing(qtbot: QtBot, dialog: SettingsDialog) -> None:
    show_active(qtbot, dialog)
    dialog.groups.open("network")
    port = dialog.editors["port"]
    assert isinstance(port, Number)
    at = QPointF(5, 5)
    turned = QWheelEvent(
        at, at, QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip

    QCoreApplication.sendEvent(port.box, turned)
    assert port.value() == 8080
    port.setFocus()
    QCoreApplication.sendEvent(port.box, turned)
    assert port.value() == 8081


def test_every_row_fits_a_small_window_and_what_has_the_keyboard_is_scrolled_to(
    qtbot: QtBot, dialog: SettingsDialog
) -> None:
    dialog.resize(680, 350)  # of a screen with 1366 by 768 pixels, at 200 %
    dialog.show()
    area = dialog.groups._area
    content = area.widget()
    assert content is not None
    for field in FIELDS:
        dialog.point_at(field.name)
        row = dialog.rows[field.name]
        qtbot.waitUntil(lambda row=row: not row.visibleRegion().isEmpty())  # type: ignore[misc]
        qtbot.waitUntil(lambda: content.width() <= area.viewport().width())


def test_every_field_has_a_name_and_a_description_for_a_screen_reader(dialog: SettingsDialog) -> None:
    for field in FIELDS:
        main = dialog.editors[field.name].focusProxy()

        assert main is not None
        assert main.accessibleName() == field.title
        assert main.accessibleDescription()


def test_pictures_of_the_dialog(
    qtbot: QtBot,
    open_dialog: Callable[[FakeApp], SettingsDialog],
    tmp_path: Path,
    photograph: Callable[[QWidget, str], None],
) -> None:
    running = make_snapshot(State.READY, plan=make_plan(Settings(model="bamboo")))
    mac = make_host(system=System.MACOS, machine="arm64")
    dialog = open_dialog(FakeApp(make_status(State.READY, engine=running), host=mac, folder=tmp_path))
    dialog.show()
    dialog.editors["ctx_size"].set_value(1024)
    qtbot.waitUntil(lambda: dialog.consequence.text() != "")
    photograph(dialog, "settings-changed")

    dialog.editors["engine"].set_value("my-server")
    for group in GROUPS:
        dialog.groups.groups[group].fold_button.setChecked(True)
        dialog.groups.open(group)
        photograph(dialog, f"settings-{group}")
