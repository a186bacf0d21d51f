from __future__ import annotations

from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton, QToolButton

from tests.fakes.app import make_loaded, make_model, make_progress, make_status, with_engines
from tests.fakes.bridges import settle
from tests.fakes.models_shown import FOUND, MORE, REPOSITORY, WORDS, fill, make_repository_report
from tests.ui.test_accessibility import nameless, unreachable
from tray_app.download.faults import UnreachableError
from tray_app.download.progress import Phase
from tray_app.engine.lifecycle import State
from tray_app.errors import DownloadError, EngineError, ErrorCode
from tray_app.models.hub import Sort
from tray_app.models.memory import Fit
from tray_app.ui.dialogs.download import DownloadDialog
from tray_app.ui.pages.models import ModelsPage
from tray_app.ui.presenters.notices import Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.pages.discover import DiscoverPanel

WAIT_S = 20
ADDRESS = "https://huggingface.co/owner/Qwen3-8B-GGUF/resolve/main/Qwen3-8B-Q4_K_M.gguf"


@pytest.fixture
def models(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> ModelsPage:
    fill(fake)
    made = ModelsPage(bridge)
    qtbot.addWidget(made)
    made.resize(900, 600)
    made.setCurrentWidget(made.discover)
    made.show()
    qtbot.waitUntil(lambda: bool(made.discover.rows.rows.keys))
    settle(qtbot, bridge)
    return made


@pytest.fixture
def panel(models: ModelsPage) -> DiscoverPanel:
    return models.discover


def titles(panel: DiscoverPanel) -> list[str]:
    return [row.title for row in panel.rows.rows.items]


def search(qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel, words: str) -> None:
    panel.field.setText(words)
    QTest.keyClick(panel.field, Qt.Key.Key_Return)
    settle(qtbot, bridge)


def show_files(qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel) -> None:
    search(qtbot, bridge, panel, WORDS)
    panel.rows.press(REPOSITORY)
    settle(qtbot, bridge)


def make_too_large(qtbot: QtBot, panel: DiscoverPanel, fake: FakeApp) -> None:
    """Let no model fit; until that is seen."""
    fake.fit = Fit.TOO_LARGE
    fake.show(replace(fake.status(), folder_changes=1))
    qtbot.waitUntil(lambda: "tiny" in panel.others.rows.keys)


def press(panel: DiscoverPanel, label: str) -> None:
    """A button of the dialog that is open, by what stands on it."""
    assert panel.controller.dialog is not None
    buttons = panel.controller.dialog.findChildren(QPushButton)
    next(button for button in buttons if button.text().replace("&", "") == label).click()


def test_the_catalogue_is_there_while_nothing_is_searched_for(panel: DiscoverPanel, fake: FakeApp) -> None:
    assert titles(panel) == ["Bamboo 7B Q4_0", "Tiny"]
    assert panel.rows.rows.item("bamboo").state == "Already installed"
    assert not [call for call in fake.calls if call[0] in ("search", "examine")]


def test_a_model_of_the_catalogue_is_downloaded(qtbot: QtBot, panel: DiscoverPanel, fake: FakeApp) -> None:
    panel.rows.press("tiny")

    qtbot.waitUntil(lambda: ("download", "tiny") in fake.calls)  # by its id: with its projector


def test_before_a_download_it_is_told_what_comes_and_what_it_takes(
    qtbot: QtBot, panel: DiscoverPanel, fake: FakeApp, photograph: Callable[[QWidget, str], None]
) -> None:
    make_too_large(qtbot, panel, fake)
    panel.others.press("tiny")
    dialog = panel.controller.dialog
    assert isinstance(dialog, DownloadDialog)
    qtbot.waitUntil(dialog.waiting.isHidden)

    told = [label.text() for label in dialog.findChildren(QLabel)]

    assert {"4.68 GB needed, 20.0 GB free", "○ Does not fit"} <= set(told)
    assert any("Try a context size of 2048" in text for text in told)
    assert nameless(dialog) == []
    assert unreachable(dialog) == []
    photograph(dialog, "models-download-dialog")
    press(panel, "Cancel")
    assert ("download", "tiny") not in fake.calls


def test_what_cannot_be_read_beforehand_can_be_downloaded_all_the_same(
    qtbot: QtBot, panel: DiscoverPanel, fake: FakeApp
) -> None:
    fake.refuse(
        "preview_download",
        DownloadError(ErrorCode.SOURCE_UNREACHABLE, "There is no answer", "The server is away."),
    )
    make_too_large(qtbot, panel, fake)
    panel.others.press("tiny")
    dialog = panel.controller.dialog
    assert isinstance(dialog, DownloadDialog)
    qtbot.waitUntil(lambda: not dialog.card.isHidden())

    press(panel, "Download")

    qtbot.waitUntil(lambda: ("download", "tiny") in fake.calls)


def test_what_does_not_run_here_is_folded_away(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel, fake: FakeApp
) -> None:
    assert panel.others_button.isHidden()
    fake.obstacle = EngineError(ErrorCode.ENGINE_NOT_FOUND, "PowerInfer is not installed", "It is not here.")
    fake.library.models = ()
    fake.show(replace(fake.status(), folder_changes=1))
    qtbot.waitUntil(panel.others_button.isVisible)
    settle(qtbot, bridge)

    assert titles(panel) == []
    assert panel.others.isHidden()
    panel.others_button.click()

    assert panel.others.isVisible()
    assert "PowerInfer is not installed" in panel.others.rows.at(1).spoken


def test_words_are_searched_for_and_more_is_fetched_when_asked(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel, fake: FakeApp
) -> None:
    search(qtbot, bridge, panel, f" {WORDS} ")

    assert titles(panel) == [each.repository.partition("/")[2] for each in FOUND.repositories]
    assert panel.title.text() == "Results for “qwen3”"
    assert ("search", WORDS, "") in fake.calls
    panel.more_button.click()
    settle(qtbot, bridge)

    assert titles(panel)[-1] == MORE.repositories[0].repository.partition("/")[2]
    assert ("search", WORDS, FOUND.next) in fake.calls
    assert panel.more_button.isHidden()


def test_words_are_searched_for_after_a_pause_and_addresses_only_by_enter(
    qtbot: QtBot, panel: DiscoverPanel, fake: FakeApp
) -> None:
    QTest.keyClicks(panel.field, WORDS)
    assert not [call for call in fake.calls if call[0] == "search"]

    qtbot.waitUntil(lambda: titles(panel)[:1] == ["Qwen3-Embedding-0.6B-GGUF"])
    assert [call for call in fake.calls if call[0] == "search"] == [("search", WORDS, "")]
    panel.field.setText("https://example.org/m.gguf")

    assert not panel._pause.isActive()
    assert panel.hub.words == WORDS


def test_another_order_is_asked_for(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel, fake: FakeApp
) -> None:
    assert panel.order.isHidden()
    search(qtbot, bridge, panel, WORDS)

    panel.order.setCurrentText("Most likes")
    settle(qtbot, bridge)

    assert fake.discovery.sort is Sort.LIKES
    assert len(titles(panel)) == len(FOUND.repositories)


def test_an_empty_field_leads_back_to_the_catalogue(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel
) -> None:
    search(qtbot, bridge, panel, WORDS)
    panel.field.clear()

    assert titles(panel) == ["Bamboo 7B Q4_0", "Tiny"]


def test_where_nothing_is_found_it_is_said_what_helps(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel
) -> None:
    search(qtbot, bridge, panel, "no such model")

    assert titles(panel) == []
    assert panel.text.text() == "Nothing was found. Try fewer words."


def test_without_a_network_that_is_said_and_the_catalogue_stays(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel, fake: FakeApp
) -> None:
    no_network = UnreachableError(ErrorCode.SOURCE_UNREACHABLE, "The search for models is not possible")
    fake.refuse("search", no_network)
    search(qtbot, bridge, panel, WORDS)

    assert panel.card.accessibleName() == "The search for models is not possible"
    assert titles(panel) == ["Bamboo 7B Q4_0", "Tiny"]
    fake._refusals.clear()
    next(button for button in panel.card.findChildren(QPushButton)).click()
    settle(qtbot, bridge)

    assert panel.card.isHidden()
    assert len(titles(panel)) == len(FOUND.repositories)


def test_the_files_of_a_repository_show_their_verdict_and_the_best_one_is_first(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel
) -> None:
    show_files(qtbot, bridge, panel)

    best = panel.best.row
    assert best is not None
    assert (best.title, best.best) == ("Q4_K_M", True)
    assert "answers about twice as fast" in best.note
    assert panel.best.button.text() == "Download 5.03 GB"
    assert {row.title: row.verdict.text for row in panel.rows.rows.items} == {
        "Q2_K": "Fits",
        "Q4_0": "Fits",
        "Q6_K": "Fits",
        "Q8_0": "Tight",
    }
    assert panel.others.isHidden()
    assert panel.others_button.text() == "1 file is too large for this computer"
    panel.others_button.click()
    assert [(row.title, row.verdict.text) for row in panel.others.rows.items] == [("F16", "Does not fit")]
    assert "8.2 B parameters" in panel.text.text()


@pytest.mark.parametrize("wanted", [True, False])
def test_a_model_that_sees_comes_with_its_projector_if_that_is_wanted(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel, fake: FakeApp, wanted: bool
) -> None:
    show_files(qtbot, bridge, panel)
    assert panel.best.sight.text() == "With pictures: + 600 MB"
    panel.best.sight.setChecked(wanted)

    panel.best.button.click()

    projector = ADDRESS.replace("Qwen3-8B-Q4_K_M", "mmproj-Qwen3-8B")
    expected = ("download", ADDRESS, projector) if wanted else ("download", ADDRESS)
    qtbot.waitUntil(lambda: expected in fake.calls)


def test_a_file_is_downloaded_then_loaded_from_its_row(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel, fake: FakeApp
) -> None:
    show_files(qtbot, bridge, panel)
    panel.best.sight.setChecked(False)
    panel.best.button.click()
    qtbot.waitUntil(lambda: ("download", ADDRESS) in fake.calls)

    name = "Qwen3-8B-Q4_K_M.gguf"
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(downloads=(make_progress(name=name),)))
    assert panel.best.facts.text().startswith("43 % · 12.3 MB/s · 3 min left")
    assert panel.best.bar.value() == 430
    assert panel.best.button.text() == "Pause"

    fake.library.models += (make_model("Qwen3 8B", name, sparse=False),)
    fake.show(make_status(downloads=(make_progress(Phase.DONE, name=name),)))
    qtbot.waitUntil(lambda: panel.best.button.text() == "Load")
    panel.best.button.click()
    qtbot.waitUntil(lambda: fake.calls[-2:] == [("apply", {"model": "Qwen3-8B-Q4_K_M"}), ("start_server",)])

    with qtbot.waitSignal(bridge.status_changed):
        fake.show(with_engines(make_status(State.READY), replace(make_loaded(), model_id="Qwen3-8B-Q4_K_M")))
    assert panel.best.button.text() == "Open Chat"
    with qtbot.waitSignal(panel.navigate) as lead:
        panel.best.button.click()
    assert lead.args == [Page.CHAT]


def test_back_leads_from_the_files_to_what_was_found(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel
) -> None:
    show_files(qtbot, bridge, panel)
    panel.back_button.click()

    assert titles(panel) == [each.repository.partition("/")[2] for each in FOUND.repositories]
    assert panel.back_button.isHidden()


def test_files_that_nobody_may_see_are_told_with_the_reason(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel, fake: FakeApp
) -> None:
    terms = DownloadError(ErrorCode.TERMS_NOT_ACCEPTED, "Terms are to be accepted", "", "Sign in.")
    report = make_repository_report(with_projector=False)
    (model,) = report.models
    unjudged = replace(report, models=(replace(model, reports=(), best=None, problem=terms),))
    fake.discovery.reports[REPOSITORY] = unjudged
    show_files(qtbot, bridge, panel)

    assert "Whether they fit is not known. Terms are to be accepted. Sign in." in panel.text.text()
    assert {row.verdict for row in panel.rows.rows.items} == {None}


@pytest.mark.parametrize("address", ["hf:owner/repo/file.gguf", "https://example.org/m.gguf"])
def test_the_address_of_a_file_is_downloaded_and_the_field_emptied(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel, fake: FakeApp, address: str
) -> None:
    search(qtbot, bridge, panel, f" {address} ")
    press(panel, "Download")

    qtbot.waitUntil(lambda: ("download", address) in fake.calls)
    qtbot.waitUntil(lambda: panel.field.text() == "")


def test_the_address_of_a_repository_leads_to_its_files(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel, fake: FakeApp
) -> None:
    fake.discovery.reports[f"hf:{REPOSITORY}"] = make_repository_report()
    search(qtbot, bridge, panel, f"hf:{REPOSITORY}")

    assert panel.title.text() == REPOSITORY
    assert len(titles(panel)) == 4


def test_what_is_no_address_stays_and_the_cause_is_shown(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel
) -> None:
    search(qtbot, bridge, panel, "hf:nothing")

    assert panel.card.accessibleName() == "This is not a file on Hugging Face"
    assert panel.field.text() == "hf:nothing"


def test_a_refused_download_stays_and_the_cause_is_shown(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel, fake: FakeApp
) -> None:
    fake.refuse("download", DownloadError(ErrorCode.ADDRESS_INVALID, "This is no model", "", "Another."))
    search(qtbot, bridge, panel, "https://example.org/x")
    press(panel, "Download")

    qtbot.waitUntil(lambda: panel.card.accessibleName() == "This is no model")
    assert panel.field.text() == "https://example.org/x"


@pytest.mark.parametrize("address", ["hf:owner/repo/file.gguf", "https://example.org/m.gguf"])
def test_an_address_that_is_pasted_is_asked_about(
    qtbot: QtBot, models: ModelsPage, panel: DiscoverPanel, address: str
) -> None:
    activate(qtbot, models)
    QGuiApplication.clipboard().setText(f" {address}\n")
    QTest.keyClick(models.installed.table, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)

    assert models.currentWidget() is panel
    assert panel.field.text() == address
    assert isinstance(panel.controller.dialog, DownloadDialog)


def test_other_text_that_is_pasted_is_left_alone(
    qtbot: QtBot, models: ModelsPage, panel: DiscoverPanel
) -> None:
    activate(qtbot, models)
    QGuiApplication.clipboard().setText("https://example.org/ is a page, see there")
    QTest.keyClick(models.installed.table, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)

    assert panel.controller.dialog is None


def test_an_answer_that_nobody_waits_for_any_more_is_not_shown(
    qtbot: QtBot, bridge: Bridge, panel: DiscoverPanel
) -> None:
    panel.field.setText(WORDS)
    panel.search()
    panel.field.clear()
    settle(qtbot, bridge)

    assert panel.hub.results is None
    assert titles(panel) == ["Bamboo 7B Q4_0", "Tiny"]


def test_another_language_takes_over_what_was_found(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage, panel: DiscoverPanel
) -> None:
    show_files(qtbot, bridge, panel)
    new = ModelsPage(bridge)
    qtbot.addWidget(new)

    new.take_over(models)

    assert new.discover.field.text() == WORDS
    assert new.discover.title.text() == REPOSITORY
    assert new.currentWidget() is new.discover


def taken_over(qtbot: QtBot, bridge: Bridge, models: ModelsPage) -> DiscoverPanel:
    """The tab of a page that takes the place of this one, as another language brings it."""
    new = ModelsPage(bridge)
    qtbot.addWidget(new)
    new.take_over(models)
    models.hide()
    new.show()
    return new.discover


@pytest.mark.parametrize("under_way", ["search", "more", "examine"])
def test_another_language_does_not_lose_what_is_being_asked(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage, panel: DiscoverPanel, fake: FakeApp, under_way: str
) -> None:
    go_on, ask = Event(), getattr(fake.discovery, "examine" if under_way == "examine" else "search")

    def wait_and_ask(*asked: object, **how: object) -> object:
        go_on.wait(WAIT_S)
        return ask(*asked, **how)

    if under_way == "search":
        panel.field.setText(WORDS)
    else:
        search(qtbot, bridge, panel, WORDS)
    setattr(fake.discovery, ask.__name__, wait_and_ask)
    match under_way:
        case "search":
            panel.search()
        case "more":
            panel.more_button.click()
        case _:
            panel.rows.press(REPOSITORY)

    new = taken_over(qtbot, bridge, models)
    assert new.title.text() == "Searching …"
    assert new.text.isHidden()
    assert all(button.isVisible() for button in new.field.findChildren(QToolButton))  # that clears it
    go_on.set()
    settle(qtbot, bridge)

    assert new.field.text() == WORDS
    match under_way:
        case "search":
            assert REPOSITORY in new.rows.rows.keys
        case "more":
            assert len(new.rows.rows.keys) == len(FOUND.repositories) + len(MORE.repositories)
        case _:
            assert new.title.text() == REPOSITORY


def test_words_that_were_just_typed_are_searched_for_in_another_language(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage, panel: DiscoverPanel
) -> None:
    panel.field.setText(WORDS)

    new = taken_over(qtbot, bridge, models)

    qtbot.waitUntil(lambda: REPOSITORY in new.rows.rows.keys)


def test_a_search_that_has_failed_can_be_tried_again_in_another_language(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage, panel: DiscoverPanel, fake: FakeApp
) -> None:
    fake.refuse("search", DownloadError(ErrorCode.SOURCE_UNREACHABLE, "There is no answer", "It is away."))
    search(qtbot, bridge, panel, WORDS)
    new = taken_over(qtbot, bridge, models)
    assert new.card.accessibleName() == "There is no answer"
    fake._refusals.clear()
    new.card.findChildren(QPushButton)[0].click()
    settle(qtbot, bridge)

    assert new.card.isHidden()
    assert REPOSITORY in new.rows.rows.keys


def test_every_control_has_a_name_and_can_be_reached(
    qtbot: QtBot, bridge: Bridge, models: ModelsPage, panel: DiscoverPanel
) -> None:
    for words in ("", WORDS):
        search(qtbot, bridge, panel, words)
        assert nameless(models) == []
        assert unreachable(models) == []
    show_files(qtbot, bridge, panel)
    assert nameless(models) == []
    assert unreachable(models) == []
    assert panel.best.button.accessibleName() == "Download 5.03 GB: Q4_K_M"


def test_pictures_of_the_tab(
    qtbot: QtBot,
    bridge: Bridge,
    models: ModelsPage,
    panel: DiscoverPanel,
    photograph: Callable[[QWidget, str], None],
) -> None:
    photograph(models, "discover-catalogue")
    search(qtbot, bridge, panel, WORDS)
    photograph(models, "discover-results")
    show_files(qtbot, bridge, panel)
    photograph(models, "discover-files")


def activate(qtbot: QtBot, models: ModelsPage) -> None:
    """Give the table of installed models the keyboard."""
    models.setCurrentWidget(models.installed)
    models.activateWindow()
    models.installed.table.setFocus()
    qtbot.waitUntil(models.isActiveWindow)
