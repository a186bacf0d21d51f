from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QContextMenuEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QMenu, QMessageBox, QPushButton

from tests.fakes.app import make_loaded, make_status, with_engines
from tests.fakes.apps import real_app
from tests.fakes.bridges import settle
from tests.fakes.engines_shown import CPU, CUDA, VULKAN, make_installed, make_installed_engine, make_overview
from tests.fakes.fake_llama_server import Mode, llama_server
from tests.ui.test_accessibility import by_tab, nameless, unreachable
from tray_app.engine.builds.build import SetAside
from tray_app.engine.builds.installation import Installation, InstallPhase
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.engine.program import PassedOver, WhyPassedOver
from tray_app.errors import EngineError, ErrorCode
from tray_app.ui.bridge import Bridge
from tray_app.ui.dialogs.settings import SettingsDialog
from tray_app.ui.dialogs.terms import TermsDialog
from tray_app.ui.pages.engines import EnginesPage
from tray_app.ui.pages.home import HomePage
from tray_app.ui.presenters.builds import EngineAction
from tray_app.ui.widgets.setting_editors import ChoiceEditor

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.app.engine_manager import EnginesOverview
    from tray_app.ui.widgets.build_rows import RowWidget

PROOF_MS = 120_000
HALFWAY = Installation(CUDA.id, InstallPhase.DOWNLOADING, 43, 100, 12_300_000, 27.0)
ASIDE = SetAside(VULKAN.id, "bamboo", "It stopped with SIGSEGV while it loaded the model.")


@pytest.fixture
def page(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> EnginesPage:
    """On a machine with an NVIDIA card for which nothing has been installed."""
    fake.engines.shown = make_overview()
    made = EnginesPage(bridge)
    qtbot.addWidget(made)
    made.show()
    settle(qtbot, bridge)
    return made


def show(qtbot: QtBot, bridge: Bridge, fake: FakeApp, overview: EnginesOverview) -> None:
    fake.engines.show(overview)
    with qtbot.waitSignal(bridge.engines_changed):
        pass
    settle(qtbot, bridge)


def install(qtbot: QtBot, bridge: Bridge, fake: FakeApp, installation: Installation) -> None:
    """Let the app say that this is being installed."""
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(replace(make_status(State.READY), installation=installation))


def only_row(page: EnginesPage) -> RowWidget:
    """The row of the one engine that is installed, before the one that comes with the app."""
    return next(iter(page.installed.rows.values()))


def test_it_says_that_it_looks_until_it_has(qtbot: QtBot, bridge: Bridge) -> None:
    page = EnginesPage(bridge)
    qtbot.addWidget(page)

    assert page.machine.text() == "Loading the list of engines …"
    assert page.others_button.isHidden()


def test_in_a_tall_window_a_row_is_no_taller_than_its_text(
    qtbot: QtBot, page: EnginesPage, bridge: Bridge
) -> None:
    page.resize(900, 900)
    settle(qtbot, bridge)
    (row,) = page.installed.rows.values()

    qtbot.waitUntil(lambda: row.height() == row.heightForWidth(row.width()))


def test_in_a_narrow_window_no_line_is_cut_off(
    qtbot: QtBot, page: EnginesPage, bridge: Bridge, fake: FakeApp
) -> None:
    vulkan = make_installed_engine(make_installed(VULKAN), set_aside=(ASIDE,), in_use_by=("A model " * 9,))
    show(qtbot, bridge, fake, make_overview(vulkan))

    for width in (900, 600, 480):
        page.resize(width, 600)
        settle(qtbot, bridge)
        lines = [each for each in page.installed.findChildren(QLabel) if each.isVisible() and each.wordWrap()]

        assert page.scrolled.horizontalScrollBar().maximum() == 0
        assert lines
        assert not [each.text() for each in lines if each.height() < each.heightForWidth(each.width())]


def test_what_suits_the_machine_is_installed_once_the_terms_are_accepted(
    qtbot: QtBot, page: EnginesPage, fake: FakeApp
) -> None:
    page.offer.buttons[EngineAction.INSTALL].click()
    dialog = page.controller.dialog
    assert isinstance(dialog, TermsDialog)
    assert fake.calls == []

    dialog.accept_button.click()

    qtbot.waitUntil(lambda: fake.calls == [("install", CUDA.id)])


def test_nothing_is_installed_if_the_terms_are_not_accepted(
    qtbot: QtBot, page: EnginesPage, bridge: Bridge, fake: FakeApp
) -> None:
    page.offer.buttons[EngineAction.INSTALL].click()
    dialog = page.controller.dialog
    assert isinstance(dialog, TermsDialog)

    QTest.keyClick(dialog, Qt.Key.Key_Enter)  # which presses what is safe

    qtbot.waitUntil(lambda: not dialog.isVisible())
    settle(qtbot, bridge)
    assert fake.calls == []


def test_another_build_is_found_below_and_installed_at_once_where_nobody_has_terms(
    qtbot: QtBot, page: EnginesPage, fake: FakeApp
) -> None:
    assert page.others.isHidden()

    page.others_button.click()
    assert page.others.isVisible()
    assert page.others_button.text() == "Hide Other Engines"
    page.others.rows[VULKAN.id].buttons[EngineAction.INSTALL].click()

    qtbot.waitUntil(lambda: fake.calls == [("install", VULKAN.id)])


def test_an_installation_takes_the_place_of_the_offer_and_can_be_paused_resumed_and_cancelled(
    qtbot: QtBot, page: EnginesPage, bridge: Bridge, fake: FakeApp
) -> None:
    install(qtbot, bridge, fake, HALFWAY)
    assert page.offer.isHidden()
    assert page.installation.bar.value() == 430
    page.installation.buttons[EngineAction.PAUSE].click()
    fake.wait_for_call("pause_installation")

    install(qtbot, bridge, fake, replace(HALFWAY, phase=InstallPhase.PAUSED))
    page.installation.buttons[EngineAction.RESUME].click()
    fake.wait_for_call("resume_installation")

    install(qtbot, bridge, fake, HALFWAY)
    page.installation.buttons[EngineAction.CANCEL].click()
    fake.wait_for_call("cancel_installation")


def test_the_keyboard_stays_at_a_button_while_the_installation_goes_on(
    qtbot: QtBot, page: EnginesPage, bridge: Bridge, fake: FakeApp
) -> None:
    install(qtbot, bridge, fake, HALFWAY)
    button = page.installation.buttons[EngineAction.CANCEL]
    button.setFocus()

    install(qtbot, bridge, fake, replace(HALFWAY, phase=InstallPhase.UNPACKING, received_bytes=100))

    assert page.installation.buttons == {EngineAction.CANCEL: button}
    assert page.focusWidget() is button


def test_a_button_that_goes_leaves_the_keyboard_in_its_card(
    qtbot: QtBot, page: EnginesPage, bridge: Bridge, fake: FakeApp
) -> None:
    install(qtbot, bridge, fake, HALFWAY)
    page.installation.buttons[EngineAction.PAUSE].setFocus()

    install(qtbot, bridge, fake, replace(HALFWAY, phase=InstallPhase.PROVING))

    assert page.focusWidget() is page.installation.title


def test_a_failed_installation_is_begun_again_or_forgotten(
    qtbot: QtBot, page: EnginesPage, bridge: Bridge, fake: FakeApp
) -> None:
    error = EngineError(ErrorCode.ENGINE_ENDED, "The engine does not run here", "GLIBC_2.38 not found.")
    install(qtbot, bridge, fake, replace(HALFWAY, phase=InstallPhase.FAILED, error=error))

    assert "GLIBC_2.38 not found." in page.installation.text.text()
    assert page.installation.bar.isHidden()
    page.installation.buttons[EngineAction.CLOSE].click()

    fake.wait_for_call("cancel_installation")


def test_an_engine_that_was_set_aside_is_let_try_again_in_its_row(
    qtbot: QtBot, page: EnginesPage, bridge: Bridge, fake: FakeApp
) -> None:
    build = make_installed(VULKAN)
    show(qtbot, bridge, fake, make_overview(make_installed_engine(build, set_aside=(ASIDE,))))
    row = only_row(page)
    assert "SIGSEGV" in row.warnings.text()

    row.buttons[EngineAction.ALLOW].click()
    fake.wait_for_call("allow_again", VULKAN.id)
    show(qtbot, bridge, fake, make_overview(make_installed_engine(build)))

    assert only_row(page) is row
    assert row.buttons == {}
    assert row.warnings.isHidden()


def entry(row: RowWidget, title: str) -> Callable[[], object]:
    """An entry of the menu of a row."""
    menu = row.findChild(QMenu)
    assert isinstance(menu, QMenu)
    return next(action for action in menu.actions() if action.text() == title).trigger


def test_an_engine_is_proven_again_by_its_menu(
    qtbot: QtBot, page: EnginesPage, bridge: Bridge, fake: FakeApp
) -> None:
    show(qtbot, bridge, fake, make_overview(make_installed_engine()))

    entry(only_row(page), "Test Again")()

    fake.wait_for_call("prove", CUDA.id)


def test_the_menu_of_a_row_opens_by_the_key_for_it(
    qtbot: QtBot, page: EnginesPage, bridge: Bridge, fake: FakeApp
) -> None:
    show(qtbot, bridge, fake, make_overview(make_installed_engine()))
    row = only_row(page)
    row.more_button.setFocus()

    QApplication.sendEvent(
        row.more_button,
        QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(1, 1), QPoint(1, 1)),
    )

    menu = row.findChild(QMenu)
    assert isinstance(menu, QMenu)
    qtbot.waitUntil(menu.isVisible)
    menu.close()


def question(page: EnginesPage) -> QMessageBox:
    box = page.controller.dialog
    assert isinstance(box, QMessageBox)
    return box


def press(box: QMessageBox, label: str) -> None:
    next(button for button in box.buttons() if button.text() == label).click()


@pytest.mark.parametrize(("answer", "calls"), [("&Remove", [("remove_engine", CUDA.id)]), ("&Keep", [])])
def test_an_engine_is_removed_if_the_person_is_sure(
    qtbot: QtBot,
    page: EnginesPage,
    bridge: Bridge,
    fake: FakeApp,
    answer: str,
    calls: list[tuple[str, str]],
) -> None:
    show(qtbot, bridge, fake, make_overview(make_installed_engine(in_use_by=("bamboo",))))

    entry(only_row(page), "Remove…")()
    box = question(page)
    assert "812 MB" in box.informativeText()
    press(box, answer)

    settle(qtbot, bridge)
    assert fake.calls == calls


def test_what_went_wrong_is_said_above_the_engines(
    qtbot: QtBot, page: EnginesPage, bridge: Bridge, fake: FakeApp
) -> None:
    fake.refuse("install", EngineError(ErrorCode.ENGINE_ENDED, "Another engine is being installed"))
    page.others_button.click()

    page.others.rows[VULKAN.id].buttons[EngineAction.INSTALL].click()
    settle(qtbot, bridge)

    assert page.card.accessibleName() == "Another engine is being installed"


def test_engines_that_cannot_be_looked_at_are_looked_at_again(
    qtbot: QtBot, page: EnginesPage, bridge: Bridge, fake: FakeApp
) -> None:
    error = EngineError(ErrorCode.ENGINE_ENDED, "The engines folder could not be read")
    fake.engines.fault = error
    page.look.refresh()
    settle(qtbot, bridge)
    assert page.card.error is error

    fake.engines.fault = None
    page.card.findChildren(QPushButton)[0].click()
    settle(qtbot, bridge)

    assert page.card.isHidden()
    assert page.offer.isVisible()


@pytest.mark.parametrize("answer", ["&Add", "&Cancel"])
def test_a_file_that_is_dropped_is_added_if_the_person_is_sure(
    qtbot: QtBot, page: EnginesPage, bridge: Bridge, fake: FakeApp, answer: str
) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/home/me/llama.zip")])
    page.dropEvent(
        QDropEvent(
            QPointF(),
            Qt.DropAction.CopyAction,
            data,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )

    box = question(page)
    assert "llama.zip" in box.text()
    press(box, answer)
    settle(qtbot, bridge)

    assert fake.calls == ([("install_file", Path("/home/me/llama.zip"))] if answer == "&Add" else [])


@pytest.mark.parametrize(
    ("number", "mode"), [(0, QFileDialog.FileMode.ExistingFile), (1, QFileDialog.FileMode.Directory)]
)
def test_an_engine_of_the_persons_own_is_chosen_as_a_file_or_a_folder(
    qtbot: QtBot, page: EnginesPage, bridge: Bridge, fake: FakeApp, number: int, mode: QFileDialog.FileMode
) -> None:
    page.add_button.menu().actions()[number].trigger()
    dialog = page.controller.dialog
    assert isinstance(dialog, QFileDialog)
    assert dialog.fileMode() is mode
    dialog.filesSelected.emit(["/opt/llama"])
    dialog.close()

    press(question(page), "&Add")
    settle(qtbot, bridge)

    assert fake.calls == [("install_file", Path("/opt/llama"))]


def test_another_language_keeps_what_was_unfolded(qtbot: QtBot, page: EnginesPage, bridge: Bridge) -> None:
    page.others_button.click()
    anew = EnginesPage(bridge)
    qtbot.addWidget(anew)

    anew.take_over(page)

    assert not anew.others.isHidden()
    assert list(anew.others.rows) == list(page.others.rows)


def test_the_tab_key_comes_by_from_top_to_bottom(
    qtbot: QtBot, page: EnginesPage, bridge: Bridge, fake: FakeApp
) -> None:
    aside = make_installed_engine(make_installed(VULKAN), set_aside=(ASIDE,))
    own = make_installed_engine(make_installed(CPU, id="own"))
    page.others_button.click()
    show(qtbot, bridge, fake, make_overview(aside, own))
    install(qtbot, bridge, fake, HALFWAY)
    show(qtbot, bridge, fake, make_overview(own, aside))
    qtbot.waitUntil(lambda: next(iter(page.installed.rows)) == "own")  # it looks again after a moment
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY))

    vulkan, cpu = (
        f"llama.cpp b11194 for {each}" for each in ("graphics cards (Vulkan)", "the processor (CPU)")
    )
    assert by_tab(page.offer.title, page.others.last) == [
        "Install: Use your graphics card",
        "&Add an Engine",
        f"More: {cpu}",
        f"Try Again: {vulkan}",
        f"More: {vulkan}",
        "Hide Other Engines",
        f"Install: {cpu}",
    ]


def states() -> dict[str, tuple[EnginesOverview, Installation | None]]:
    """What the page can look like."""
    aside = make_installed_engine(make_installed(VULKAN), set_aside=(ASIDE,))
    return {
        "offer": (make_overview(), None),
        "installing": (make_overview(), HALFWAY),
        "set-aside": (make_overview(make_installed_engine(in_use_by=("bamboo",)), aside), None),
    }


@pytest.mark.parametrize("state", ["offer", "installing", "set-aside"])
def test_every_control_has_a_name_and_can_be_reached(
    qtbot: QtBot,
    page: EnginesPage,
    bridge: Bridge,
    fake: FakeApp,
    state: str,
    photograph: Callable[[QWidget, str], None],
) -> None:
    overview, installation = states()[state]
    show(qtbot, bridge, fake, overview)
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(replace(make_status(State.READY), installation=installation))
    page.others_button.click()
    page.resize(800, 600)
    settle(qtbot, bridge)

    photograph(page, f"engines-{state}")
    assert nameless(page) == []
    assert unreachable(page) == []


@pytest.fixture
def status_page(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> HomePage:
    """The page Home on the same machine."""
    fake.engines.shown = make_overview()
    made = HomePage(bridge)
    qtbot.addWidget(made)
    made.show()
    settle(qtbot, bridge)
    return made


def test_the_page_home_offers_what_suits_the_machine(
    qtbot: QtBot, status_page: HomePage, fake: FakeApp
) -> None:
    assert list(status_page.offer.buttons) == [EngineAction.INSTALL, EngineAction.LATER]

    status_page.offer.buttons[EngineAction.INSTALL].click()
    dialog = status_page.controller.dialog
    assert isinstance(dialog, TermsDialog)
    dialog.accept_button.click()

    qtbot.waitUntil(lambda: ("install", CUDA.id) in fake.calls)


def test_what_was_put_off_is_not_offered_again_also_in_another_language(
    qtbot: QtBot, status_page: HomePage, bridge: Bridge
) -> None:
    status_page.offer.buttons[EngineAction.LATER].click()
    qtbot.waitUntil(status_page.offer.isHidden)

    anew = HomePage(bridge)
    qtbot.addWidget(anew)
    anew.take_over(status_page)

    assert anew.offer.isHidden()


def test_the_page_home_follows_an_installation(
    qtbot: QtBot, status_page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    install(qtbot, bridge, fake, HALFWAY)

    assert status_page.offer.isHidden()
    assert status_page.installation.accessibleName() == "Installing llama.cpp b11194 for NVIDIA (CUDA 13.4)"
    assert "43 %" in status_page.installation.note.text()


def test_an_engine_that_was_set_aside_is_told_with_the_reason_and_a_way_back(
    qtbot: QtBot, status_page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    loaded = make_loaded("BGE M3 Q8_0")
    assert isinstance(loaded.told, LaunchPlan)
    passed = PassedOver(make_installed(VULKAN), WhyPassedOver.SET_ASIDE, ASIDE.reason)
    plan = replace(loaded.told, engine=replace(loaded.told.engine, passed_over=(passed,)))
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(with_engines(make_status(State.READY), replace(loaded, told=plan)))
    assert "SIGSEGV" in status_page.fallback.text.text()

    status_page.fallback.buttons[EngineAction.ALLOW].click()
    fake.wait_for_call("allow_again", VULKAN.id)
    settle(qtbot, bridge)
    status_page.fallback.buttons[EngineAction.HIDE].click()

    assert status_page.fallback.isHidden()
    assert ("cancel_installation",) not in fake.calls


def test_a_wish_about_an_engine_that_failed_is_explained_on_the_page_status(
    qtbot: QtBot, status_page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    fake.refuse("pause_installation", EngineError(ErrorCode.ENGINE_ENDED, "There is nothing to pause"))
    install(qtbot, bridge, fake, HALFWAY)

    status_page.installation.buttons[EngineAction.PAUSE].click()
    settle(qtbot, bridge)

    assert status_page.card.accessibleName() == "There is nothing to pause"


def test_the_engines_are_looked_at_again_when_another_model_runs(
    qtbot: QtBot, status_page: HomePage, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(status_page.look.seen), qtbot.waitSignal(bridge.status_changed):
        fake.show(with_engines(make_status(State.READY), make_loaded("BGE M3 Q8_0")))


def test_an_engine_that_is_installed_can_be_chosen_in_the_settings(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp
) -> None:
    fake.engines.shown = make_overview(make_installed_engine())
    dialog = SettingsDialog(bridge)
    qtbot.addWidget(dialog)
    settle(qtbot, bridge)

    editor = dialog.editors["engine"]
    assert isinstance(editor, ChoiceEditor)
    editor.box.setCurrentIndex(editor.box.findText("llama.cpp b11194 for NVIDIA (CUDA 13.4)"))

    assert dialog.form.draft() == {"engine": "llama.cpp-cuda"}
    assert "must be" not in dialog.rows["engine"].note.text()


@pytest.mark.skipif(sys.platform == "win32", reason="makes a script with a first line")
def test_an_engine_of_the_persons_own_is_proven_shown_and_removed_by_the_real_app(
    qtbot: QtBot, tmp_path: Path
) -> None:
    program = tmp_path / "mine" / "llama-server"
    program.parent.mkdir()
    program.write_text(llama_server(Mode.CRASH_ON_Q4_K))
    program.chmod(0o755)
    with real_app() as app:
        bridge = Bridge(app)
        page = EnginesPage(bridge)
        qtbot.addWidget(page)
        page.show()
        settle(qtbot, bridge)
        before = len(page.installed.rows)
        assert "comes with the app" in only_row(page).accessibleDescription()

        page.controller.add(program.parent)
        press(question(page), "&Add")
        qtbot.waitUntil(lambda: len(page.installed.rows) > before, timeout=PROOF_MS)
        row = only_row(page)
        assert "tested with F16, Q8_0, Q4_0" in row.facts.text()
        assert row.warnings.text().startswith("Not used for Q4_K: ")
        qtbot.waitUntil(page.installation.isHidden)  # the store has it a moment before it is done

        entry(row, "Remove…")()
        press(question(page), "&Remove")
        qtbot.waitUntil(lambda: len(page.installed.rows) == before)
        bridge.close(timeout_s=5)
