from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QContextMenuEvent, QDropEvent, QKeySequence, QTextDocument
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton

from tests.fakes.app import CATALOG, MODELS, make_model, make_plan, make_progress, make_snapshot, make_status
from tests.fakes.bridges import settle
from tests.fakes.models_shown import many_models
from tests.ui.test_accessibility import nameless, unreachable
from tray_app.app.start_job import StartCalledOffError
from tray_app.download.progress import Phase
from tray_app.engine.lifecycle import State
from tray_app.errors import DownloadError, ErrorCode, ModelError
from tray_app.models.import_modes import How
from tray_app.models.integrity import Check
from tray_app.models.memory import Fit
from tray_app.models.model import Unusable
from tray_app.models.model_files import Partial
from tray_app.models.outdated import Comparison, Freshness
from tray_app.models.removal import NotDiscardedError
from tray_app.settings.schema import Settings
from tray_app.ui.dialogs.import_files import ImportDialog
from tray_app.ui.dialogs.model_information import ModelInformation
from tray_app.ui.dialogs.quantize import QuantizeDialog
from tray_app.ui.pages.models import ModelsPage
from tray_app.ui.presenters.model_list import Sorting, menu_of
from tray_app.ui.presenters.models import ModelAction
from tray_app.ui.presenters.notices import Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.models.model import Contents
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.pages.installed import InstalledPanel
    from tray_app.ui.presenters.models import ModelRow

INSTALLED = 2
"""So many of the models of the catalogue are here."""


@pytest.fixture
def models(qtbot: QtBot, bridge: Bridge) -> ModelsPage:
    made = ModelsPage(bridge)
    qtbot.addWidget(made)
    qtbot.waitUntil(lambda: len(names(made.installed)) == INSTALLED)
    return made


@pytest.fixture
def page(models: ModelsPage) -> InstalledPanel:
    """The tab with the table."""
    return models.installed


def names(page: InstalledPanel) -> list[str]:
    return [row.name for row in page.table.rows.items]


def state(page: InstalledPanel, name: str) -> str:
    row: ModelRow = page.table.rows.items[names(page).index(name)]
    return row.state


def select(page: InstalledPanel, name: str) -> set[ModelAction]:
    """Go to a row; what can be done with it."""
    row: ModelRow = page.table.rows.items[names(page).index(name)]
    page.table.choose(row.id)
    return {action for group in menu_of(row) for action in group}


def selected(page: InstalledPanel) -> str:
    row = page.current()
    return row.name if row else ""


def press(page: InstalledPanel, label: str) -> None:
    """A button of the dialog that is open, by what stands on it."""
    assert page.controller.dialog is not None
    buttons = page.controller.dialog.findChildren(QPushButton)
    next(button for button in buttons if button.text().replace("&", "") == label).click()


def title(page: InstalledPanel) -> str:
    return "" if page.card.isHidden() else page.card.accessibleName()


def cards(page: InstalledPanel) -> list[QPushButton]:
    return [button for button in page.first_steps.findChildren(QPushButton) if button.accessibleDescription()]


def test_the_models_that_are_here_are_listed(page: InstalledPanel) -> None:
    assert names(page) == ["Bamboo 7B Q4_0", "Built-in test model"]


def test_the_chosen_model_is_selected_at_first(page: InstalledPanel) -> None:
    assert selected(page) == "Bamboo 7B Q4_0"
    row = page.current()
    assert row is not None
    assert row.chosen
    assert [chip.text for chip in page.table.rows.at(0).chips] == ["Default", "Chat", "Q4_0", "Sparse"]


def test_an_installed_model_is_used(qtbot: QtBot, page: InstalledPanel, fake: FakeApp) -> None:
    assert ModelAction.USE in select(page, "Built-in test model")

    page.act(ModelAction.USE)

    qtbot.waitUntil(lambda: fake.calls == [("apply", {"model": "test"})])
    qtbot.waitUntil(lambda: ModelAction.USE in select(page, "Bamboo 7B Q4_0"))
    assert ModelAction.USE not in select(page, "Built-in test model")


@pytest.mark.parametrize(
    ("phase", "action"),
    [
        (Phase.DOWNLOADING, ModelAction.PAUSE),
        (Phase.PAUSED, ModelAction.RESUME),
    ],
)
def test_a_download_is_steered_from_its_row(
    qtbot: QtBot, page: InstalledPanel, bridge: Bridge, fake: FakeApp, phase: Phase, action: ModelAction
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(downloads=(make_progress(phase, number=7),)))
    assert action in select(page, "Tiny")

    page.act(action)

    qtbot.waitUntil(lambda: fake.calls == [(action.value, 7)])


@pytest.mark.parametrize(
    ("label", "call"), [("Cancel and Keep", ("cancel", 7)), ("Cancel and Delete", ("discard", 7))]
)
def test_a_cancelled_download_keeps_or_deletes_what_is_here(
    qtbot: QtBot, page: InstalledPanel, bridge: Bridge, fake: FakeApp, label: str, call: tuple[str, int]
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(downloads=(make_progress(number=7),)))
    select(page, "Tiny")

    page.act(ModelAction.CANCEL)
    press(page, label)

    qtbot.waitUntil(lambda: fake.calls == [call])


def test_a_download_goes_on_if_cancelling_was_a_slip(
    qtbot: QtBot, page: InstalledPanel, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(downloads=(make_progress(number=7),)))
    select(page, "Tiny")

    page.act(ModelAction.CANCEL)
    press(page, "Continue Download")

    assert fake.calls == []


def test_progress_moves_the_bar_and_keeps_the_selection(
    qtbot: QtBot, page: InstalledPanel, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(downloads=(make_progress(received_bytes=1),)))
    select(page, "Tiny")
    for received, permille in ((0, 0), (2_340_000_000, 500), (4_680_000_000, 1000)):
        with qtbot.waitSignal(bridge.status_changed):
            fake.show(make_status(downloads=(make_progress(received_bytes=received),)))

        row = page.current()
        assert row is not None
        assert (row.name, row.permille) == ("Tiny", permille)


def test_a_finished_download_is_looked_up_on_disk(qtbot: QtBot, page: InstalledPanel, fake: FakeApp) -> None:
    fake.library.models += (make_model("Tiny 1.0", "tiny.gguf", sparse=False),)
    fake.show(make_status(downloads=(make_progress(Phase.DONE),)))

    qtbot.waitUntil(lambda: "Tiny 1.0" in names(page))
    assert state(page, "Tiny 1.0") == "Not loaded"


def test_the_first_steps_are_offered_until_a_model_is_chosen(
    qtbot: QtBot, page: InstalledPanel, bridge: Bridge, fake: FakeApp
) -> None:
    assert page.first_steps.isHidden()

    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(model_name=None))

    assert not page.first_steps.isHidden()
    assert [button.accessibleDescription() for button in cards(page)] == [
        "Bamboo 7B Q4_0",
        "Built-in test model",
    ]


def test_try_it_now_chooses_starts_and_leads_on(qtbot: QtBot, page: InstalledPanel, fake: FakeApp) -> None:
    with qtbot.waitSignal(page.navigate, timeout=5000) as lead:
        cards(page)[1].click()

    assert fake.calls == [("apply", {"model": "test"}), ("start_server",)]
    assert lead.args == [Page.EMBEDDINGS]


def test_a_first_start_that_is_canceled_is_no_error(
    qtbot: QtBot, bridge: Bridge, page: InstalledPanel, fake: FakeApp
) -> None:
    fake.refuse("start_server", StartCalledOffError())

    cards(page)[0].click()
    settle(qtbot, bridge)

    assert ("start_server",) in fake.calls
    assert page.card.isHidden()


def test_of_many_files_to_import_the_first_are_named(qtbot: QtBot, page: InstalledPanel) -> None:
    page.controller.import_files([Path(f"/models/part {number}.gguf") for number in range(200)])

    dialog = page.controller.dialog
    assert isinstance(dialog, ImportDialog)
    qtbot.addWidget(dialog)
    titles = [label.text() for label in dialog.findChildren(QLabel) if "part 0.gguf" in label.text()]
    assert [title.splitlines()[-1] for title in titles] == ["…"]
    assert dialog.sizeHint().height() < 700


def test_the_recommended_model_is_chosen_and_started(
    qtbot: QtBot, page: InstalledPanel, fake: FakeApp
) -> None:
    cards(page)[0].click()

    qtbot.waitUntil(lambda: fake.calls == [("apply", {}), ("start_server",)])


def test_a_model_is_loaded_and_unloaded_by_the_same_place(
    qtbot: QtBot, page: InstalledPanel, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY))
    assert ModelAction.UNLOAD not in select(page, "Built-in test model")
    page.table.press("test")
    fake.wait_for_call("load_model", "test")

    assert state(page, "Bamboo 7B Q4_0") == "Loaded"
    assert ModelAction.LOAD not in select(page, "Bamboo 7B Q4_0")
    page.table.press("bamboo")
    fake.wait_for_call("unload_model", "bamboo")


def test_a_model_that_is_loaded_while_the_server_is_stopped_becomes_the_chosen_one(
    qtbot: QtBot, page: InstalledPanel, fake: FakeApp
) -> None:
    select(page, "Built-in test model")
    page.act(ModelAction.LOAD)

    qtbot.waitUntil(lambda: fake.calls == [("apply", {"model": "test"}), ("start_server",)])


def test_a_model_is_only_chosen_while_the_server_is_on_another_machine(
    qtbot: QtBot, page: InstalledPanel, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY, settings=Settings(model="bamboo", engine="remote")))
    select(page, "Built-in test model")
    page.act(ModelAction.LOAD)

    qtbot.waitUntil(lambda: fake.calls == [("apply", {"model": "test"})])


def test_verifying_shows_how_far_it_is_and_what_came_of_it(
    qtbot: QtBot, page: InstalledPanel, fake: FakeApp
) -> None:
    select(page, "Bamboo 7B Q4_0")
    page.act(ModelAction.VERIFY)
    qtbot.waitUntil(lambda: state(page, "Bamboo 7B Q4_0") == "Checking 50 %")
    fake.models.go_on.set()

    qtbot.waitUntil(lambda: title(page) == "Bamboo 7B Q4_0 is in order")

    assert page.card.accessibleDescription() == "Every byte is as it was downloaded."
    assert state(page, "Bamboo 7B Q4_0") == "Not loaded"


def test_a_check_of_the_header_alone_does_not_claim_more(
    qtbot: QtBot, page: InstalledPanel, fake: FakeApp
) -> None:
    fake.models.check = Check.HEADER
    fake.models.go_on.set()
    select(page, "Bamboo 7B Q4_0")
    page.act(ModelAction.VERIFY)

    qtbot.waitUntil(lambda: page.card.accessibleDescription().startswith("Header and size are right."))


def test_a_damaged_model_is_told(qtbot: QtBot, page: InstalledPanel, fake: FakeApp) -> None:
    fake.refuse(
        "verify",
        ModelError(
            ErrorCode.MODEL_FILE_DAMAGED, "The model file bamboo.gguf is damaged", "Its SHA-256 …", "Again."
        ),
    )
    select(page, "Bamboo 7B Q4_0")
    page.act(ModelAction.VERIFY)

    qtbot.waitUntil(lambda: title(page) == "The model file bamboo.gguf is damaged")


def test_verifying_is_called_off_and_says_nothing(qtbot: QtBot, page: InstalledPanel, fake: FakeApp) -> None:
    select(page, "Bamboo 7B Q4_0")
    page.act(ModelAction.VERIFY)
    qtbot.waitUntil(lambda: ModelAction.CANCEL in select(page, "Bamboo 7B Q4_0"))
    page.act(ModelAction.CANCEL)

    qtbot.waitUntil(lambda: state(page, "Bamboo 7B Q4_0") == "Not loaded")
    assert fake.models.called_off.is_set()
    assert title(page) == ""


def test_work_ends_with_the_app(qtbot: QtBot, page: InstalledPanel, bridge: Bridge, fake: FakeApp) -> None:
    select(page, "Bamboo 7B Q4_0")
    page.act(ModelAction.VERIFY)
    qtbot.waitUntil(lambda: state(page, "Bamboo 7B Q4_0") == "Checking 50 %")

    bridge.closing.set()

    qtbot.waitUntil(fake.models.called_off.is_set)


def test_a_model_is_moved_to_the_trash_when_that_is_wanted(
    qtbot: QtBot, page: InstalledPanel, fake: FakeApp
) -> None:
    select(page, "Bamboo 7B Q4_0")
    page.act(ModelAction.REMOVE)
    press(page, "Keep")
    assert fake.calls == []

    page.act(ModelAction.REMOVE)
    press(page, "Move to Trash")

    qtbot.waitUntil(lambda: fake.calls == [("remove_model", str(MODELS / "bamboo.gguf"), False)])
    qtbot.waitUntil(lambda: state(page, "Bamboo 7B Q4_0") == "Not downloaded")


def test_of_a_model_that_is_being_served_the_question_says_so(
    qtbot: QtBot,
    page: InstalledPanel,
    bridge: Bridge,
    fake: FakeApp,
    photograph: Callable[[QWidget, str], None],
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY, engine=make_snapshot(State.READY, plan=make_plan())))
    select(page, "Bamboo 7B Q4_0")

    page.act(ModelAction.REMOVE)

    assert page.controller.dialog is not None
    assert "will be stopped first" in page.controller.dialog.informativeText()  # type: ignore[attr-defined]
    photograph(page.controller.dialog, "models-remove")
    press(page, "Keep")


def test_where_there_is_no_trash_it_can_be_deleted_for_good(
    qtbot: QtBot, page: InstalledPanel, fake: FakeApp
) -> None:
    fake.refuse(
        "remove_model",
        NotDiscardedError(ErrorCode.MODEL_NOT_REMOVED, "bamboo.gguf could not be removed", "No trash."),
    )
    select(page, "Bamboo 7B Q4_0")
    page.act(ModelAction.REMOVE)
    press(page, "Move to Trash")
    qtbot.waitUntil(lambda: title(page) == "bamboo.gguf could not be removed")

    (button,) = page.card.findChildren(QPushButton)
    button.click()

    qtbot.waitUntil(lambda: ("remove_model", str(MODELS / "bamboo.gguf"), True) in fake.calls)


def test_what_a_forgotten_download_has_left_is_deleted(
    qtbot: QtBot, page: InstalledPanel, fake: FakeApp
) -> None:
    fake.library.partials = (Partial(MODELS / "old.gguf.part", MODELS / "old.gguf", 2_000_000),)
    look_again(qtbot, page, fake, "old")
    select(page, "old")
    page.act(ModelAction.REMOVE)
    press(page, "Delete")

    qtbot.waitUntil(lambda: fake.calls == [("discard_partial", MODELS / "old.gguf")])


@pytest.mark.parametrize("how", How)
def test_files_that_are_dropped_are_imported_as_chosen(
    qtbot: QtBot, models: ModelsPage, page: InstalledPanel, fake: FakeApp, how: How
) -> None:
    drop(models, QUrl.fromLocalFile("/elsewhere/mine.gguf"))
    dialog = page.controller.dialog
    assert isinstance(dialog, ImportDialog)
    dialog.choices[how].setChecked(True)
    press(page, "Import")

    qtbot.waitUntil(lambda: "mine.gguf" in names(page) and state(page, "mine.gguf") == "Importing 50 %")
    assert fake.calls == [("import", Path("/elsewhere/mine.gguf"), how)]
    fake.models.go_on.set()

    qtbot.waitUntil(lambda: "mine" in names(page))
    qtbot.waitUntil(lambda: selected(page) == "mine")


def test_a_file_that_is_dropped_is_not_taken_from_where_it_was(
    models: ModelsPage, page: InstalledPanel
) -> None:
    assert drop(models, QUrl.fromLocalFile("/elsewhere/mine.gguf")) is Qt.DropAction.CopyAction
    press(page, "Cancel")


def test_what_is_there_already_is_not_imported_over(
    qtbot: QtBot, models: ModelsPage, page: InstalledPanel, fake: FakeApp
) -> None:
    fake.refuse(
        "import", ModelError(ErrorCode.FILE_EXISTS, "bamboo.gguf already exists", "It stays as it is.")
    )
    drop(models, QUrl.fromLocalFile("/elsewhere/bamboo.gguf"))
    press(page, "Import")

    qtbot.waitUntil(lambda: title(page) == "bamboo.gguf already exists")
    assert state(page, "Bamboo 7B Q4_0") == "Not loaded"


def test_a_model_is_made_smaller(
    qtbot: QtBot, page: InstalledPanel, fake: FakeApp, photograph: Callable[[QWidget, str], None]
) -> None:
    select(page, "Bamboo 7B Q4_0")
    page.act(ModelAction.QUANTIZE)
    dialog = page.controller.dialog
    assert isinstance(dialog, QuantizeDialog)
    qtbot.waitUntil(lambda: dialog.types.count() == 2)
    assert (dialog.types.currentText(), dialog.name.text()) == ("Q4_0", "bamboo.Q4_0.gguf")
    assert dialog.focusWidget() is dialog.types  # and not Cancel: Enter quantizes
    photograph(dialog, "models-quantize")

    press(page, "Quantize")
    qtbot.waitUntil(
        lambda: "bamboo.Q4_0.gguf" in names(page) and state(page, "bamboo.Q4_0.gguf") == "Quantizing 50 %"
    )
    assert selected(page) == "bamboo.Q4_0.gguf"
    page.act(ModelAction.CANCEL)

    qtbot.waitUntil(lambda: "bamboo.Q4_0.gguf" not in names(page))
    assert fake.calls[-1] == ("quantize", "bamboo", MODELS / "bamboo.Q4_0.gguf", "Q4_0")
    assert fake.models.called_off.is_set()


def test_what_does_not_fit_the_disk_or_has_no_name_is_not_begun(qtbot: QtBot, page: InstalledPanel) -> None:
    select(page, "Bamboo 7B Q4_0")
    page.act(ModelAction.QUANTIZE)
    dialog = page.controller.dialog
    assert isinstance(dialog, QuantizeDialog)
    qtbot.waitUntil(dialog.quantize_button.isEnabled)

    dialog.types.setCurrentText("F16")
    assert dialog.space.text() == "60.0 GB needed, 20.0 GB free: 40.0 GB short"
    assert not dialog.quantize_button.isEnabled()
    dialog.types.setCurrentText("Q4_0")
    assert dialog.quantize_button.isEnabled()
    dialog.name.setText("../elsewhere.gguf")
    assert not dialog.quantize_button.isEnabled()


def test_without_a_program_that_quantizes_the_dialog_says_what_helps(
    qtbot: QtBot, page: InstalledPanel, fake: FakeApp
) -> None:
    fake.refuse(
        "smaller_types",
        ModelError(
            ErrorCode.QUANTIZER_NOT_FOUND, "No program for quantizing was found", "", "Get one. " * 30
        ),
    )
    select(page, "Bamboo 7B Q4_0")
    page.act(ModelAction.QUANTIZE)
    dialog = page.controller.dialog
    assert isinstance(dialog, QuantizeDialog)

    qtbot.waitUntil(lambda: dialog.card.accessibleName() == "No program for quantizing was found")
    assert not dialog.quantize_button.isEnabled()
    hint = next(each for each in dialog.card.findChildren(QLabel) if each.text().startswith("Get one."))
    qtbot.waitUntil(lambda: hint.height() >= hint.heightForWidth(hint.width()))


def test_a_change_of_the_folder_shows_at_once(qtbot: QtBot, page: InstalledPanel, fake: FakeApp) -> None:
    fake.library.models += (make_model("New", "new.gguf", sparse=False),)

    look_again(qtbot, page, fake, "New")

    assert state(page, "New") == "Not loaded"


def test_a_change_during_a_look_that_fails_is_looked_at_all_the_same(
    qtbot: QtBot, page: InstalledPanel, bridge: Bridge, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, read = threading.Event(), fake.library.contents
    looks: list[int] = []

    def contents() -> Contents:
        looks.append(len(looks))
        if len(looks) > 1:
            return read()
        assert go_on.wait(10)
        raise ModelError(ErrorCode.MODEL_FILE_UNREADABLE, "The models folder could not be read")

    monkeypatch.setattr(fake.library, "contents", contents)
    fake.show(replace(fake.status(), folder_changes=1))
    qtbot.waitUntil(lambda: len(looks) == 1)
    fake.library.models += (make_model("New", "new.gguf", sparse=False),)
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(replace(fake.status(), folder_changes=2))
    go_on.set()

    qtbot.waitUntil(lambda: "New" in names(page))


def test_a_card_tells_anew_whether_its_model_fits(
    qtbot: QtBot, page: InstalledPanel, bridge: Bridge, fake: FakeApp
) -> None:
    def words() -> str:
        labels = page.first_steps.findChildren(QLabel)
        return "\n".join(label.text() for label in labels)

    assert "Close other programs" not in words()
    fake.fit = Fit.TIGHT

    fake.show(replace(fake.status(), folder_changes=1))

    qtbot.waitUntil(lambda: "Close other programs" in words())
    qtbot.waitUntil(lambda: len(cards(page)) == 2)  # those of before are gone
    before = cards(page)[0]
    fake.show(replace(fake.status(), folder_changes=2))
    qtbot.waitUntil(lambda: bridge.status.folder_changes == 2)
    settle(qtbot, bridge)
    assert cards(page)[0] is before


def test_newer_files_are_looked_for_when_that_is_asked(
    qtbot: QtBot, page: InstalledPanel, bridge: Bridge, fake: FakeApp
) -> None:
    source = "https://example.org/bamboo.gguf"
    fake.upkeep.compared = (
        Comparison("bamboo", "Bamboo 7B Q4_0", MODELS / "bamboo.gguf", source, Freshness.NEWER),
        Comparison("mine", "Mine", MODELS / "mine.gguf", "", Freshness.UNKNOWN, "Nobody knows."),
    )
    assert ("outdated",) not in fake.calls

    page.newer_button.click()
    assert not page.newer_button.isEnabled()
    qtbot.waitUntil(page.newer_button.isEnabled)
    settle(qtbot, bridge)

    assert title(page) == "1 model has a newer file"
    assert "Not known of: Mine." in page.card.accessibleDescription()
    select(page, "Bamboo 7B Q4_0")
    page.act(ModelAction.INFORM)
    assert isinstance(page.controller.dialog, ModelInformation)
    assert f"Another file is at its source now: {source}." in page.controller.dialog.details.text()
    assert not [call for call in fake.calls if call[0] == "download"]


def test_without_a_network_newer_files_are_not_known(
    qtbot: QtBot, page: InstalledPanel, fake: FakeApp
) -> None:
    fake.refuse("outdated", DownloadError(ErrorCode.SOURCE_UNREACHABLE, "There is no answer"))
    page.newer_button.click()
    qtbot.waitUntil(page.newer_button.isEnabled)

    assert title(page) == "There is no answer"


def test_the_first_steps_stand_alone_where_there_is_nothing_else(
    qtbot: QtBot, models: ModelsPage, page: InstalledPanel, bridge: Bridge, fake: FakeApp
) -> None:
    fake.library.models = tuple(each for each in fake.library.models if each.id == "test")
    fake.show(replace(make_status(model_name=None), folder_changes=1))
    qtbot.waitUntil(lambda: names(page) == ["Built-in test model"])
    settle(qtbot, bridge)

    assert page.table.isHidden()
    assert len(cards(page)) == 2
    page.first_steps.discover_button.click()
    assert models.currentWidget() is models.discover


def test_where_nothing_suits_the_computer_that_is_said_and_what_helps(
    qtbot: QtBot, page: InstalledPanel, fake: FakeApp
) -> None:
    fake.library.catalog = tuple(entry for entry in CATALOG if entry.id == "test")
    fake.show(replace(make_status(model_name=None), folder_changes=1))

    qtbot.waitUntil(lambda: len(cards(page)) == 1)
    texts = [label.text() for label in page.first_steps.findChildren(QLabel)]
    assert "No model in the catalog suits this computer. Look for another one." in texts


def test_a_folder_that_is_gone_is_told(qtbot: QtBot, page: InstalledPanel, fake: FakeApp) -> None:
    gone = Settings(model="bamboo", models_folder="/media/stick/models")
    fake.show(make_status(settings=gone))

    qtbot.waitUntil(lambda: not page.folder_card.isHidden())
    assert page.folder_card.accessibleName() == "The models folder is not there"


def test_every_button_has_a_key_of_its_own(
    qtbot: QtBot, page: InstalledPanel, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(model_name=None))
    page.card.show_error(ModelError(ErrorCode.INTERNAL_ERROR, "x"))
    page.card.offer("Delete &Permanently", page.card.clear)
    texts = [button.text() for button in page.findChildren(QPushButton) if button.text()]
    texts += [label.text() for label in page.findChildren(QLabel) if label.buddy()]

    keys = [QKeySequence.mnemonic(text).toString() for text in texts]

    assert all(keys)
    assert sorted(keys) == sorted(set(keys))
    assert "Alt+G" not in keys  # which opens the settings


@pytest.mark.parametrize("action", [ModelAction.QUANTIZE, None])
def test_every_control_of_the_dialogs_has_a_name_and_can_be_reached(
    qtbot: QtBot, models: ModelsPage, page: InstalledPanel, action: ModelAction | None
) -> None:
    if action is None:
        drop(models, QUrl.fromLocalFile("/elsewhere/mine.gguf"))
    else:
        select(page, "Bamboo 7B Q4_0")
        page.act(action)
    dialog = page.controller.dialog
    assert dialog is not None
    qtbot.waitUntil(dialog.isVisible)

    assert nameless(dialog) == []
    assert unreachable(dialog) == []


def test_enter_does_what_is_most_likely_meant(qtbot: QtBot, page: InstalledPanel, fake: FakeApp) -> None:
    select(page, "Built-in test model")
    QTest.keyClick(page.table, Qt.Key.Key_Return)

    qtbot.waitUntil(lambda: fake.calls == [("apply", {"model": "test"}), ("start_server",)])


def test_the_button_of_a_row_is_pressed_by_the_mouse(
    qtbot: QtBot, page: InstalledPanel, fake: FakeApp
) -> None:
    activate(qtbot, page)
    list_, number = page.table, 1
    place = list_.visualRect(list_.rows.index(number))
    button = list_.itemDelegate()._room(place, list_.rows.at(number)).action  # type: ignore[attr-defined]
    assert list_.rows.at(number).action == "Load"

    QTest.mouseClick(list_.viewport(), Qt.MouseButton.LeftButton, pos=place.center())
    assert fake.calls == []  # beside it, which only goes to the row
    QTest.mouseClick(list_.viewport(), Qt.MouseButton.LeftButton, pos=button.center())
    QTest.mouseDClick(list_.viewport(), Qt.MouseButton.LeftButton, pos=button.center())
    QTest.mouseRelease(list_.viewport(), Qt.MouseButton.LeftButton, pos=button.center())

    qtbot.waitUntil(lambda: ("start_server",) in fake.calls)
    assert fake.calls == [("apply", {"model": "test"}), ("start_server",)]  # once


@pytest.mark.parametrize("key", [Qt.Key.Key_Menu, None])
def test_the_menu_of_a_row_has_all_that_it_permits(
    qtbot: QtBot, page: InstalledPanel, key: Qt.Key | None
) -> None:
    activate(qtbot, page)
    select(page, "Bamboo 7B Q4_0")
    place = page.table.visualRect(page.table.rows.index(0))
    more = page.table.itemDelegate()._room(place, page.table.rows.at(0)).more  # type: ignore[attr-defined]
    if key is None:
        QTest.mouseClick(page.table.viewport(), Qt.MouseButton.LeftButton, pos=more.center())
    else:
        reason = QContextMenuEvent.Reason.Keyboard
        QApplication.sendEvent(page.table, QContextMenuEvent(reason, QPoint(), QPoint()))

    qtbot.waitUntil(page.menu.menu.isVisible)
    entries = [action.text().replace("&", "") for action in page.menu.menu.actions() if action.text()]
    page.menu.menu.close()
    assert entries == [
        "Load",
        "Information…",
        "Settings of This Model…",
        "Check Files",
        "Quantize…",
        "Show in Folder",
        "Remove…",
    ]


def test_keys_of_the_list_remove_and_inform(qtbot: QtBot, page: InstalledPanel) -> None:
    activate(qtbot, page)
    select(page, "Bamboo 7B Q4_0")
    QTest.keyClick(page.table, Qt.Key.Key_Return, Qt.KeyboardModifier.AltModifier)
    assert isinstance(page.controller.dialog, ModelInformation)
    page.controller.dialog.reject()

    QTest.keyClick(page.table, Qt.Key.Key_Delete)
    press(page, "Keep")


def test_the_settings_of_a_model_are_asked_for_by_its_id(qtbot: QtBot, models: ModelsPage) -> None:
    select(models.installed, "Built-in test model")

    with qtbot.waitSignal(models.settings_wanted) as wanted:
        models.installed.act(ModelAction.SETTINGS)

    assert wanted.args == ["test"]


def test_who_listens_hears_all_of_a_row(page: InstalledPanel) -> None:
    said = page.table.rows.index(0).data(Qt.ItemDataRole.AccessibleTextRole)

    assert said == "Bamboo 7B Q4_0, Default, Chat, Q4_0, Sparse, 4.68 GB, context 4096, Fits"


def test_many_models_are_filtered_and_sorted_and_the_current_one_stays(
    qtbot: QtBot, page: InstalledPanel, fake: FakeApp
) -> None:
    assert page.filter.isHidden()
    small = replace(make_model("A small one", "small.gguf"), size_bytes=1000)
    fake.library.models = (*fake.library.models, small, *many_models(20))
    look_again(qtbot, page, fake, "Model 19 7B")
    assert not page.filter.isHidden()
    select(page, "Built-in test model")

    page.filter.setText("one SMALL")
    assert names(page) == ["A small one"]
    page.filter.clear()
    page.sort_actions[Sorting.SIZE].trigger()
    assert names(page)[-1] == "A small one"
    page.sort_actions[Sorting.NAME].trigger()
    assert names(page)[0] == "A small one"
    select(page, "Built-in test model")
    page.sort(Sorting.SIZE)
    assert selected(page) == "Built-in test model"


def test_another_language_has_the_same_order_and_filter(
    qtbot: QtBot, page: InstalledPanel, bridge: Bridge
) -> None:
    page.sort(Sorting.STATE)
    page.filter.setText("bamboo")
    new = ModelsPage(bridge)
    qtbot.addWidget(new)

    new.installed.take_over(page)

    assert (new.installed.sorting, new.installed.filter.text()) == (Sorting.STATE, "bamboo")


def activate(qtbot: QtBot, page: InstalledPanel) -> None:
    """Give the table the keyboard."""
    page.window().resize(900, 600)
    page.window().show()
    page.activateWindow()
    page.table.setFocus()
    qtbot.waitUntil(page.isActiveWindow)
    qtbot.waitUntil(lambda: page.table.visualRect(page.table.rows.index(0)).width() > 400)  # laid out


def look_again(qtbot: QtBot, page: InstalledPanel, fake: FakeApp, name: str) -> None:
    """Something has happened in the folder; until its row is there."""
    fake.show(replace(fake.status(), folder_changes=1))
    qtbot.waitUntil(lambda: name in names(page))


def drop(page: QWidget, *urls: QUrl) -> Qt.DropAction:
    """Drop files as if to move them; as what they were taken."""
    data = QMimeData()
    data.setUrls(urls)
    event = QDropEvent(
        QPoint(9, 9),
        Qt.DropAction.CopyAction | Qt.DropAction.MoveAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.ShiftModifier,
    )
    event.setDropAction(Qt.DropAction.MoveAction)
    page.dropEvent(event)
    return event.dropAction()


def test_pictures_of_the_page(
    qtbot: QtBot,
    page: InstalledPanel,
    bridge: Bridge,
    fake: FakeApp,
    photograph: Callable[[QWidget, str], None],
) -> None:
    page.resize(820, 600)
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(model_name=None))
    qtbot.waitUntil(lambda: state(page, "Bamboo 7B Q4_0") == "Not loaded")
    photograph(page, "models-first-run")

    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(downloads=(make_progress(),)))
    select(page, "Tiny")
    photograph(page, "models-download")

    error = ModelError(
        ErrorCode.MODEL_FILE_INCOMPLETE,
        "The model file a.gguf is incomplete",
        "It has 10 of 20 bytes.",
        "Copy it again.",
    )
    fake.library.unusable = (
        Unusable("half", "half", MODELS / "half.gguf", 2_000_000_000, error, arriving=False),
        Unusable("arriving", "arriving", MODELS / "arriving.gguf", 1_000_000_000, error, arriving=True),
    )
    fake.library.partials = (Partial(MODELS / "old.gguf.part", MODELS / "old.gguf", 2_000_000),)
    fake.fit = Fit.TOO_LARGE
    look_again(qtbot, page, fake, "old")
    select(page, "Built-in test model")
    page.act(ModelAction.VERIFY)
    qtbot.waitUntil(lambda: state(page, "Built-in test model") == "Checking 50 %")
    select(page, "half")
    page.card.show_error(error)
    photograph(page, "models-trouble")
    fake.models.go_on.set()
    qtbot.waitUntil(lambda: not page.controller.jobs.current)


def test_a_tooltip_shows_a_name_that_looks_like_html_as_it_is(
    qtbot: QtBot, page: InstalledPanel, fake: FakeApp
) -> None:
    fake.library.models = (make_model("<img src='x'> & [red]", "x.gguf"),)
    page.controller.folder_changed.emit()
    qtbot.waitUntil(lambda: "<img src='x'> & [red]" in names(page))

    tip = page.table.rows.index(0).data(Qt.ItemDataRole.ToolTipRole)

    shown = QTextDocument()
    shown.setHtml(tip)
    assert shown.toPlainText().startswith("<img src='x'> & [red]\n")
