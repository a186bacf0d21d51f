"""The settings dialog for one model: whose each value is, what is changed, and the way back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace
from PySide6.QtWidgets import QDialogButtonBox

from tests.fakes.app import FakeApp, make_engine, make_plan, make_snapshot, make_status
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.lifecycle import State
from tray_app.settings.fields import ALL_FIELDS, FIELDS, MODEL_FIELDS
from tray_app.settings.model_settings import with_own
from tray_app.settings.schema import Scope, Settings
from tray_app.ui.bridge import Bridge
from tray_app.ui.dialogs.settings import SettingsDialog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tray_app.ui.languages import Languages

SETTINGS = with_own(
    Settings(model="bamboo", threads=2), "test", {"ctx_size": 1024, "aliases": ("gpt-4o-mini",)}
)
OK = QDialogButtonBox.StandardButton.Ok
APPLY = QDialogButtonBox.StandardButton.Apply


@pytest.fixture
def open_dialog(qtbot: QtBot) -> Iterator[Callable[[FakeApp], SettingsDialog]]:
    bridges: list[Bridge] = []

    def open_on(fake: FakeApp) -> SettingsDialog:
        bridges.append(Bridge(fake))
        dialog = SettingsDialog(bridges[-1])
        qtbot.addWidget(dialog)
        dialog.show()
        qtbot.waitUntil(lambda: dialog.command.value() != "" and dialog.subject.box.count() > 1)
        return dialog

    yield open_on
    for bridge in bridges:
        bridge.close(timeout_s=5)


@pytest.fixture
def fake(tmp_path: Path) -> FakeApp:
    return FakeApp(make_status(settings=SETTINGS), folder=tmp_path)


@pytest.fixture
def dialog(fake: FakeApp, open_dialog: Callable[[FakeApp], SettingsDialog]) -> SettingsDialog:
    return open_dialog(fake)


def shown(dialog: SettingsDialog) -> set[str]:
    """The settings that can be seen in one of the groups."""
    names = set()
    for group in dialog.groups.shown():
        dialog.groups.groups[group].fold_button.setChecked(True)
        dialog.groups.open(group)
        names |= {name for name, editor in dialog.editors.items() if editor.isVisible()}
    return names


USELESS = {"remote_url", "remote_model", "vram_budget", "threads_batch"}
"""Without a remote server, without a graphics card and with a sparse model; its threads are changed."""
USELESS_TO_A_REGULAR_MODEL = {"vram_budget", "workers"}


def mark(dialog: SettingsDialog, name: str) -> str:
    """What is said of where a setting's value comes from."""
    badge = dialog.rows[name].mark
    return badge.text() if badge else ""


def note(dialog: SettingsDialog, name: str) -> str:
    return dialog.rows[name].note.text()


def test_all_models_or_one_can_be_chosen(qtbot: QtBot, dialog: SettingsDialog) -> None:
    box = dialog.subject.box
    assert box.currentText() == "All models"
    assert {box.itemText(row) for row in range(box.count())} == {
        "All models",
        "Built-in test model",
        "Bamboo 7B Q4_0",
    }
    assert shown(dialog) == {field.name for field in FIELDS} - USELESS

    dialog.subject.choose("test")
    qtbot.waitUntil(lambda: "test.gguf" in dialog.command.value())
    assert shown(dialog) == {field.name for field in MODEL_FIELDS} - USELESS_TO_A_REGULAR_MODEL
    assert not any(editor.isVisible() for editor in dialog.keys.values())

    dialog.subject.choose("")
    qtbot.waitUntil(lambda: shown(dialog) == {field.name for field in FIELDS} - USELESS)


def test_a_model_that_is_not_installed_but_has_settings_is_offered(
    open_dialog: Callable[[FakeApp], SettingsDialog], tmp_path: Path
) -> None:
    settings = with_own(SETTINGS, "gone", {"threads": 4})
    dialog = open_dialog(FakeApp(make_status(settings=settings), folder=tmp_path))
    box = dialog.subject.box

    assert "gone (not installed)" in {box.itemText(row) for row in range(box.count())}


def test_each_field_says_whose_its_value_is(dialog: SettingsDialog) -> None:
    dialog.subject.choose("test")

    assert dialog.editors["ctx_size"].value() == 1024
    assert mark(dialog, "ctx_size") == "This model only"
    assert mark(dialog, "threads") == ""
    assert dialog.editors["threads"].value() == 2
    assert dialog.editors["aliases"].value() == "gpt-4o-mini"
    assert mark(dialog, "pooling") == ""
    described = dialog.editors["ctx_size"].focusProxy()
    assert described
    assert described.accessibleDescription().startswith("This model only\n")
    like_all = dialog.editors["threads"].focusProxy()
    assert like_all
    assert like_all.accessibleDescription().startswith("Same as for all models\n")
    assert dialog.form.resets["ctx_size"].isVisibleTo(dialog)
    assert not dialog.form.resets["threads"].isVisibleTo(dialog)


def test_what_is_changed_for_a_model_is_its_own_and_a_button_takes_it_back(
    qtbot: QtBot, dialog: SettingsDialog, fake: FakeApp
) -> None:
    dialog.subject.choose("test")
    dialog.editors["threads"].set_value(3)
    reset = dialog.form.resets["threads"]

    assert mark(dialog, "threads") == "This model only"
    assert (reset.toolTip(), reset.accessibleName()) == (
        "Same as for all models",
        "Same as for all models: Threads",
    )
    assert dialog.form.draft() == {"threads": 3}
    reset.click()
    assert dialog.form.draft() == {}
    assert dialog.editors["threads"].value() == 2

    dialog.editors["threads"].set_value(3)
    dialog.form.resets["ctx_size"].click()
    assert dialog.form.draft() == {"threads": 3, "ctx_size": None}
    dialog.apply()
    qtbot.waitUntil(
        lambda: fake.store.current.models == {"test": {"threads": 3, "aliases": ("gpt-4o-mini",)}}
    )
    assert fake.store.current.threads == 2
    qtbot.waitUntil(lambda: dialog.form.drafts() == {})
    assert dialog.editors["threads"].value() == 3
    assert mark(dialog, "threads") == "This model only"


def test_what_was_changed_is_kept_while_another_model_is_shown_and_saved_as_a_whole(
    qtbot: QtBot, dialog: SettingsDialog, fake: FakeApp
) -> None:
    dialog.editors["port"].set_value(9000)
    dialog.editors["threads"].set_value(6)
    dialog.subject.choose("test")
    dialog.editors["temperature"].set_value(0.1)
    dialog.subject.choose("bamboo")
    dialog.editors["ctx_size"].set_value(2048)

    dialog.subject.choose("")
    assert (dialog.editors["port"].value(), dialog.editors["temperature"].value()) == (9000, 0.7)
    dialog.subject.choose("test")
    assert dialog.editors["temperature"].value() == 0.1
    dialog.apply()

    def saved() -> bool:
        current = fake.store.current
        return (current.port, current.threads, current.temperature) == (9000, 6, 0.7)

    qtbot.waitUntil(saved)
    assert fake.store.current.models["bamboo"] == {"ctx_size": 2048}
    assert fake.store.current.models["test"]["temperature"] == 0.1


def test_a_value_equal_to_that_for_all_can_be_a_models_own(dialog: SettingsDialog) -> None:
    dialog.subject.choose("test")
    dialog.editors["threads"].set_value(3)
    dialog.editors["threads"].set_value(2)
    dialog.subject.choose("")
    dialog.subject.choose("test")

    assert dialog.form.draft() == {"threads": 2}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("aliases", "a, /b", "looks like a path"),
        ("aliases", "GPT-4o-mini", "The model test has the same name."),
        ("aliases", "test", "It is the ID of another model, test."),
        ("engine", "remote", "chosen for all"),
        ("engine", "my-server", "full path of a program"),
    ],
)
def test_what_a_model_cannot_have_is_told_at_its_field_and_not_saved(
    dialog: SettingsDialog, name: str, value: str, told: str
) -> None:
    dialog.subject.choose("bamboo")
    dialog.editors[name].set_value(value)

    assert told in note(dialog, name)
    assert not dialog.buttons.button(OK).isEnabled()
    dialog.subject.choose("")
    box = dialog.subject.box
    assert box.itemText(box.findData("bamboo")) == "⚠ Bamboo 7B Q4_0"
    assert not dialog.buttons.button(OK).isEnabled()
    assert told not in note(dialog, "engine")
    dialog.subject.choose("bamboo")
    dialog.form.resets[name].click()
    assert dialog.form.drafts() == {}
    assert box.itemText(box.findData("bamboo")) == "Bamboo 7B Q4_0"


def test_the_command_line_is_that_of_the_model_that_is_shown(qtbot: QtBot, dialog: SettingsDialog) -> None:
    assert "bamboo" in dialog.command.value()

    dialog.subject.choose("test")

    qtbot.waitUntil(lambda: "test.gguf" in dialog.command.value())
    assert "--ctx-size 4096" in dialog.command.value()  # four slots of 1024


def test_only_a_change_that_concerns_the_served_model_announces_a_restart(
    qtbot: QtBot, open_dialog: Callable[[FakeApp], SettingsDialog], tmp_path: Path
) -> None:
    running = make_snapshot(State.READY, plan=make_plan(SETTINGS))
    dialog = open_dialog(
        FakeApp(make_status(State.READY, engine=running, settings=SETTINGS), folder=tmp_path)
    )
    dialog.subject.choose("test")
    dialog.editors["ctx_size"].set_value(2048)
    qtbot.waitUntil(lambda: "--ctx-size 8192" in dialog.command.value())
    assert dialog.consequence.text() == "1 change."

    dialog.subject.choose("bamboo")
    dialog.editors["ctx_size"].set_value(1024)
    qtbot.waitUntil(lambda: dialog.consequence.text() == "2 changes. The model will be loaded again.")


def test_a_setting_for_all_can_be_pointed_at_from_a_model(dialog: SettingsDialog) -> None:
    dialog.subject.choose("test")
    dialog.point_at("ctx_size")
    assert dialog.subject.value() == "test"

    dialog.point_at("port")

    assert dialog.subject.value() == ""
    assert dialog.groups.current == "network"


def test_what_changes_elsewhere_is_followed_and_what_was_typed_stays(
    qtbot: QtBot, dialog: SettingsDialog, fake: FakeApp
) -> None:
    dialog.subject.choose("test")
    dialog.editors["threads"].set_value(3)

    fake.show(make_status(settings=with_own(SETTINGS, "test", {"ctx_size": 2048, "temperature": 0.2})))

    qtbot.waitUntil(lambda: dialog.editors["ctx_size"].value() == 2048)
    assert mark(dialog, "temperature") == "This model only"
    assert dialog.form.draft() == {"threads": 3}


def test_a_dialog_in_another_language_takes_all_of_it_over(
    dialog: SettingsDialog, fake: FakeApp, open_dialog: Callable[[FakeApp], SettingsDialog]
) -> None:
    dialog.editors["port"].set_value(9000)
    dialog.subject.choose("test")
    dialog.editors["threads"].set_value(3)
    new = open_dialog(fake)

    new.take_over(dialog)

    assert new.subject.value() == "test"
    assert new.form.drafts() == {"": {"port": 9000}, "test": {"threads": 3}}


def test_every_field_of_a_model_has_a_name_and_a_description_for_a_screen_reader(
    dialog: SettingsDialog,
) -> None:
    dialog.subject.choose("test")
    for field in MODEL_FIELDS:
        main = dialog.editors[field.name].focusProxy()

        assert main is not None
        assert main.accessibleName() == field.title
        assert main.accessibleDescription()
    assert dialog.subject.box.accessibleName() == "Settings for"
    assert {field.name for field in ALL_FIELDS if field.scope is Scope.ONE} == {
        "aliases",
        "pooling",
        "projector",
        "shorter_vectors",
        "prefix_query",
        "prefix_document",
        "workers",
        "keep_loaded",
    }


@pytest.mark.parametrize("language", ["en", "fr", "ja"])
def test_pictures_of_a_models_settings(
    qtbot: QtBot,
    open_dialog: Callable[[FakeApp], SettingsDialog],
    fake: FakeApp,
    languages: Languages,
    photograph: Callable[[QWidget, str], None],
    language: str,
) -> None:
    languages.use(language)
    fake.engine = make_engine(EngineKind.LLAMA_SERVER)
    dialog = open_dialog(fake)
    dialog.subject.choose("test")
    qtbot.waitUntil(lambda: "test.gguf" in dialog.command.value())
    photograph(dialog, f"settings-of-a-model-{language}")
    dialog.groups.open("speed")
    photograph(dialog, f"settings-of-a-model-engine-{language}")


def test_what_the_catalogue_knows_is_shown_as_such_and_comes_back_when_a_models_own_goes(
    fake: FakeApp, open_dialog: Callable[[FakeApp], SettingsDialog]
) -> None:
    prefix = "Instruct: find\nQuery:"
    entry = replace(fake.library.catalog[1], prefix_query=prefix, pooling="cls")
    fake.library.models = tuple(
        dataclasses.replace(model, entry=entry) if model.id == "bamboo" else model
        for model in fake.library.models
    )
    dialog = open_dialog(fake)
    dialog.subject.choose("bamboo")

    assert dialog.editors["prefix_query"].value() == prefix
    assert dialog.editors["pooling"].value() == "cls"
    assert mark(dialog, "prefix_query") == "From the catalog"
    assert mark(dialog, "prefix_document") == ""
    assert not dialog.form.resets["prefix_query"].isVisibleTo(dialog)
    assert dialog.form.draft() == {}

    dialog.editors["prefix_query"].set_value("")
    assert dialog.form.draft() == {"prefix_query": ""}
    assert mark(dialog, "prefix_query") == ""

    dialog.form.resets["prefix_query"].click()
    assert dialog.editors["prefix_query"].value() == prefix
    assert dialog.form.draft() == {}
