from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

from tests.fakes.app import CATALOG, make_model, make_progress, make_status
from tray_app.download.progress import Phase
from tray_app.errors import DownloadError
from tray_app.ui.model_table import PERMILLE_ROLE, Column
from tray_app.ui.pages.models import ModelsPage
from tray_app.ui.presenters.models import ModelAction
from tray_app.ui.presenters.tray import Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.ui.bridge import Bridge


@pytest.fixture
def page(qtbot: QtBot, bridge: Bridge) -> ModelsPage:
    made = ModelsPage(bridge)
    qtbot.addWidget(made)
    qtbot.waitUntil(lambda: len(names(made)) == len(CATALOG))
    return made


def names(page: ModelsPage) -> list[str]:
    model = page.table.model()
    return [model.index(row, Column.NAME).data() for row in range(model.rowCount())]


def state(page: ModelsPage, name: str) -> str:
    return str(page.table.model().index(names(page).index(name), Column.STATE).data())


def select(page: ModelsPage, name: str) -> set[ModelAction]:
    """Select a row; what can be done with it."""
    page.table.selectRow(names(page).index(name))
    return {action for action, button in page.buttons.items() if button.isEnabled()}


def cards(page: ModelsPage) -> list[QPushButton]:
    return page.first_steps.findChildren(QPushButton)


def test_installed_and_offered_models_are_listed(page: ModelsPage) -> None:
    assert names(page) == ["Bamboo 7B Q4_0", "Built-in test model", "Tiny"]


def test_the_chosen_model_is_selected_at_first(page: ModelsPage) -> None:
    assert page.table.selectionModel().selectedRows()[0].row() == 0
    assert state(page, "Bamboo 7B Q4_0") == "Chosen"


def test_a_model_of_the_catalogue_is_downloaded(qtbot: QtBot, page: ModelsPage, fake: FakeApp) -> None:
    assert select(page, "Tiny") == {ModelAction.DOWNLOAD}

    page.buttons[ModelAction.DOWNLOAD].click()

    qtbot.waitUntil(lambda: fake.calls == [("download", "hf:owner/tiny/tiny.gguf")])


def test_an_installed_model_is_used(qtbot: QtBot, page: ModelsPage, fake: FakeApp) -> None:
    assert select(page, "Built-in test model") == {ModelAction.USE}

    page.buttons[ModelAction.USE].click()

    qtbot.waitUntil(lambda: fake.calls == [("apply", {"model": "test"})])
    qtbot.waitUntil(lambda: state(page, "Built-in test model") == "Chosen")


@pytest.mark.parametrize(
    ("phase", "action"),
    [
        (Phase.DOWNLOADING, ModelAction.PAUSE),
        (Phase.PAUSED, ModelAction.RESUME),
        (Phase.DOWNLOADING, ModelAction.CANCEL),
    ],
)
def test_a_download_is_steered_from_its_row(
    qtbot: QtBot, page: ModelsPage, bridge: Bridge, fake: FakeApp, phase: Phase, action: ModelAction
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(downloads=(make_progress(phase, number=7),)))
    assert action in select(page, "Tiny")

    page.buttons[action].click()

    qtbot.waitUntil(lambda: fake.calls == [(action.value, 7)])


def test_progress_moves_the_bar_and_keeps_the_selection(
    qtbot: QtBot, page: ModelsPage, bridge: Bridge, fake: FakeApp
) -> None:
    select(page, "Tiny")
    for received, permille in ((0, 0), (2_340_000_000, 500), (4_680_000_000, 1000)):
        with qtbot.waitSignal(bridge.status_changed):
            fake.show(make_status(downloads=(make_progress(received_bytes=received),)))

        selected = page.table.selectionModel().selectedRows()[0]
        assert (selected.data(), selected.data(PERMILLE_ROLE)) == ("Tiny", permille)


def test_a_finished_download_is_looked_up_on_disk(qtbot: QtBot, page: ModelsPage, fake: FakeApp) -> None:
    fake.library.models += (make_model("Tiny 1.0", "tiny.gguf", sparse=False),)
    fake.show(make_status(downloads=(make_progress(Phase.DONE),)))

    qtbot.waitUntil(lambda: "Tiny 1.0" in names(page))
    assert state(page, "Tiny 1.0") == "Installed"


def test_an_address_is_downloaded_and_the_field_emptied(
    qtbot: QtBot, page: ModelsPage, fake: FakeApp
) -> None:
    assert not page.fetch_button.isEnabled()
    QTest.keyClicks(page.source, " https://example.org/m.gguf ")
    QTest.keyClick(page.source, Qt.Key.Key_Return)

    qtbot.waitUntil(lambda: fake.calls == [("download", "https://example.org/m.gguf")])
    qtbot.waitUntil(lambda: page.source.text() == "")


def test_a_refused_address_stays_and_the_cause_is_shown(
    qtbot: QtBot, page: ModelsPage, fake: FakeApp
) -> None:
    fake.refuse("download", DownloadError("This is no address", "It begins with ftp:", "Use https."))
    QTest.keyClicks(page.source, "ftp://x")
    page.fetch_button.click()

    qtbot.waitUntil(lambda: not page.card.isHidden())
    assert page.card.accessibleName() == "This is no address"
    assert page.source.text() == "ftp://x"


def test_the_first_steps_are_offered_until_a_model_is_chosen(
    qtbot: QtBot, page: ModelsPage, bridge: Bridge, fake: FakeApp
) -> None:
    assert page.first_steps.isHidden()

    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(model_name=None))

    assert not page.first_steps.isHidden()
    assert [button.accessibleDescription() for button in cards(page)] == [
        "Built-in test model",
        "Bamboo 7B Q4_0",
    ]


def test_try_it_now_chooses_starts_and_leads_on(qtbot: QtBot, page: ModelsPage, fake: FakeApp) -> None:
    with qtbot.waitSignal(page.navigate, timeout=5000) as lead:
        cards(page)[0].click()

    assert fake.calls == [("apply", {"model": "test"}), ("start_server",)]
    assert lead.args == [Page.EMBEDDING]


def test_the_recommended_model_is_chosen_and_started(qtbot: QtBot, page: ModelsPage, fake: FakeApp) -> None:
    cards(page)[1].click()

    qtbot.waitUntil(lambda: fake.calls == [("apply", {}), ("start_server",)])


def test_pictures_of_the_page(
    qtbot: QtBot, page: ModelsPage, bridge: Bridge, fake: FakeApp, photograph: Callable[[QWidget, str], None]
) -> None:
    page.resize(700, 560)
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(model_name=None))
    qtbot.waitUntil(lambda: state(page, "Bamboo 7B Q4_0") == "Installed")
    photograph(page, "models-first-run")

    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(downloads=(make_progress(),)))
    select(page, "Tiny")
    photograph(page, "models-download")
