from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QInputDialog, QMessageBox

from tests.fakes.app import make_progress, make_status
from tests.fakes.bridges import settle
from tray_app.engine.lifecycle import State
from tray_app.errors import AppError, ErrorCode, GatewayError
from tray_app.search.collection import PASTED, AddReport, Skipped
from tray_app.ui.dialogs.paste_texts import PasteTextsDialog
from tray_app.ui.pages.search import SearchPanel
from tray_app.ui.presenters.notices import Page
from tray_app.ui.presenters.search import example_texts
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QPushButton, QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.search.collection import Collection
    from tray_app.ui.bridge import Bridge

BIRDS = ("Storks fly south in autumn.", "Sparrows stay all winter.", "Owls hunt at night.")
FOLDER = Path("/home/ada/Notes")


@pytest.fixture
def panel(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> SearchPanel:
    """On a computer whose server is ready."""
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY))
    made = SearchPanel(bridge)
    qtbot.addWidget(made)
    made.resize(900, 600)
    return made


def opened(qtbot: QtBot, bridge: Bridge, panel: SearchPanel) -> SearchPanel:
    panel.show()
    settle(qtbot, bridge)
    return panel


def ask(qtbot: QtBot, bridge: Bridge, panel: SearchPanel, words: str) -> None:
    panel.question.setText(words)
    QTest.keyClick(panel.question, Qt.Key.Key_Return)
    settle(qtbot, bridge)


def texts_shown(panel: SearchPanel) -> list[str]:
    return [row.text for row in panel.results.list.hits.rows]


def drop(panel: SearchPanel, *paths: Path) -> None:
    files = QMimeData()
    files.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    actions, none = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction, Qt.KeyboardModifier.NoModifier
    entering = QDragEnterEvent(QPoint(9, 9), actions, files, Qt.MouseButton.LeftButton, none)
    panel.dragEnterEvent(entering)
    assert entering.isAccepted()
    event = QDropEvent(QPointF(9, 9), actions, files, Qt.MouseButton.LeftButton, none)
    panel.dropEvent(event)
    assert event.dropAction() is Qt.DropAction.CopyAction  # the files stay where they are


def drop_many(fake: FakeApp, panel: SearchPanel) -> None:
    """Drop 20,000 texts, of which half are embedded before `go_on` is set."""
    fake.search.files[FOLDER] = tuple(f"text {number}" for number in range(20_000))
    fake.search.go_on.clear()
    drop(panel, FOLDER)


def menu_entry(button: QPushButton, beginning: str) -> Callable[[], None]:
    return next(
        action.trigger
        for action in button.menu().actions()
        if action.text().replace("&", "").startswith(beginning)
    )


def test_one_click_on_the_example_shows_what_a_search_finds(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    opened(qtbot, bridge, panel)
    assert panel.zone.isVisible()
    assert not panel.question.isVisible()

    panel.zone.example_button.click()
    settle(qtbot, bridge)

    assert ("search.add_texts", "c1", example_texts(tr)) in fake.calls
    assert panel.bar.names.currentText() == "Example"
    assert texts_shown(panel)[0] == "A passport has to be valid for six more months."
    assert panel.results.map is not None
    assert panel.results.map.accessibleDescription() == "10 texts, 5 of them were found"


def test_a_folder_that_is_dropped_becomes_a_collection_and_more_go_into_it(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    opened(qtbot, bridge, panel)

    drop(panel, FOLDER)
    settle(qtbot, bridge)
    assert panel.bar.names.currentText() == "Notes"
    assert panel.news.outcome.text() == "2 texts added"
    drop(panel, Path("/home/ada/more.md"), Path("/home/ada/other.txt"))
    settle(qtbot, bridge)

    assert [call for call in fake.calls if call[0] in ("search.create", "search.add_files")] == [
        ("search.create", "Notes"),
        ("search.add_files", "c1", (FOLDER,)),
        ("search.add_files", "c1", (Path("/home/ada/more.md"), Path("/home/ada/other.txt"))),
    ]
    assert panel.bar.facts.text() == "6 texts · 1024 dimensions · bge-m3"


def test_what_is_no_file_of_this_computer_is_not_taken(panel: SearchPanel) -> None:
    link = QMimeData()
    link.setUrls([QUrl("https://example.org/notes.txt")])
    event = QDragEnterEvent(
        QPoint(9, 9),
        Qt.DropAction.CopyAction,
        link,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    event.ignore()

    panel.dragEnterEvent(event)

    assert not event.isAccepted()


def test_lines_are_pasted_into_a_new_collection(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    opened(qtbot, bridge, panel)
    panel.zone.paste_button.click()
    dialog = panel.sources.dialog
    assert isinstance(dialog, PasteTextsDialog)
    assert not dialog.add_button.isEnabled()

    dialog.texts.setPlainText("one\n\n two \n")
    dialog.add_button.click()
    settle(qtbot, bridge)

    assert fake.search.shelves["c1"].rows == [("one", PASTED, 1), ("two", PASTED, 2)]
    assert panel.bar.names.currentText() == "Pasted texts"


def test_the_words_say_how_far_it_is_and_cancel_keeps_what_is_embedded(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    opened(qtbot, bridge, panel)

    drop_many(fake, panel)
    half, whole = tr.number(10_000), tr.number(20_000)
    qtbot.waitUntil(lambda: panel.job.words.text() == f"Embedding {half} of {whole} texts")
    assert (panel.job.bar.value(), panel.job.bar.maximum()) == (10_000, 20_000)
    panel.job.cancel_button.click()
    settle(qtbot, bridge)

    assert not panel.job.isVisible()
    assert panel.news.outcome.text() == f"{half} texts added"
    assert panel.bar.facts.text().startswith(f"{half} texts · ")


def test_what_came_of_an_addition_stays_while_the_answer_after_it_is_slow(panel: SearchPanel) -> None:
    panel.news.show_searching(searching=True)
    assert panel.news.outcome.text() == "Searching …"
    panel.news.show_report(AddReport(3, 0))
    for searching in (True, False):
        panel.news.show_searching(searching=searching)
        assert panel.news.outcome.text() == "3 texts added"


def test_thousands_of_files_that_have_not_changed_draw_the_page_a_few_times(
    qtbot: QtBot, bridge: Bridge, panel: SearchPanel
) -> None:
    def tell(_cancelled: object) -> None:
        for _ in range(5000):
            panel.controller._told.emit(0, 0)

    opened(qtbot, bridge, panel)
    panel.controller._job.start(tell, id)
    drawn: list[None] = []
    panel.controller.changed.connect(lambda: drawn.append(None))
    settle(qtbot, bridge)

    assert len(drawn) < 50


def test_what_was_skipped_is_folded_into_a_line_with_the_reasons_below(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    fake.search.put("Birds", *BIRDS)
    opened(qtbot, bridge, panel)
    error = AppError(ErrorCode.FILE_NOT_TEXT, "scan.pdf has no text", "Its pages are pictures.")
    fake.search.skipped = (Skipped(str(FOLDER / "scan.pdf"), error),)

    drop(panel, FOLDER)
    settle(qtbot, bridge)
    assert panel.news.skipped.button.text() == "1 item was skipped"
    assert not panel.news.skipped.lines.isVisible()
    panel.news.skipped.button.click()

    assert panel.news.skipped.lines.isVisible()
    line = panel.news.skipped.lines.model().index(0, 0).data()
    assert line == "scan.pdf: scan.pdf has no text. Its pages are pictures."


def test_a_collection_that_nothing_came_into_goes_and_the_reason_stays(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    opened(qtbot, bridge, panel)
    fake.refuse("search.add_files", GatewayError(ErrorCode.SERVER_UNREACHABLE, "Nobody answers"))

    drop(panel, FOLDER)
    settle(qtbot, bridge)
    assert fake.search.shelves == {}
    assert panel.zone.isVisible()
    assert panel.news.card.accessibleName() == "Nobody answers"
    fake._refusals.clear()
    panel.news.card._button.click()  # Try Again
    settle(qtbot, bridge)

    assert panel.news.card.isHidden()
    assert panel.bar.names.currentText() == "Notes"


def test_who_stops_typing_gets_an_answer_and_only_to_the_last_question(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    fake.search.put("Birds", *BIRDS)
    opened(qtbot, bridge, panel)

    QTest.keyClicks(panel.question, "owls")
    qtbot.waitUntil(lambda: len(texts_shown(panel)) == 3)

    assert texts_shown(panel)[0] == "Owls hunt at night."
    assert [call for call in fake.calls if call[0] == "search.find"] == [("search.find", "c1", "owls", 20)]


def test_an_empty_question_shows_all_texts_on_the_map_and_asks_nobody(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    fake.search.put("Birds", *BIRDS)

    opened(qtbot, bridge, panel)

    assert [call[0] for call in fake.calls] == ["search.coordinates"]
    assert panel.results.map is not None
    assert panel.results.map.accessibleDescription() == "3 texts"
    assert "30%" in panel.results.caption.text()


def test_another_collection_is_asked_the_same_question(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    fake.search.put("Birds", *BIRDS)
    fake.search.put("Bread", "Bread is baked at night.", "Flour is milled.")
    opened(qtbot, bridge, panel)
    ask(qtbot, bridge, panel, "at night")
    names = [panel.bar.names.itemText(row) for row in range(2)]

    other = 1 - panel.bar.names.currentIndex()
    panel.bar.names.setCurrentIndex(other)
    panel.bar.names.activated.emit(other)
    settle(qtbot, bridge)

    assert names == ["Birds", "Bread"]
    assert len(texts_shown(panel)) == (3, 2)[other]


def test_a_changed_model_is_told_and_the_texts_are_embedded_again(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    fake.search.outdated.add(fake.search.put("Birds", *BIRDS).id)
    opened(qtbot, bridge, panel)
    assert panel.news.outdated.accessibleName() == "The model has changed"
    assert not panel.question.isVisible()

    panel.news.outdated._button.click()  # Embed Again
    settle(qtbot, bridge)

    assert ("search.rebuild", "c1") in fake.calls
    assert panel.news.outdated.isHidden()
    assert panel.question.isVisible()


def test_a_question_is_answered_again_after_the_model_has_changed_back(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    made = fake.search.put("Birds", *BIRDS)
    opened(qtbot, bridge, panel)
    ask(qtbot, bridge, panel, "owls")
    for ids in ({made.id}, set()):
        fake.search.outdated = ids
        panel.controller.read()
        settle(qtbot, bridge)

    assert len(texts_shown(panel)) == 3


def test_a_collection_is_renamed_exported_and_deleted_when_that_is_confirmed(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel, tmp_path: Path
) -> None:
    fake.search.put("Birds", *BIRDS)
    opened(qtbot, bridge, panel)

    menu_entry(panel.bar.more_button, "Rename")()
    name = panel.actions_of_collection.dialog
    assert isinstance(name, QInputDialog)
    name.setTextValue("Vögel")
    name.accept()
    settle(qtbot, bridge)
    assert panel.bar.names.currentText() == "Vögel"

    panel.controller.export(tmp_path / "birds.jsonl")
    settle(qtbot, bridge)
    assert ("search.export", "c1", tmp_path / "birds.jsonl") in fake.calls

    menu_entry(panel.bar.more_button, "Delete")()
    question = panel.actions_of_collection.dialog
    assert isinstance(question, QMessageBox)
    assert question.text() == "Delete Vögel?"
    next(button for button in question.buttons() if button.text() == "&Delete").click()
    settle(qtbot, bridge)
    assert fake.search.shelves == {}
    assert panel.zone.isVisible()


def test_a_new_collection_is_made_beside_the_first_and_there_is_a_way_back(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    fake.search.put("Birds", *BIRDS)
    opened(qtbot, bridge, panel)

    menu_entry(panel.bar.add_button, "New Collection")()
    assert panel.zone.isVisible()
    panel.back_button.click()
    assert not panel.zone.isVisible()
    menu_entry(panel.bar.add_button, "New Collection")()
    drop(panel, FOLDER)
    settle(qtbot, bridge)

    assert [shelf.collection.name for shelf in fake.search.shelves.values()] == ["Birds", "Notes"]
    assert panel.bar.names.currentText() == "Notes"


@pytest.mark.parametrize(("entry", "begins"), [(0, "# pip install"), (1, "# birds.jsonl"), (2, "// A table")])
def test_programs_that_do_the_same_with_a_database_are_copied(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel, entry: int, begins: str
) -> None:
    fake.search.put("Birds", *BIRDS)
    opened(qtbot, bridge, panel)
    ask(qtbot, bridge, panel, "who hunts?")

    panel.bar.copy_button.menu().actions()[entry].trigger()

    copied = QGuiApplication.clipboard().text()
    assert copied.startswith(begins)
    assert "who hunts?" in copied
    assert "http://127.0.0.1:8080/v1" in copied


def test_a_wish_starts_a_stopped_server_and_is_done_when_that_is_ready(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.STOPPED))
    opened(qtbot, bridge, panel)

    panel.zone.example_button.click()
    settle(qtbot, bridge)
    assert fake.calls == [("start_server",)]
    assert panel.job.isVisible()
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY))
    settle(qtbot, bridge)

    assert len(texts_shown(panel)) == 10


def test_a_wish_that_waits_for_the_server_can_be_cancelled(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.LOADING))
    opened(qtbot, bridge, panel)
    panel.zone.example_button.click()
    panel.job.cancel_button.click()

    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY))
    settle(qtbot, bridge)

    assert fake.search.shelves == {}
    assert panel.zone.isVisible()


def test_a_question_waits_for_the_server_with_the_button_that_starts_it(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    fake.search.put("Birds", *BIRDS)
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.STOPPED))
    opened(qtbot, bridge, panel)
    assert not panel.server.isVisible()

    panel.question.setText("owls")
    panel.question.paused.emit()
    assert panel.server.words.text() == "The server must run first."
    panel.server.button.click()
    settle(qtbot, bridge)
    assert ("start_server",) in fake.calls
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY))
    settle(qtbot, bridge)

    assert texts_shown(panel)[0] == "Owls hunt at night."
    assert not panel.server.isVisible()


def test_without_a_model_the_way_leads_to_the_models(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(model_name=None))
    opened(qtbot, bridge, panel)
    panel.zone.example_button.click()

    with qtbot.waitSignal(panel.navigate) as wanted:
        panel.server.button.click()

    assert wanted.args == [Page.MODELS]


def test_an_answer_that_fails_is_explained_and_enter_asks_again(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    fake.search.put("Birds", *BIRDS)
    opened(qtbot, bridge, panel)
    fake.refuse("search.find", GatewayError(ErrorCode.SERVER_UNREACHABLE, "Nobody answers"))

    ask(qtbot, bridge, panel, "owls")
    assert panel.news.card.accessibleName() == "Nobody answers"
    fake._refusals.clear()
    ask(qtbot, bridge, panel, "owls")

    assert panel.news.card.isHidden()
    assert texts_shown(panel)[0] == "Owls hunt at night."


def test_a_row_is_copied_and_its_file_opened_with_the_keyboard(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel, outside: list[QUrl]
) -> None:
    fake.search.put("Birds", "Owls hunt\nat night.", *BIRDS, source=str(FOLDER / "birds.md"))
    opened(qtbot, bridge, panel)
    ask(qtbot, bridge, panel, "owls hunt at night.")
    rows = panel.results.list

    QTest.keyClick(rows, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(rows, Qt.Key.Key_Return)

    assert QGuiApplication.clipboard().text() == "Owls hunt\nat night."
    assert [url.toLocalFile() for url in outside] == [str(FOLDER / "birds.md")]
    row = rows.row()
    assert row is not None
    assert row.origin == "birds.md · line 1"
    assert [action.text() for action in rows.menu_for(row).actions()] == [
        "&Open File",
        "Show in &Folder",
        "&Copy Text",
    ]
    said = rows.hits.index(0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert said == "1.00, birds.md · line 1: Owls hunt at night."


def test_the_map_names_the_text_below_the_pointer_and_a_click_chooses_it(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    fake.search.put("Birds", *BIRDS)
    opened(qtbot, bridge, panel)
    ask(qtbot, bridge, panel, "owls")
    texts = panel.results.map
    assert texts is not None
    usual = panel.results.caption.text()
    view = texts.getPlotItem().getViewBox()
    at = view.mapViewToScene(QPointF(*map(float, texts._map.points[1])))

    texts.scene().sigMouseMoved.emit(at)
    assert panel.results.caption.text() == BIRDS[1]
    texts.pressed.emit(1)
    row = panel.results.list.row()
    assert row is not None
    assert row.text == BIRDS[1]

    texts.scene().sigMouseMoved.emit(view.mapViewToScene(QPointF(99, 99)))
    assert panel.results.caption.text() == usual


def test_collections_that_cannot_be_read_are_named(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    error = AppError(ErrorCode.FILE_UNREADABLE, "A collection cannot be read", "collection.json is damaged.")
    fake.search.damaged = (Skipped("/data/search/123", error),)

    opened(qtbot, bridge, panel)

    assert panel.news.damaged.button.text() == "1 collection cannot be read"


def test_the_collections_that_cannot_be_read_stay_unfolded_while_the_server_works(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    error = AppError(ErrorCode.FILE_UNREADABLE, "A collection cannot be read", "collection.json is damaged.")
    fake.search.damaged = (Skipped("/data/search/123", error),)
    opened(qtbot, bridge, panel)
    panel.news.damaged.button.click()

    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY, downloads=(make_progress(),)))

    assert panel.news.damaged.lines.isVisible()


def test_a_search_in_a_collection_that_has_gone_is_no_longer_awaited(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.search.put("Birds", *BIRDS)
    opened(qtbot, bridge, panel)
    answers, find = threading.Event(), fake.search.find
    monkeypatch.setattr(fake.search, "find", lambda *asked: find(*asked) if answers.wait(20) else ())
    panel.question.setText("owls")
    QTest.keyClick(panel.question, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: panel.news.outcome.text() == "Searching …")

    panel.controller.delete()
    qtbot.waitUntil(panel.zone.isVisible)

    assert panel.news.outcome.text() == ""
    answers.set()
    settle(qtbot, bridge)
    assert panel.news.outcome.text() == ""


def test_a_slow_look_at_the_collections_does_not_replace_a_newer_one(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(qtbot, bridge, panel)
    goes_on, begun, read = threading.Event(), threading.Event(), fake.search.collections
    before = read()

    def slow() -> tuple[Collection, ...]:
        begun.set()
        goes_on.wait(20)
        return before

    monkeypatch.setattr(fake.search, "collections", slow)
    panel.controller.read()
    assert begun.wait(20)
    monkeypatch.setattr(fake.search, "collections", read)
    fake.search.put("Birds", *BIRDS)
    panel.controller.read()
    qtbot.waitUntil(lambda: panel.controller.current is not None)

    goes_on.set()
    settle(qtbot, bridge)

    assert [each.name for each in panel.controller.shelf.collections] == ["Birds"]


def test_another_page_takes_over_the_collection_and_the_question(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    fake.search.put("Bread", "Bread is baked at night.")
    birds = fake.search.put("Birds", *BIRDS)
    opened(qtbot, bridge, panel)
    panel.controller.choose(birds.id)
    ask(qtbot, bridge, panel, "owls")
    anew = SearchPanel(bridge)
    qtbot.addWidget(anew)

    anew.take_over(panel)
    opened(qtbot, bridge, anew)

    assert anew.bar.names.currentText() == "Birds"
    assert texts_shown(anew)[0] == "Owls hunt at night."


def test_another_page_continues_an_addition_that_is_under_way(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    opened(qtbot, bridge, panel)
    drop_many(fake, panel)
    qtbot.waitUntil(lambda: panel.job.bar.value() == 10_000)
    anew = SearchPanel(bridge)
    qtbot.addWidget(anew)

    anew.take_over(panel)
    panel.hide()
    anew.show()
    half, whole = tr.number(10_000), tr.number(20_000)
    assert anew.job.words.text() == f"Embedding {half} of {whole} texts"
    fake.search.go_on.set()
    settle(qtbot, bridge)

    assert anew.news.outcome.text() == f"{whole} texts added"
    assert anew.bar.facts.text().startswith(f"{whole} texts · ")


def test_another_page_goes_on_waiting_for_the_server(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.STOPPED))
    opened(qtbot, bridge, panel)
    drop(panel, FOLDER)
    anew = SearchPanel(bridge)
    qtbot.addWidget(anew)

    anew.take_over(panel)
    panel.hide()
    opened(qtbot, bridge, anew)
    assert anew.controller.busy
    fake.show(make_status(State.READY))
    settle(qtbot, bridge)

    qtbot.waitUntil(lambda: anew.news.outcome.text() == "2 texts added")


def test_a_closed_window_gives_its_map_back_and_an_opened_one_draws_it_again(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel
) -> None:
    fake.search.put("Birds", *BIRDS)
    opened(qtbot, bridge, panel)
    texts = weakref.ref(panel.results.map)

    panel.hide()

    qtbot.waitUntil(lambda: texts() is None)
    panel.show()
    assert panel.results.map is not None


def test_a_screen_reader_says_what_came_of_an_addition_and_what_is_nearest(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, panel: SearchPanel, said: list[str]
) -> None:
    fake.search.put("Birds", *BIRDS)
    opened(qtbot, bridge, panel)

    drop(panel, FOLDER)
    settle(qtbot, bridge)
    ask(qtbot, bridge, panel, "owls")

    assert said == ["2 texts added", "The nearest text: Owls hunt at night."]


def test_pictures_of_the_tab(
    qtbot: QtBot,
    bridge: Bridge,
    fake: FakeApp,
    panel: SearchPanel,
    photograph: Callable[[QWidget, str], None],
) -> None:
    opened(qtbot, bridge, panel)
    photograph(panel, "search-empty")
    panel.zone.example_button.click()
    settle(qtbot, bridge)
    photograph(panel, "search")
    fake.search.outdated.add("c1")
    panel.controller.read()
    settle(qtbot, bridge)
    photograph(panel, "search-outdated")
    panel.resize(420, 600)
    fake.search.outdated.clear()
    panel.controller.read()
    settle(qtbot, bridge)
    photograph(panel, "search-narrow")
