from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QColor, QGuiApplication, QImage, QInputMethodEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox

from tests.fakes.app import make_model, make_status
from tests.fakes.bridges import settle
from tests.ui.test_accessibility import nameless, unreachable
from tray_app.chats.conversation import Message, Role
from tray_app.engine.lifecycle import State
from tray_app.errors import ErrorCode, GatewayError
from tray_app.gateway.public_client import ChatPiece
from tray_app.models.header import Pooling
from tray_app.settings.schema import Settings
from tray_app.ui.chat_pictures import drawn
from tray_app.ui.pages.chat import ChatPage
from tray_app.ui.presenters.chat_rows import ChatAction, RowKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.chats.conversation import Attachment, Conversation
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.languages import Languages
    from tray_app.ui.pages.conversations import ConversationsPanel
    from tray_app.ui.pages.talk import TalkPanel

LAZY = "The **lazy** dog sleeps."
ENTER, SHIFT = Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def page(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> ChatPage:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY, settings=Settings(model="bamboo")))
    return shown_page(qtbot, bridge)


def shown_page(qtbot: QtBot, bridge: Bridge) -> ChatPage:
    made = ChatPage(bridge)
    qtbot.addWidget(made)
    made.resize(1000, 700)
    made.show()
    settle(qtbot, bridge)
    return made


@pytest.fixture
def talk(page: ChatPage) -> TalkPanel:
    return page.chat.talk


def ask(qtbot: QtBot, bridge: Bridge, talk: TalkPanel, text: str) -> None:
    """Write, send, and wait for the whole answer."""
    talk.composer.text.setPlainText(text)
    QTest.keyClick(talk.composer.text, ENTER)
    qtbot.waitUntil(lambda: not talk.composer.busy)
    settle(qtbot, bridge)


def picture(color: str = "teal", name: str = "p.png") -> Attachment:
    image = QImage(40, 30, QImage.Format.Format_RGB32)
    image.fill(QColor(color))
    return drawn(image, name)


def kept(fake: FakeApp, *messages: Message, **changes: object) -> Conversation:
    made = replace(fake.chats.new(), messages=messages, **changes)  # type: ignore[arg-type]
    return fake.chats.save(made)


def question(text: str = "Hello") -> Message:
    return Message(Role.USER, text, 1.0)


def answer(text: str = "Hi", **more: object) -> Message:
    return Message(Role.ASSISTANT, text, 2.0, model_id="bamboo", **more)  # type: ignore[arg-type]


def rows(talk: TalkPanel, kind: RowKind) -> list[str]:
    return [row.text for row in talk.view.transcript._rows if row.kind is kind]


def press(box: QWidget | None, label: str) -> None:
    assert isinstance(box, QMessageBox)
    next(each for each in box.buttons() if each.text().replace("&", "") == label).click()


def texts_of(talk: TalkPanel) -> list[str]:
    return [each.text for each in talk.conversation.messages]


def test_a_question_is_answered_and_kept(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, page: ChatPage, talk: TalkPanel
) -> None:
    ask(qtbot, bridge, talk, "What does the fox jump over?")

    assert texts_of(talk) == ["What does the fox jump over?", LAZY]
    assert rows(talk, RowKind.FOOT)[-1] == "Bamboo 7B Q4_0 · 21.5 tokens/s · 4 tokens"
    assert talk.composer.text.toPlainText() == ""
    (summary,) = fake.chats.summaries()
    assert fake.chats.read(summary.id).messages[1].text == LAZY
    assert page.chat.sidebar.model.ids() == [summary.id]
    assert page.chat.title.accessibleName() == "What does the fox jump over?"
    assert page.chat.sidebar.list.currentIndex().row() == 0


def test_enter_does_not_send_while_a_word_is_composed_and_shift_enter_never(
    fake: FakeApp, talk: TalkPanel
) -> None:
    field = talk.composer.text
    QApplication.sendEvent(field, QInputMethodEvent("にほ", []))
    QTest.keyClick(field, ENTER)
    done = QInputMethodEvent("", [])
    done.setCommitString("日本")
    QApplication.sendEvent(field, done)
    QTest.keyClick(field, ENTER, SHIFT)
    QTest.keyClicks(field, "x")

    assert field.toPlainText() == "日本\nx"
    assert not any(call[0] == "stream_chat" for call in fake.calls)


def test_stop_is_there_at_once_keeps_what_has_come_and_says_so(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, talk: TalkPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def stream(_conversation: Conversation, cancelled: threading.Event) -> Iterator[ChatPiece]:
        yield ChatPiece("The ")
        cancelled.wait(20)
        yield ChatPiece("fox")  # what was on its way when it was stopped
        ended.set()

    monkeypatch.setattr(fake, "stream_chat", stream)
    talk.composer.text.setPlainText("Hello")
    talk.composer.send_button.click()

    assert talk.composer.send_button.accessibleName() == "Stop"
    qtbot.waitUntil(lambda: rows(talk, RowKind.ANSWER) == ["The "])
    QTest.keyClick(talk.composer.text, Qt.Key.Key_Escape)

    assert talk.composer.send_button.accessibleName() == "Send"
    assert ended.wait(20)
    settle(qtbot, bridge)
    last = talk.conversation.messages[-1]
    assert (last.text, last.stopped) == ("The ", True)
    assert rows(talk, RowKind.FOOT)[-1] == "Stopped"
    (summary,) = fake.chats.summaries()
    assert fake.chats.read(summary.id).messages[-1].stopped


def test_a_message_is_edited_and_asked_again(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, talk: TalkPanel
) -> None:
    ask(qtbot, bridge, talk, "First")
    ask(qtbot, bridge, talk, "Second")

    talk.act(ChatAction.EDIT, 0)
    assert talk.composer.text.toPlainText() == "First"
    assert "replaced" in talk.composer.note.text()
    ask(qtbot, bridge, talk, "Other")

    assert texts_of(talk) == ["Other", LAZY]
    assert talk.composer.note.isHidden()
    assert texts_of_file(fake) == ["Other", LAZY]


def texts_of_file(fake: FakeApp) -> list[str]:
    (summary,) = fake.chats.summaries()
    return [each.text for each in fake.chats.read(summary.id).messages]


def test_editing_can_be_left_with_escape(qtbot: QtBot, bridge: Bridge, talk: TalkPanel) -> None:
    ask(qtbot, bridge, talk, "First")
    talk.act(ChatAction.EDIT, 0)
    QTest.keyClick(talk.composer.text, Qt.Key.Key_Escape)

    assert not talk.composer.editing
    assert texts_of(talk) == ["First", LAZY]


def test_an_answer_is_made_anew(qtbot: QtBot, bridge: Bridge, fake: FakeApp, talk: TalkPanel) -> None:
    ask(qtbot, bridge, talk, "First")
    fake.pieces = (ChatPiece("Another."),)
    talk.act(ChatAction.REGENERATE, 1)
    qtbot.waitUntil(lambda: not talk.composer.busy)
    settle(qtbot, bridge)

    assert texts_of(talk) == ["First", "Another."]
    assert texts_of_file(fake) == ["First", "Another."]


def test_a_message_is_copied_from_its_menu_with_the_keyboard(
    qtbot: QtBot, bridge: Bridge, talk: TalkPanel
) -> None:
    ask(qtbot, bridge, talk, "First")
    buttons = [
        each
        for widget in talk.view.transcript.built().values()
        for each in widget.findChildren(type(talk.composer.send_button))
        if each.isVisible()
    ]
    names = [each.accessibleName() for each in buttons]
    assert names == ["Copy Message", "Edit and Ask Again", "Copy Message", "Regenerate"]
    buttons[2].setFocus()
    QTest.keyClick(buttons[2], Qt.Key.Key_Space)

    assert QGuiApplication.clipboard().text() == LAZY


def test_a_failure_is_explained_and_can_be_tried_again(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, talk: TalkPanel
) -> None:
    fake.refuse("stream_chat", GatewayError(ErrorCode.CONVERSATION_TOO_LONG, "Too long", "More than fits."))
    ask(qtbot, bridge, talk, "First")
    assert talk.view.failure.accessibleName() == "Too long"
    assert texts_of(talk) == ["First"]

    fake._refusals.clear()
    talk.view.failure._button.click()
    qtbot.waitUntil(lambda: not talk.composer.busy)

    assert texts_of(talk) == ["First", LAZY]
    assert talk.view.failure.isHidden()


def test_what_it_waits_for_is_said(qtbot: QtBot, bridge: Bridge, fake: FakeApp, talk: TalkPanel) -> None:
    fake.next_piece.clear()
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.LOADING, settings=Settings(model="bamboo")))
    talk.composer.text.setPlainText("Hello")
    talk.composer.send_button.click()
    assert talk.view.waiting.text() == "Loading Bamboo 7B Q4_0 …"

    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY, settings=Settings(model="bamboo")))
    qtbot.waitUntil(lambda: talk.view.waiting.text().startswith("Reading …"))
    fake.next_piece.set()
    qtbot.waitUntil(lambda: not talk.composer.busy)
    assert talk.view.waiting.isHidden()


def test_thoughts_are_folded_until_somebody_wants_them(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, talk: TalkPanel
) -> None:
    fake.pieces = (ChatPiece(reasoning="It is **hard**."), ChatPiece("Yes."))
    ask(qtbot, bridge, talk, "First")
    assert rows(talk, RowKind.THOUGHTS) == ["Thoughts"]
    assert rows(talk, RowKind.THOUGHT) == []

    talk.view.transcript.unfold(1)

    assert rows(talk, RowKind.THOUGHT) == ["It is **hard**."]
    assert fake.chats.read(talk.conversation.id).messages[1].reasoning == "It is **hard**."


def test_new_answers_are_read_aloud_once_they_are_whole(
    qtbot: QtBot, bridge: Bridge, talk: TalkPanel, said: list[str]
) -> None:
    ask(qtbot, bridge, talk, "First")

    assert said == ["The lazy dog sleeps."]


def test_conversations_are_found_opened_renamed_exported_and_deleted(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, page: ChatPage, tmp_path: Path
) -> None:
    first = kept(fake, question("About foxes"), answer("They are quick."))
    kept(fake, question("About bread"), answer("It is baked."))
    panel = page.chat
    panel.sidebar.refresh()
    settle(qtbot, bridge)
    assert len(panel.sidebar.model.ids()) == 2

    QTest.keyClick(panel.talk.composer.text, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(panel.sidebar.search, "quick")
    QTest.keyClick(panel.sidebar.search, ENTER)
    settle(qtbot, bridge)
    assert panel.sidebar.model.ids() == [first.id]
    panel.sidebar.list.setCurrentIndex(panel.sidebar.model.index(0))
    QTest.keyClick(panel.sidebar.list, ENTER)
    settle(qtbot, bridge)
    assert texts_of(panel.talk) == ["About foxes", "They are quick."]

    panel.sidebar.model.setData(panel.sidebar.model.index(0), "Foxes")
    settle(qtbot, bridge)
    assert fake.chats.read(first.id).title == "Foxes"
    assert panel.title.accessibleName() == "Foxes"
    ask(qtbot, bridge, panel.talk, "More?")
    assert panel.title.accessibleName() == fake.chats.read(first.id).title == "Foxes"

    fake.chats.export(first.id, tmp_path / "a.md")
    assert "They are quick." in (tmp_path / "a.md").read_text()

    QTest.keyClick(panel.sidebar.list, Qt.Key.Key_Delete)
    press(panel.dialog, "Keep")
    assert len(fake.chats.summaries()) == 2
    panel._remove(first.id, for_good=True)
    settle(qtbot, bridge)
    assert [each.title for each in fake.chats.summaries()] == ["About bread"]
    assert panel.talk.conversation.messages == ()


def test_the_menu_of_a_conversation_opens_with_the_keyboard(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, page: ChatPage
) -> None:
    only = kept(fake, question())
    page.chat.sidebar.refresh()
    settle(qtbot, bridge)
    page.chat.sidebar.select(only.id)
    menu = page.chat.sidebar.list.menu_for(only.id, page)

    assert [each.text().replace("&", "") for each in menu.actions()] == ["Rename", "Export…", "Delete…"]


def test_shortcuts_begin_a_new_one_and_go_to_the_field(
    qtbot: QtBot, bridge: Bridge, page: ChatPage, talk: TalkPanel
) -> None:
    ask(qtbot, bridge, talk, "First")
    page.chat.sidebar.search.setFocus()
    QTest.keyClick(page.chat.sidebar.search, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
    assert talk.conversation.messages == ()
    assert talk.composer.text.hasFocus()

    page.chat.sidebar.search.setFocus()
    QTest.keyClick(page.chat.sidebar.search, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    assert talk.composer.text.hasFocus()


def test_examples_fill_the_field(talk: TalkPanel) -> None:
    assert len(talk.examples.buttons) == 3
    talk.examples.buttons[0].click()

    assert talk.composer.text.toPlainText() == talk.examples.buttons[0].text()


def test_without_a_chat_model_it_says_what_to_do(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> None:
    embedder = make_model("BGE", "bge.gguf", sparse=False)
    embedder = replace(embedder, header=replace(embedder.header, pooling=Pooling.CLS))
    base = make_model("Base", "base.gguf", sparse=False)
    test = make_model("Built-in test model", "test.gguf")  # whose answers mean nothing
    fake.library.models = (embedder, test)
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY, model_name=None))
    page = shown_page(qtbot, bridge)
    talk = page.chat.talk
    assert talk.greeting.title.text() == "No chat model yet"
    assert talk.composer.isHidden()
    with qtbot.waitSignal(page.discover_wanted):
        talk.greeting.models_button.click()

    fake.library.models = (base,)
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(replace(make_status(State.READY, settings=Settings(model="base")), folder_changes=1))
    settle(qtbot, bridge)
    assert talk.greeting.title.text() == "Base was not trained for chat"


def test_a_conversation_has_its_own_model_prompt_and_temperature(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, talk: TalkPanel
) -> None:
    fake.library.models += (make_model("Other", "other.gguf"),)
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(replace(fake.status(), folder_changes=1))
    settle(qtbot, bridge)
    talk.composer.model_button.click()
    assert talk.dialog is not None
    labels = [each.text() for each in talk.dialog.actions() if each.text()]
    assert labels == ["Default: Bamboo 7B Q4_0", "Bamboo 7B Q4_0", "Other", "Get More Models…"]
    next(each for each in talk.dialog.actions() if each.text() == "Other").trigger()
    assert talk.composer.model_button.accessibleName() == "Model: Other"

    talk.composer.options_button.click()
    dialog = talk.dialog
    dialog.prompt.setPlainText("Be brief.")  # type: ignore[attr-defined]
    dialog.own.setChecked(True)  # type: ignore[attr-defined]
    dialog.temperature.setValue(0.3)  # type: ignore[attr-defined]
    dialog._confirm()  # type: ignore[attr-defined]
    ask(qtbot, bridge, talk, "First")

    asked = next(call[1] for call in fake.calls if call[0] == "stream_chat")
    assert (asked.model_id, asked.system_prompt, asked.temperature) == ("other", "Be brief.", 0.3)
    assert fake.chats.read(talk.conversation.id).temperature == 0.3


def test_pictures_go_with_a_message_if_the_model_sees(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, talk: TalkPanel, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(picture().data)
    (tmp_path / "b.txt").write_text("no picture")
    drop = QMimeData()
    drop.setUrls([QUrl.fromLocalFile(str(tmp_path / "a.png"))])
    talk.composer.take_mime(drop)
    assert talk.card.accessibleName() == "Bamboo 7B Q4_0 cannot see pictures"
    assert talk.composer.picture_button.isHidden()

    fake.seeing = {"bamboo"}
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(replace(fake.status(), folder_changes=1))
    settle(qtbot, bridge)
    assert not talk.composer.picture_button.isHidden()
    talk.composer.take_mime(drop)
    talk.add_files([str(tmp_path / "b.txt")])
    settle(qtbot, bridge)
    assert [each.name for each in talk.composer.pictures.all] == ["a.png"]
    assert talk.card.accessibleName() == "b.txt is not a picture"

    image = QImage(20, 20, QImage.Format.Format_RGB32)
    image.fill(QColor("red"))
    pasted = QMimeData()
    pasted.setImageData(image)
    talk.composer.text.insertFromMimeData(pasted)
    settle(qtbot, bridge)
    assert len(talk.composer.pictures.all) == 2
    talk.composer.pictures._remove(talk.composer.pictures.all[1])
    ask(qtbot, bridge, talk, "What is this?")

    asked = next(call[1] for call in fake.calls if call[0] == "stream_chat")
    assert [each.name for each in asked.messages[0].attachments] == ["a.png"]
    assert talk.composer.pictures.isHidden()


def test_of_a_folder_full_of_pictures_only_as_many_are_read_as_fit(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, talk: TalkPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.seeing = {"bamboo"}
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(replace(fake.status(), folder_changes=1))
    settle(qtbot, bridge)
    read: list[Path] = []

    def read_picture(path: Path) -> Attachment:
        read.append(path)
        return picture()

    monkeypatch.setattr("tray_app.ui.chat_pictures.read_picture", read_picture)
    talk.add_files([f"{number}.png" for number in range(1000)])
    settle(qtbot, bridge)

    assert len(talk.composer.pictures.all) == 8
    assert talk.card.accessibleName() == "Too many pictures"
    assert len(read) < 10


def test_pictures_come_in_the_order_of_their_files(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, talk: TalkPanel, tmp_path: Path
) -> None:
    fake.seeing = {"bamboo"}
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(replace(fake.status(), folder_changes=1))
    settle(qtbot, bridge)
    large = QImage(3000, 2000, QImage.Format.Format_RGB32)  # takes longest to read
    large.fill(QColor("teal"))
    names = [f"{number}.png" for number in range(4)]
    for number, name in enumerate(names):
        (large if number == 0 else QImage(large.scaled(8, 8))).save(str(tmp_path / name))

    talk.add_files([str(tmp_path / name) for name in names])
    settle(qtbot, bridge)

    assert [each.name for each in talk.composer.pictures.all] == names


def test_links_open_only_after_a_look_at_where_they_lead(talk: TalkPanel, outside: list[QUrl]) -> None:
    talk.view.transcript.follow_link("https://exämple.org/a?b=c")
    assert isinstance(talk.dialog, QMessageBox)
    assert talk.dialog.informativeText() == "https://xn--exmple-cua.org/a?b=c"
    assert not outside
    press(talk.dialog, "Open Link")
    assert outside == [QUrl("https://exämple.org/a?b=c")]

    for address in ("file:///etc/passwd", "javascript:alert(1)", "ms-msdt:/id"):
        talk.view.transcript.follow_link(address)
        labels = {each.text().replace("&", "") for each in talk.dialog.buttons()}
        assert labels == {"Copy Link", "Cancel"}
        press(talk.dialog, "Cancel")


def test_an_answer_goes_on_while_another_conversation_is_shown(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, talk: TalkPanel
) -> None:
    other = kept(fake, question("Other"), answer("Old."))
    fake.next_piece.clear()
    talk.composer.text.setPlainText("Hello")
    talk.composer.send_button.click()
    first = talk.conversation.id
    talk.choose_model("maple")
    talk.open(other.id)
    qtbot.waitUntil(lambda: talk.conversation.id == other.id)
    assert not talk.composer.busy
    fake.next_piece.set()
    qtbot.waitUntil(lambda: not talk.answers.any_running)
    settle(qtbot, bridge)

    assert texts_of(talk) == ["Other", "Old."]
    assert [each.text for each in fake.chats.read(first).messages] == ["Hello", LAZY]
    assert fake.chats.read(first).model_id == "maple"  # what was chosen meanwhile is not undone


def test_another_language_keeps_the_answer_that_is_on_its_way(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, page: ChatPage, languages: Languages
) -> None:
    fake.next_piece.clear()
    page.chat.talk.composer.text.setPlainText("Hello")
    page.chat.talk.composer.send_button.click()
    page.chat.talk.composer.text.setPlainText("the next one")
    languages.use("fr")
    new = ChatPage(bridge)
    qtbot.addWidget(new)
    new.take_over(page)
    page.hide()
    new.show()
    fake.next_piece.set()
    qtbot.waitUntil(lambda: not new.chat.talk.composer.busy)
    settle(qtbot, bridge)

    assert texts_of(new.chat.talk) == ["Hello", LAZY]
    assert new.chat.talk.composer.text.toPlainText() == "the next one"


def test_a_message_without_an_answer_says_so_and_gets_one(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, talk: TalkPanel
) -> None:
    """The app may have ended, or the window's language changed, after the answer had failed."""
    talk.open(kept(fake, question("Hello")).id)
    qtbot.waitUntil(lambda: bool(texts_of(talk)))
    settle(qtbot, bridge)
    assert talk.view.failure.accessibleName() == "This message has no answer"

    talk.view.failure._button.click()
    settle(qtbot, bridge)
    qtbot.waitUntil(lambda: not talk.answers.any_running)

    assert texts_of(talk) == ["Hello", LAZY]
    assert talk.view.failure.isHidden()


def test_files_that_cannot_be_read_are_told(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, page: ChatPage
) -> None:
    kept(fake, question())
    (fake.chats.folder / "bad.jsonl").write_text("nonsense")
    page.chat.sidebar.refresh()
    settle(qtbot, bridge)
    assert page.chat.sidebar.problems_button.text() == "1 file is damaged"
    page.chat.sidebar.problems_button.click()

    assert "bad.jsonl cannot be read" in page.chat.talk.card.accessibleDescription()


def test_in_a_narrow_window_list_and_conversation_take_turns(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, page: ChatPage
) -> None:
    only = kept(fake, question())
    page.resize(480, 600)
    settle(qtbot, bridge)
    panel: ConversationsPanel = page.chat
    assert panel.sidebar.isHidden()
    panel.list_button.click()
    assert (panel.sidebar.isVisible(), panel.talk.isVisible()) == (True, False)
    panel.sidebar.list.opened.emit(only.id, None)
    settle(qtbot, bridge)

    assert (panel.sidebar.isVisible(), panel.talk.isVisible()) == (False, True)
    assert texts_of(panel.talk) == ["Hello"]


def test_what_came_before_an_answer_broke_off_is_kept_even_if_nobody_looks_any_more(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, talk: TalkPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    broke = threading.Event()

    def stream(_conversation: Conversation, _cancelled: threading.Event) -> Iterator[ChatPiece]:
        yield ChatPiece("The ", model_id="bamboo")
        yield ChatPiece("fox", model_id="bamboo")
        broke.wait(20)
        raise GatewayError(ErrorCode.ANSWER_BROKE_OFF, "The answer broke off")

    monkeypatch.setattr(fake, "stream_chat", stream)
    talk.composer.text.setPlainText("Hello")
    talk.send()
    qtbot.waitUntil(lambda: rows(talk, RowKind.ANSWER) == ["The fox"])
    bridge.closing.set()  # the app ends: nothing is told to the window any more
    broke.set()
    bridge.close(timeout_s=20)

    last = fake.chats.read(talk.conversation.id).messages[-1]
    assert (last.text, last.stopped) == ("The fox", True)


def test_every_control_of_a_conversation_has_a_name_and_can_be_reached(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, page: ChatPage, talk: TalkPanel
) -> None:
    fake.seeing = {"bamboo"}
    text = "Look:\n\n```python\nx = 1\n```\n\n[here](http://example.org)"
    seen = replace(question("What is this?"), attachments=(picture(),))
    shown = kept(fake, seen, answer(text, reasoning="Hm."), question())
    talk.open(shown.id)
    settle(qtbot, bridge)
    talk.composer.pictures.show_all((picture(),))
    talk.act(ChatAction.EDIT, 0)
    talk.view.transcript.unfold(1)
    talk.tell(GatewayError(ErrorCode.ANSWER_BROKE_OFF, "The answer broke off", "Why.", "What to do."))

    assert nameless(page) == []
    assert unreachable(page) == []
    talk.composer.options_button.click()
    assert talk.dialog is not None
    assert nameless(talk.dialog) == []
    assert unreachable(talk.dialog) == []


def test_pictures_of_the_page(
    qtbot: QtBot,
    bridge: Bridge,
    fake: FakeApp,
    page: ChatPage,
    photograph: Callable[[QWidget, str], None],
) -> None:
    photograph(page, "chat-empty")
    text = "Here it is:\n\n```python\nprint('hello')\n```\n\n1. **one**\n2. `two`\n"
    seen = replace(question("What is this?"), attachments=(picture(),), created_at=time.time())
    shown = kept(fake, seen, answer(text, tokens=187, tokens_per_s=42.1, reasoning="Let me see."))
    page.chat.talk.open(shown.id)
    settle(qtbot, bridge)
    photograph(page, "chat")
