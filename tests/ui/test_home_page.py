from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtGui import QGuiApplication, QKeySequence
from PySide6.QtWidgets import QLabel, QPushButton

from tests.fakes.app import make_engine, make_plan, make_progress, make_sleeping, make_snapshot, make_status
from tests.fakes.bridges import settle
from tests.fakes.engines_shown import CUDA, make_overview
from tray_app.app.start_job import StartCalledOffError
from tray_app.app.status import Problem, ProblemSource
from tray_app.download.progress import Phase
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import LaunchPlan, RemotePlan
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError, ErrorCode, Fix, GatewayError, ModelError
from tray_app.gateway.counters import Traffic
from tray_app.phrases import phrase
from tray_app.ui.pages.home import HomePage
from tray_app.ui.presenters.builds import EngineAction
from tray_app.ui.presenters.notices import Page
from tray_app.ui.presenters.usage import Quantity
from tray_app.ui.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.app.status import AppStatus
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


def test_a_stopped_server_is_started_by_its_switch(qtbot: QtBot, page: HomePage, fake: FakeApp) -> None:
    assert page.server.headline.text() == "Stopped — Bamboo 7B Q4_0"
    assert not page.server.switch.isChecked()

    page.server.switch.click()

    qtbot.waitUntil(lambda: fake.calls == [("start_server",)])


def test_a_ready_server_shows_what_it_runs_where_and_since_when(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(
            make_status(State.READY, engine=make_snapshot(State.READY, since_s=time.time() - 2 * 3600 - 301))
        )

    assert page.server.headline.text() == "Ready — Bamboo 7B Q4_0"
    assert page.server.address.text() == "http://127.0.0.1:8080/v1"
    assert page.server.facts.text() == "Up for 2 h 5 min · 0 requests · CPU"
    assert page.engines.rows[""].accessibleDescription() == "Ready · llama.cpp 1.2 · CPU · idle"
    assert "process 4711" in page.engines.rows[""].facts.toolTip()
    assert page.server.switch.isChecked()

    page.server.switch.click()
    qtbot.waitUntil(lambda: fake.calls == [("stop_server",)])


@pytest.mark.parametrize(("status", "key"), [(make_status(), "S"), (make_status(State.READY), "T")])
def test_the_switch_has_the_key_of_what_it_does(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp, status: AppStatus, key: str
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(status)

    assert page.server.switch.shortcut() == QKeySequence(f"Alt+{key}")


@pytest.mark.parametrize("model_name", [None, "Bamboo 7B Q4_0"])
def test_there_is_a_switch_where_there_is_something_to_start(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp, model_name: str | None
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(model_name=model_name))

    assert page.server.switch.isHidden() is (model_name is None)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (make_plan(engine=make_engine(EngineKind.POWERINFER)), "PowerInfer 1.2"),
        (make_plan(engine=make_engine(EngineKind.LLAMA_SERVER)), "llama-server 1.2"),
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

    assert words in page.engines.rows[""].accessibleDescription()


@pytest.mark.parametrize(
    ("entry", "begins"),
    [
        ("Address", "http://127.0.0.1:8080/v1"),
        ("Example for curl", "curl http://127.0.0.1:8080/v1/embeddings"),
        ("Example for Python", "from openai import OpenAI"),
        ("Example for JavaScript", "import OpenAI from 'openai'"),
        ("Example for 4D", "var $client:=cs.AIKit"),
    ],
)
def test_the_address_and_examples_can_be_copied(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp, entry: str, begins: str
) -> None:
    show(qtbot, bridge, fake, State.READY)
    menu = page.server.copy_button.menu()
    next(each for each in menu.actions() if each.text().replace("&", "") == entry).trigger()

    assert QGuiApplication.clipboard().text().startswith(begins)
    assert page.server.copy_button.text() == "Copied"
    qtbot.waitUntil(lambda: page.server.copy_button.text() == "&Copy")


def test_an_address_that_is_not_open_is_told_as_such_and_cannot_be_copied(page: HomePage) -> None:
    assert page.server.address.isHidden()
    assert page.server.hint.text() == "http://127.0.0.1:8080/v1, once the server is started"
    assert page.server.copy_button.isHidden()


def test_a_download_has_a_bar_and_can_be_paused(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(downloads=(make_progress(),)))

    assert page.server.headline.text() == "Downloading tiny.gguf"
    assert page.server.progress.text() == "43 % · 12.3 MB/s · 3 min left"
    assert (page.server.bar.value(), page.server.bar.maximum()) == (430, 1000)
    page.server.pause_button.click()
    fake.wait_for_call("pause", 1)

    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(downloads=(make_progress(Phase.PAUSED),)))
    assert page.server.pause_button.text() == "Resume"
    page.server.pause_button.click()
    fake.wait_for_call("resume", 1)

    show(qtbot, bridge, fake, State.READY)
    assert page.server.bar.isHidden()


@pytest.fixture
def newcomer(qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp) -> HomePage:
    """The page of somebody who has chosen no model."""
    fake.library.models = ()
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(model_name=None))
    page.show()
    qtbot.waitUntil(page.first_steps.isVisible)
    return page


def card_buttons(page: HomePage) -> list[QPushButton]:
    return [each for each in page.first_steps.findChildren(QPushButton) if each.accessibleDescription()]


def test_who_has_no_model_is_offered_some_and_nothing_else(newcomer: HomePage, fake: FakeApp) -> None:
    assert newcomer.server.isHidden()
    assert newcomer.engines.isHidden()
    assert [each.text() for each in card_buttons(newcomer)] == ["Do&wnload 4.68 GB", "&Try It Now"]

    card_buttons(newcomer)[0].click()

    fake.wait_for_call("apply", {"model": "bamboo"})
    fake.wait_for_call("start_server")


def test_the_model_that_comes_with_the_app_is_tried_at_once(qtbot: QtBot, newcomer: HomePage) -> None:
    with qtbot.waitSignal(newcomer.navigate) as navigated:
        card_buttons(newcomer)[1].click()

    assert navigated.args == [Page.EMBEDDINGS]


def test_how_long_a_download_takes_is_told_once_the_line_is_known(
    qtbot: QtBot, newcomer: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(model_name=None, downloads=(make_progress(),)))

    texts = [label.text() for label in newcomer.first_steps.findChildren(QLabel)]
    assert any("6 min to download" in text for text in texts)  # 4.68 GB at 12.3 MB/s


def test_a_line_that_is_a_little_faster_or_slower_leaves_the_cards_to_the_keyboard(
    qtbot: QtBot, newcomer: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    def measure(rate_bytes_per_s: float) -> None:
        progress = replace(make_progress(), rate_bytes_per_s=rate_bytes_per_s)
        with qtbot.waitSignal(bridge.status_changed):
            fake.show(make_status(model_name=None, downloads=(progress,)))

    measure(12_300_000)
    button = card_buttons(newcomer)[-1]

    measure(9_000_000)
    assert card_buttons(newcomer)[-1] is button

    measure(3_000_000)
    texts = [label.text() for label in newcomer.first_steps.findChildren(QLabel)]
    assert any("26 min to download" in text for text in texts)


def test_who_has_models_but_chose_none_is_asked_which(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(model_name=None))
    page.show()
    qtbot.waitUntil(page.first_steps.isVisible)
    button = card_buttons(page)[0]
    assert (button.text(), button.accessibleDescription()) == ("&Use This Model", "Bamboo 7B Q4_0")

    button.click()

    fake.wait_for_call("apply", {"model": "bamboo"})
    fake.wait_for_call("start_server")


def test_an_offer_that_was_put_off_is_not_made_again(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    fake.engines.show(make_overview())
    page.show()
    qtbot.waitUntil(page.offer.isVisible)

    page.offer.buttons[EngineAction.LATER].click()

    fake.wait_for_call("put_off", CUDA.id)
    qtbot.waitUntil(page.offer.isHidden)
    settle(qtbot, bridge)


def test_an_engine_that_was_set_aside_is_tried_again_by_the_button_beside_the_error(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    aside = EngineError(ErrorCode.ENGINE_SET_ASIDE, "It is not run", "It failed.", fix=Fix.ALLOW_ENGINE)
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(replace(make_status(), problems=(Problem(ProblemSource.SET_ASIDE, aside, CUDA.id),)))
    assert fix_button(page).text() == "Tr&y Again"

    fix_button(page).click()

    fake.wait_for_call("allow_again", CUDA.id)


def test_a_person_who_stops_a_start_is_not_told_of_an_error(
    qtbot: QtBot, bridge: Bridge, page: HomePage, fake: FakeApp
) -> None:
    fake.refuse("start_server", StartCalledOffError())
    page.server.switch.click()
    fake.wait_for_call("start_server")

    settle(qtbot, bridge)
    assert page.card.isHidden()


def test_a_sleeping_server_says_what_wakes_it_and_can_be_started_and_stopped(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_sleeping())

    assert page.server.headline.text() == "Asleep: a request starts it"
    assert page.server.address.text() == "http://127.0.0.1:8080/v1"
    assert page.server.switch.isChecked()
    page.engines.rows[""].load_button.click()
    fake.wait_for_call("start_server")


def test_a_failed_start_is_explained_in_the_page(qtbot: QtBot, page: HomePage, fake: FakeApp) -> None:
    fake.refuse("start_server", PORT_TAKEN)
    page.server.switch.click()
    qtbot.waitUntil(lambda: not page.card.isHidden())

    assert page.card.accessibleName() == PORT_TAKEN.title
    assert page.card.accessibleDescription() == "Only one program at a time.\nChoose another port."


def test_an_explanation_goes_when_the_server_runs_after_all(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    fake.refuse("start_server", PORT_TAKEN)
    page.server.switch.click()
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


def looked_at(qtbot: QtBot, page: HomePage, fake: FakeApp) -> None:
    """Show the page until it has looked at the engines twice."""
    seen = fake.looks
    with qtbot.waitExposed(page):
        page.show()
    while fake.looks < seen + 2:
        with qtbot.waitSignal(page.usage_look.seen):
            page.usage_look.start()


def asked(fake: FakeApp, requests: int = 1) -> None:
    """Let the server have answered so many requests, which nobody is told of."""
    fake._status = replace(fake._status, traffic=Traffic(requests=requests))


def test_what_the_engines_take_is_shown_as_soon_as_somebody_asks_them(
    qtbot: QtBot, page: HomePage, fake: FakeApp
) -> None:
    assert fake.looks == 0
    fake.memory_bytes = 4_680_000_000

    looked_at(qtbot, page, fake)
    assert page.usage.isHidden()
    asked(fake)
    looked_at(qtbot, page, fake)

    memory = page.usage.cells[Quantity.MEMORY]
    assert memory.value.text() == "4.4 GiB"
    assert memory.accessibleName() == "Memory: 4.4 GiB"
    assert memory.isVisible()
    assert page.usage.cells[Quantity.GRAPHICS].isHidden()


def test_looks_are_rare_while_nobody_asks(qtbot: QtBot, page: HomePage, fake: FakeApp) -> None:
    looked_at(qtbot, page, fake)
    idle_ms = page.usage_look.clock.interval()
    asked(fake)
    looked_at(qtbot, page, fake)

    assert page.usage_look.clock.interval() < idle_ms


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
    qtbot.waitUntil(lambda: page.usage_note.text() == expected)


def test_what_was_measured_stays_while_another_page_is_on_top(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp
) -> None:
    window = Window(bridge)
    qtbot.addWidget(window)
    window.open(Page.HOME)
    page = window.page(Page.HOME)
    assert isinstance(page, HomePage)
    looked_at(qtbot, page, fake)
    kept = page.usage_look.samples

    window.open(Page.LOGS)
    assert page.usage_look.clock.isActive()
    window.close()
    page.usage_look.clock.setInterval(10)
    qtbot.waitUntil(lambda: not page.usage_look.clock.isActive())
    window.open(Page.HOME)

    assert page.usage_look.samples[: len(kept)] == kept
    assert page.usage_look.clock.isActive()


def test_home_needs_neither_numpy_nor_pyqtgraph() -> None:
    program = (
        "import sys\n"
        "import tray_app.app.root, tray_app.ui.application, tray_app.ui.pages.home\n"
        "print(sorted({'numpy', 'pyqtgraph'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_pictures_of_the_page(
    qtbot: QtBot, page: HomePage, bridge: Bridge, fake: FakeApp, photograph: Callable[[QWidget, str], None]
) -> None:
    page.resize(700, 560)
    looked_at(qtbot, page, fake)
    asked(fake)
    looked_at(qtbot, page, fake)
    fail(qtbot, bridge, fake, DAMAGED)
    photograph(page, "home-failed")

    show(qtbot, bridge, fake, State.READY)
    photograph(page, "home-ready")
    for name, status in {"asleep": make_sleeping(), "stopped": make_status()}.items():
        with qtbot.waitSignal(bridge.status_changed):
            fake.show(status)
        photograph(page, f"home-{name}")
