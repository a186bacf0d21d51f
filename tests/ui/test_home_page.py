from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton

from tests.fakes.app import make_engine, make_plan, make_sleeping, make_snapshot, make_status
from tests.fakes.bridges import settle
from tray_app.app.start_job import StartCalledOffError
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import LaunchPlan, RemotePlan
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError, ErrorCode, Fix, GatewayError, ModelError
from tray_app.phrases import phrase
from tray_app.ui.pages.home import HomePage
from tray_app.ui.presenters.usage import Quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.engine.launch_plan import Plan
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.languages import Languages

PORT_TAKEN = GatewayError(
    ErrorCode.PORT_IN_USE,
    "Port 8080 is in use by nginx (PID 812)",
    "Only one program at a time.",
    "Choose another port.",
)


DAMAGED = EngineError(
    ErrorCode.MODEL_FILE_INCOMPLETE,
    "The model file is incomplete",
    "It ends early.",
    "Download it again.",
    fix=Fix.VERIFY_MODEL,
    evidence=("error loading model", "tensor data is not within the file bounds"),
)


@pytest.fixture
def page(qtbot: QtBot, bridge: Bridge) -> HomePage:
    made = HomePage(bridge)
    qtbot.addWidget(made)
    return made


def show(qtbot: QtBot, bridge: Bridge, fake: FakeApp, state: State) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(state))


def test_a_stopped_server_can_be_started(qtbot: QtBot, page: HomePage, fake: FakeApp) -> None:
    assert page.headline.text() == "Stopped — Bamboo 7B Q4_0"
    assert not page.stop_button.isEnabled()

    page.start_button.click()

    qtbot.waitUntil(lambda: fake.calls == [("start_server",)])


def test_a_ready_server_shows_model_engine_and_address(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    show(qtbot, bridge, fake, State.READY)

    assert page.headline.text() == "Ready — Bamboo 7B Q4_0"
    assert page.model.text() == "Bamboo 7B Q4_0"
    assert page.engine.text() == "llama.cpp 1.2 · process 4711"
    assert not page.start_button.isEnabled()
    assert page.start_button.toolTip() == "The server is running already."

    page.stop_button.click()
    qtbot.waitUntil(lambda: fake.calls == [("stop_server",)])


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (make_plan(engine=make_engine(EngineKind.POWERINFER)), "PowerInfer 1.2 · process 4711"),
        (make_plan(engine=make_engine(EngineKind.LLAMA_SERVER)), "llama-server 1.2 · process 4711"),
        (RemotePlan("http://box:8000/v1"), "A server on another computer"),
    ],
)
def test_an_engine_has_the_name_that_people_know(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp, plan: Plan, words: str
) -> None:
    pid = 4711 if isinstance(plan, LaunchPlan) else None
    engine = replace(make_snapshot(State.READY), plan=plan, pid=pid)
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY, engine=engine))

    assert page.engine.text() == words


def test_the_address_can_be_copied(qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp) -> None:
    show(qtbot, bridge, fake, State.READY)
    page.copy_button.click()

    assert QGuiApplication.clipboard().text() == "http://127.0.0.1:8080/v1"


def test_an_address_that_is_not_open_is_told_as_such_and_cannot_be_copied(page: HomePage) -> None:
    assert page.address.text() == ""
    assert page.address.placeholderText() == "http://127.0.0.1:8080/v1, once the server is started"
    assert not page.copy_button.isEnabled()
    assert page.copy_button.toolTip() == "The server is not running."


def test_a_person_who_stops_a_start_is_not_told_of_an_error(
    qtbot: QtBot, bridge: Bridge, page: HomePage, fake: FakeApp
) -> None:
    fake.refuse("start_server", StartCalledOffError())
    page.start_button.click()
    fake.wait_for_call("start_server")

    settle(qtbot, bridge)
    assert page.card.isHidden()


def test_a_sleeping_server_says_what_wakes_it_and_can_be_started_and_stopped(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_sleeping())

    assert page.headline.text() == "Asleep: a request starts it"
    assert page.address.text() == "http://127.0.0.1:8080/v1"
    assert page.start_button.isEnabled()
    assert page.stop_button.isEnabled()


def test_a_failed_start_is_explained_in_the_page(qtbot: QtBot, page: HomePage, fake: FakeApp) -> None:
    fake.refuse("start_server", PORT_TAKEN)
    page.start_button.click()
    qtbot.waitUntil(lambda: not page.card.isHidden())

    assert page.card.accessibleName() == PORT_TAKEN.title
    assert page.card.accessibleDescription() == "Only one program at a time.\nChoose another port."


def test_an_explanation_goes_when_the_server_runs_after_all(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    fake.refuse("start_server", PORT_TAKEN)
    page.start_button.click()
    qtbot.waitUntil(lambda: not page.card.isHidden())

    show(qtbot, bridge, fake, State.READY)

    assert page.card.isHidden()


def test_the_seconds_of_loading_are_counted_while_someone_looks(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    page.show()
    show(qtbot, bridge, fake, State.LOADING)
    assert page.clock.isActive()

    page.hide()
    assert not page.clock.isActive()


def fail(qtbot: QtBot, bridge: Bridge, fake: FakeApp, failure: EngineError) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.FAILED, engine=make_snapshot(State.FAILED, failure=failure)))


def fix_button(page: HomePage) -> QPushButton:
    """The button in the card."""
    return page.card.findChildren(QPushButton)[0]


def test_the_lines_of_the_log_that_show_the_cause_are_in_the_card(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    fail(qtbot, bridge, fake, DAMAGED)

    assert page.card.accessibleDescription().splitlines() == [
        "It ends early.",
        "error loading model",
        "tensor data is not within the file bounds",
        "Download it again.",
    ]


def test_a_free_port_is_chosen_by_the_button_beside_the_error(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    fail(
        qtbot,
        bridge,
        fake,
        EngineError(ErrorCode.PORT_IN_USE, "Port 8080 is in use by nginx", fix=Fix.FREE_PORT),
    )

    fix_button(page).click()

    fake.wait_for_call("move_to_free_port")


def test_a_model_is_verified_by_the_button_beside_the_error(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    fail(qtbot, bridge, fake, DAMAGED)

    fix_button(page).click()

    fake.wait_for_call("verify", "bamboo")
    fake.models.go_on.set()
    qtbot.waitUntil(lambda: page.card.accessibleName() == "The model is in order")
    fail(qtbot, bridge, fake, DAMAGED)  # another snapshot with the same error says nothing new
    assert page.card.accessibleName() == "The model is in order"


def test_a_damaged_model_is_told_in_place_of_the_engines_error(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    fail(qtbot, bridge, fake, DAMAGED)
    fake.refuse(
        "verify",
        ModelError(ErrorCode.MODEL_FILE_DAMAGED, "bamboo.gguf is damaged", "Its SHA-256 is another one."),
    )

    fix_button(page).click()

    qtbot.waitUntil(lambda: page.card.accessibleName() == "bamboo.gguf is damaged")
    assert fix_button(page).isHidden()


@pytest.mark.parametrize(
    ("error", "setting"),
    [
        (
            EngineError(ErrorCode.NOT_ENOUGH_MEMORY, "No memory", fix=Fix.SETTING, setting="ctx_size"),
            "ctx_size",
        ),
        (EngineError(ErrorCode.MODEL_NEEDS_POWERINFER, "Wrong engine", fix=Fix.CHOOSE_ENGINE), "engine"),
    ],
)
def test_the_setting_that_is_to_blame_is_opened(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp, *, error: EngineError, setting: str
) -> None:
    fail(qtbot, bridge, fake, error)

    with qtbot.waitSignal(page.settings_wanted, check_params_cb=lambda name: name == setting):
        fix_button(page).click()


def looked_at(qtbot: QtBot, page: HomePage, fake: FakeApp, times: int = 2) -> None:
    """Show the page until it has looked at the engine so often."""
    page.usage.clock.setInterval(20)
    with qtbot.waitExposed(page):
        page.show()
    seen = fake.looks
    qtbot.waitUntil(lambda: fake.looks >= seen + times and page.usage._abandon is None)


def test_what_the_engine_takes_is_shown_while_someone_looks(
    qtbot: QtBot, page: HomePage, fake: FakeApp
) -> None:
    assert fake.looks == 0
    fake.memory_bytes = 4_680_000_000

    looked_at(qtbot, page, fake)

    memory = page.usage.cells[Quantity.MEMORY]
    assert memory.value.text() == "4.4 GiB"
    assert memory.accessibleName() == "Memory: 4.4 GiB"
    assert memory.chart is not None
    assert page.usage.cells[Quantity.GRAPHICS].isHidden()


def test_why_nothing_can_be_measured_is_told_in_the_persons_language(
    qtbot: QtBot,
    bridge: Bridge,
    fake: FakeApp,
    languages: Languages,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail_to_look() -> None:
        raise ModelError(
            ErrorCode.MODEL_FORMAT_UNSUPPORTED,
            phrase("{name} is too new for this app", name="x.gguf"),
            "Why.",
            "What helps.",
        )

    languages.use("fr")
    monkeypatch.setattr(fake, "resource_usage", fail_to_look)
    page = HomePage(bridge)
    qtbot.addWidget(page)
    page.show()

    expected = "x.gguf est trop récent pour cette application. Why. What helps."
    qtbot.waitUntil(lambda: page.usage.note.text() == expected)


def test_nothing_is_measured_and_no_chart_is_kept_when_nobody_looks(
    qtbot: QtBot, page: HomePage, fake: FakeApp
) -> None:
    looked_at(qtbot, page, fake)
    chart = weakref.ref(page.usage.cells[Quantity.CPU].chart)

    page.hide()

    assert not page.usage.clock.isActive()
    qtbot.waitUntil(lambda: gc.collect() >= 0 and chart() is None)
    looked_at(qtbot, page, fake)
    assert page.usage.cells[Quantity.CPU].chart is not None


def test_pictures_of_the_page(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp, photograph: Callable[[QWidget, str], None]
) -> None:
    page.resize(700, 560)
    looked_at(qtbot, page, fake, times=30)
    fail(qtbot, bridge, fake, DAMAGED)
    photograph(page, "status-failed")

    show(qtbot, bridge, fake, State.READY)
    photograph(page, "status-ready")
    for name, status in {"asleep": make_sleeping(), "stopped": make_status()}.items():
        with qtbot.waitSignal(bridge.status_changed):
            fake.show(status)
        photograph(page, f"status-{name}")
