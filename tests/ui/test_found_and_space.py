from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

from tests.fakes.app import make_progress, make_status
from tests.fakes.bridges import settle
from tests.fakes.models_shown import FOLDER, OTHER_APPS, fill, make_disk_use, make_space
from tests.ui.test_accessibility import nameless, unreachable
from tray_app.download.progress import Phase
from tray_app.errors import ErrorCode, ModelError
from tray_app.models.removal import NotDiscardedError
from tray_app.ui.pages.models import ModelsPage

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.widgets.row_list import RowList

UNUSED = ["Bamboo 7B Q4_0", "BGE-M3 Q8_0"]


@pytest.fixture
def models(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> ModelsPage:
    fill(fake)
    made = ModelsPage(bridge)
    qtbot.addWidget(made)
    made.resize(900, 600)
    made.show()
    settle(qtbot, bridge)
    return made


def open_tab(qtbot: QtBot, bridge: Bridge, models: ModelsPage, tab: QWidget) -> None:
    models.setCurrentWidget(tab)
    settle(qtbot, bridge)


def found(models: ModelsPage) -> list[str]:
    return [row.title for row in models.found.rows.rows.items]


def click(rows: RowList, number: int) -> None:
    """On the words of a row."""
    place = rows.visualRect(rows.rows.index(number))
    QTest.mouseClick(rows.viewport(), Qt.MouseButton.LeftButton, pos=place.center())


def press(dialog: QWidget | None, label: str) -> None:
    assert dialog is not None
    buttons = dialog.findChildren(QPushButton)
    next(button for button in buttons if button.text().replace("&", "") == label).click()


def test_nobody_looks_into_other_apps_before_a_person_does(models: ModelsPage, fake: FakeApp) -> None:
    assert models.currentWidget() is models.installed
    assert ("found",) not in fake.calls
    assert ("disk_use",) not in fake.calls


def test_a_model_of_another_app_is_used_from_where_it_is(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage, fake: FakeApp
) -> None:
    open_tab(qtbot, bridge, models, models.found)
    assert found(models) == [each.name for each in OTHER_APPS]

    models.found.rows.press(str(OTHER_APPS[1].path))
    settle(qtbot, bridge)

    assert ("adopt", (str(OTHER_APPS[1].path),)) in fake.calls
    assert found(models) == [OTHER_APPS[0].name, OTHER_APPS[2].name]
    assert models.found.card.accessibleName() == "1 model added"
    rows = models.installed.table.rows.items
    (row,) = (row for row in rows if row.name == OTHER_APPS[1].name)
    assert any(text.startswith("Used from LM Studio, where it is: /home/maria/") for text in row.details)


def test_all_of_them_are_used_at_once(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage, fake: FakeApp
) -> None:
    open_tab(qtbot, bridge, models, models.found)
    models.found.all_button.click()
    settle(qtbot, bridge)

    assert ("adopt", tuple(str(each.path) for each in OTHER_APPS)) in fake.calls
    assert found(models) == []
    assert models.found.all_button.isHidden()


def test_what_is_no_whole_model_is_told(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage, fake: FakeApp
) -> None:
    fake.refuse("adopt", ModelError(ErrorCode.MODEL_FILE_DAMAGED, "It is damaged"))
    open_tab(qtbot, bridge, models, models.found)
    models.found.rows.press(str(OTHER_APPS[0].path))
    settle(qtbot, bridge)

    assert models.found.card.accessibleName() == "It is damaged"
    assert len(found(models)) == len(OTHER_APPS)


def test_where_no_app_has_a_model_the_way_to_others_is_shown(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage, fake: FakeApp
) -> None:
    fake.upkeep.there = ()
    open_tab(qtbot, bridge, models, models.found)

    assert models.found.empty.isVisible()
    models.found.discover_button.click()

    assert models.currentWidget() is models.discover


def test_it_is_told_what_models_take_the_largest_first(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage
) -> None:
    open_tab(qtbot, bridge, models, models.space)
    shown = models.space.list.rows

    assert [shown.at(number).spoken for number in range(len(shown))] == [
        "Qwen3 8B Q4_K_M, 5.03 GB, Last used 2026-11-28",
        "Bamboo 7B Q4_0, 4.68 GB, Last used 2026-05-12",
        "gemma-3-4b-it, LM Studio, 2.49 GB, Last used 2026-11-28",
        "BGE-M3 Q8_0, 635 MB, Last used 2026-05-12",
        "tiny, 310 MB, Unfinished download",
    ]
    assert models.space.text.text() == "Models take 10.7 GB; 228 GB are free."
    assert models.space.remove_button.isHidden()


def test_those_that_nobody_uses_are_removed_together(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage, fake: FakeApp
) -> None:
    space = models.space
    open_tab(qtbot, bridge, models, space)
    space.unused_button.click()
    assert [row.name for row in space.ticked()] == UNUSED
    assert space.chosen.text() == "2 chosen · 5.32 GB"
    assert space.unused_button.isHidden()

    space.remove_button.click()
    press(space.dialog, "Keep")
    assert not [call for call in fake.calls if call[0] == "remove_model"]
    space.remove_button.click()
    fake.upkeep.use = make_disk_use((make_space("Qwen3 8B Q4_K_M", 5_030_000_000),), ())
    press(space.dialog, "Remove")
    settle(qtbot, bridge)

    removed = [call[1:] for call in fake.calls if call[0] == "remove_model"]
    paths = [FOLDER / "bamboo-7b-q4_0.gguf", FOLDER / "bge-m3-q8_0.gguf"]
    assert removed == [(str(path), False) for path in paths]
    assert len(space.list.rows) == 1
    assert space.ticked() == ()


@pytest.mark.parametrize("queued", [True, False])
def test_what_a_download_has_left_is_deleted_also_while_it_is_paused(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage, fake: FakeApp, queued: bool
) -> None:
    space = models.space
    if queued:
        paused = replace(make_progress(Phase.PAUSED, number=7), path=FOLDER / "tiny.gguf")
        with qtbot.waitSignal(bridge.status_changed):
            fake.show(make_status(downloads=(paused,)))
    open_tab(qtbot, bridge, models, space)
    click(space.list, 4)
    space.remove_button.click()
    press(space.dialog, "Remove")
    settle(qtbot, bridge)

    expected = ("discard", 7) if queued else ("discard_partial", FOLDER / "tiny.gguf")
    assert expected in fake.calls


def test_what_cannot_be_removed_is_told_and_the_rest_goes(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage, fake: FakeApp
) -> None:
    space = models.space
    fake.refuse("remove_model", NotDiscardedError(ErrorCode.MODEL_NOT_REMOVED, "It could not be removed"))
    open_tab(qtbot, bridge, models, space)
    space.unused_button.click()
    space.remove_button.click()
    press(space.dialog, "Remove")
    settle(qtbot, bridge)
    assert len([call for call in fake.calls if call[0] == "remove_model"]) == 2
    assert space.card.accessibleName() == "It could not be removed"

    next(button for button in space.card.findChildren(QPushButton)).click()
    settle(qtbot, bridge)

    assert ("remove_model", str(FOLDER / "bge-m3-q8_0.gguf"), True) in fake.calls


def test_a_row_is_ticked_by_the_keyboard(qtbot: QtBot, bridge: Bridge, models: ModelsPage) -> None:
    open_tab(qtbot, bridge, models, models.space)
    shown = models.space.list
    shown.setFocus()
    shown.choose(shown.rows.keys[0])
    QTest.keyClick(shown, Qt.Key.Key_Space)

    assert [row.name for row in models.space.ticked()] == ["Qwen3 8B Q4_K_M"]
    assert shown.rows.index(0).data(Qt.ItemDataRole.CheckStateRole) is Qt.CheckState.Checked
    QTest.keyClick(shown, Qt.Key.Key_Space)
    assert models.space.ticked() == ()


def test_an_empty_disk_leads_to_the_models_that_could_be_had(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage, fake: FakeApp
) -> None:
    fake.upkeep.use = make_disk_use((), ())
    open_tab(qtbot, bridge, models, models.space)

    assert models.space.empty.isVisible()
    models.space.discover_button.click()
    assert models.currentWidget() is models.discover


def test_every_control_has_a_name_and_can_be_reached(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage
) -> None:
    for tab in (models.found, models.space):
        open_tab(qtbot, bridge, models, tab)
        assert nameless(models) == []
        assert unreachable(models) == []
    models.space.unused_button.click()
    assert unreachable(models) == []


def test_pictures_of_the_tabs(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage, photograph: Callable[[QWidget, str], None]
) -> None:
    open_tab(qtbot, bridge, models, models.found)
    photograph(models, "models-found")
    open_tab(qtbot, bridge, models, models.space)
    models.space.unused_button.click()
    photograph(models, "models-space")
