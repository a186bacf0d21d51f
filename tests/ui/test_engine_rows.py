"""Several models on the page Home: their rows, their memory, and what can be done with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QApplication

from tests.fakes.app import make_loaded, make_sleeping, make_status, with_engines
from tests.fakes.bridges import settle
from tray_app.app.start_job import StartCalledOffError
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError, ErrorCode, SettingsError
from tray_app.gateway.counters import Traffic
from tray_app.ui.pages.home import HomePage

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.app.status import AppStatus
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.widgets.engine_rows import EngineRow

TOO_LARGE = EngineError(
    ErrorCode.MODEL_DOES_NOT_FIT, "Tiny does not fit", "It needs 9 GiB.", "Choose a smaller one."
)
LONG = "Qwen3 Coder 30B A3B Instruct with a name that no row of this window has room for UD-Q4_K_XL"


@pytest.fixture
def page(qtbot: QtBot, bridge: Bridge) -> HomePage:
    made = HomePage(bridge)
    qtbot.addWidget(made)
    made.resize(640, 600)
    with qtbot.waitExposed(made):
        made.show()
    return made


@pytest.fixture
def show(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> Callable[[AppStatus], None]:
    def show_status(status: AppStatus) -> None:
        with qtbot.waitSignal(bridge.status_changed):
            fake.show(status)

    return show_status


def two(**other: object) -> AppStatus:
    """The chosen model and another one."""
    return with_engines(make_status(State.READY), make_loaded("Tiny", **other), memory_bytes=4 << 30)  # type: ignore[arg-type]


def failed() -> AppStatus:
    return two(state=State.FAILED, failure=TOO_LARGE)


def row(page: HomePage, key: str = "tiny") -> EngineRow:
    return page.engines.rows[key]


def test_there_is_a_row_for_the_chosen_model_and_for_each_other(
    page: HomePage, show: Callable[[AppStatus], None]
) -> None:
    show(make_status(State.READY))
    assert [row.name.accessibleName() for row in page.engines.rows.values()] == ["Bamboo 7B Q4_0"]

    show(two())
    assert [row.name.accessibleName() for row in page.engines.rows.values()] == [
        "Bamboo 7B Q4_0 — default",
        "Tiny",
    ]

    show(make_status())
    assert [row.facts.text() for row in page.engines.rows.values()] == ["Not loaded"]
    assert page.memory_bars[0].isHidden()
    show(make_status(model_name=None))
    assert page.engines.isHidden()


def test_the_menu_of_a_row_has_what_can_be_done_with_it(
    page: HomePage, show: Callable[[AppStatus], None], fake: FakeApp
) -> None:
    show(two())
    entries = [entry.text() for entry in row(page).menu.actions() if entry.isVisible()]
    assert entries == ["Keep Loaded", "Unload"]

    row(page).more_button.click()
    assert row(page).menu.isVisible()
    row(page).menu.close()
    QApplication.sendEvent(
        row(page), QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(), QPoint())
    )
    assert row(page).menu.isVisible()
    row(page).menu.actions()[-1].trigger()

    fake.wait_for_call("unload_model", "tiny")
    row(page).menu.close()


def test_a_screen_reader_hears_of_each_row_and_of_the_bar(
    page: HomePage, show: Callable[[AppStatus], None]
) -> None:
    show(two())

    assert row(page).accessibleName() == "Tiny"
    assert row(page).accessibleDescription() == "Ready · llama.cpp 1.2 · CPU · 1.1 GiB · idle"
    assert row(page).shape.accessibleName() == "Ready"
    assert page.memory_bars[0].accessibleName() == "Memory of all models"
    assert (
        page.memory_bars[0].accessibleDescription()
        == "Memory of all models: 5.1 GiB of 12.0 GiB that can be used"
    )


def test_a_row_stays_the_same_widget_so_that_the_keyboard_stays_where_it_is(
    page: HomePage, show: Callable[[AppStatus], None]
) -> None:
    show(two())
    before = row(page)
    before.unload_button.setFocus()

    show(two(leases=3))

    assert row(page) is before
    assert page.focusWidget() is before.unload_button


def test_a_model_is_unloaded_by_its_button(
    page: HomePage, show: Callable[[AppStatus], None], fake: FakeApp
) -> None:
    show(two())
    row(page).unload_button.click()

    fake.wait_for_call("unload_model", "tiny")


def test_a_failed_model_says_why_and_is_loaded_again_or_dismissed(
    page: HomePage, show: Callable[[AppStatus], None], fake: FakeApp
) -> None:
    show(failed())
    shown = row(page)
    assert shown.facts.text() == "Failed: Tiny does not fit"
    assert shown.accessibleDescription().endswith("It needs 9 GiB.\nChoose a smaller one.")
    assert not shown.more_button.isVisible()

    shown.load_button.click()
    fake.wait_for_call("load_model", "tiny")
    assert shown.unload_button.text() == "Dismiss"
    shown.unload_button.click()
    fake.wait_for_call("unload_model", "tiny")


def test_why_a_model_cannot_be_loaded_stays_until_it_is_closed(
    qtbot: QtBot, page: HomePage, show: Callable[[AppStatus], None], fake: FakeApp
) -> None:
    fake.refuse("load_model", TOO_LARGE)
    show(failed())
    row(page).load_button.click()
    qtbot.waitUntil(lambda: page.card.accessibleName() == "Tiny does not fit")

    show(failed())  # the chosen model is ready, but that concerns this wish as little as before
    assert page.card.isVisible()

    page.card._button.click()
    assert page.card.isHidden()


def test_a_model_that_somebody_else_unloads_meanwhile_is_no_error(
    qtbot: QtBot, bridge: Bridge, page: HomePage, show: Callable[[AppStatus], None], fake: FakeApp
) -> None:
    fake.refuse("load_model", StartCalledOffError())
    show(failed())
    row(page).load_button.click()
    fake.wait_for_call("load_model", "tiny")

    settle(qtbot, bridge)
    assert page.card.isHidden()


def test_the_sleeping_chosen_model_is_started_by_its_button(
    page: HomePage, show: Callable[[AppStatus], None], fake: FakeApp
) -> None:
    show(with_engines(make_sleeping(), make_loaded("Tiny")))
    row(page, "").load_button.click()

    fake.wait_for_call("start_server")


@pytest.mark.parametrize("kept", [False, True])
def test_keep_loaded_is_the_models_own_setting(
    page: HomePage, show: Callable[[AppStatus], None], fake: FakeApp, *, kept: bool
) -> None:
    if kept:
        show(two())
        row(page).keep.trigger()
        fake.wait_for_call("apply", {"models": {"tiny": {"keep_loaded": True}}})
    show(replace(two(kept=kept), settings=fake.store.current))
    assert row(page).keep.isChecked() is kept
    assert row(page).pin.isVisible() is kept

    row(page).keep.trigger()

    fake.wait_for_call("apply", {"models": {} if kept else {"tiny": {"keep_loaded": True}}})


def test_a_tick_that_could_not_be_set_goes_again(
    qtbot: QtBot, page: HomePage, show: Callable[[AppStatus], None], fake: FakeApp
) -> None:
    fake.refuse("apply", SettingsError(ErrorCode.SETTINGS_NOT_SAVED, "The settings could not be saved"))
    show(two())
    row(page).keep.trigger()

    qtbot.waitUntil(lambda: page.card.accessibleName() == "The settings could not be saved")
    assert not row(page).keep.isChecked()


def test_memory_and_rates_are_looked_at_while_the_page_can_be_seen(
    qtbot: QtBot, page: HomePage, show: Callable[[AppStatus], None], fake: FakeApp
) -> None:
    show(two())
    busy = replace(two(), traffic_of={"tiny": Traffic(requests_per_s=2.5, tokens_per_s=60)})
    fake._status = busy  # what is counted is not announced: it has to be looked at

    page.usage_look.start()

    # A look that was under way already may have seen what was before; while idle, the next is 5 s later.
    told = "2.5 requests/s · 60.0 tokens/s"
    qtbot.waitUntil(lambda: row(page).accessibleDescription().endswith(told), timeout=20_000)
    page.hide()
    assert not page.usage_look.clock.isActive()


def test_a_long_name_is_shortened_in_the_middle_and_told_in_full(
    qtbot: QtBot, page: HomePage, show: Callable[[AppStatus], None]
) -> None:
    show(with_engines(make_status(State.READY), make_loaded(LONG)))
    name = next(each.name for key, each in page.engines.rows.items() if key)

    assert name.text().startswith("Qwen3 Coder")
    assert "…" in name.text()
    assert name.text().endswith("XL")
    assert name.accessibleName() == LONG
    assert LONG in name.toolTip()
    assert page.minimumSizeHint().width() < 640

    page.resize(2000, 600)
    qtbot.waitUntil(lambda: name.text() == LONG)
    assert name.toolTip() == ""


def test_pictures_of_several_models(
    page: HomePage, show: Callable[[AppStatus], None], photograph: Callable[[QWidget, str], None]
) -> None:
    show(
        with_engines(
            make_status(State.READY),
            make_loaded("BGE M3 Q8_0", kept=True, leases=1),
            make_loaded(LONG, State.LOADING, memory_bytes=None),
            make_loaded("日本語モデル", State.FAILED, failure=TOO_LARGE),
            memory_bytes=4 << 30,
        )
    )

    photograph(page, "home-several")
