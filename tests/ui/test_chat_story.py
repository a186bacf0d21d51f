"""With the real app and a real engine: somebody asks, stops, asks something else, shows a picture."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest

pytest.importorskip("xllamacpp", reason="there is no wheel of xllamacpp for this platform")

from tests.fakes.apps import real_app
from tests.fakes.bridges import settle
from tests.fakes.random_models import Shape, write_llama
from tests.fakes.random_projectors import write_projector
from tests.fakes.several_models import install_models
from tests.ui.conftest import ARTIFACTS
from tray_app.chats.conversation import Role
from tray_app.ui.bridge import Bridge
from tray_app.ui.chat_pictures import drawn
from tray_app.ui.pages.chat import ChatPage
from tray_app.ui.presenters.chat_rows import ChatAction
from tray_app.ui.presenters.notices import Page
from tray_app.ui.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tray_app.app.root import App
    from tray_app.chats.conversation import Conversation
    from tray_app.gateway.public_client import ChatPiece
    from tray_app.ui.pages.talk import TalkPanel

DEADLINE_MS = 60_000
FIRST_WORDS = 5
SEEING = Shape(width=64, layers=1, heads=2, kv_heads=2, feed_forward=64, vocabulary=400)


class Person:
    """Somebody in front of the page."""

    def __init__(self, qtbot: QtBot, bridge: Bridge, window: Window) -> None:
        self._qtbot = qtbot
        self.bridge = bridge
        self._window = window
        page = window.page(Page.CHAT)
        assert isinstance(page, ChatPage)
        self.page = page
        self.talk: TalkPanel = page.chat.talk
        self.field = self.talk.composer.text

    def wait(self, until: Callable[[], object]) -> None:
        self._qtbot.waitUntil(lambda: bool(until()), timeout=DEADLINE_MS)

    def settle(self) -> None:
        settle(self._qtbot, self.bridge)

    def ask(self, text: str) -> None:
        """Write over what is in the field, and send it."""
        self.field.selectAll()
        QTest.keyClicks(self.field, text)
        QTest.keyClick(self.field, Qt.Key.Key_Return)

    def wait_for_words(self) -> None:
        self.wait(
            lambda: (answer := self.talk.answers.of(self.talk.conversation.id)) and answer.message().text
        )

    def remember(self, what: str) -> None:
        """Take a picture of the window."""
        ARTIFACTS.mkdir(exist_ok=True)
        QCoreApplication.processEvents()
        self._window.grab().save(str(ARTIFACTS / f"chat-story-{what}.png"))


@contextmanager
def sitting_down(qtbot: QtBot, app: App) -> Iterator[Person]:
    """The window, open on the page."""
    bridge = Bridge(app)
    window = Window(bridge)
    qtbot.addWidget(window)
    window.open(Page.CHAT)
    window.resize(1000, 700)
    person = Person(qtbot, bridge, window)
    person.wait(lambda: person.talk.look.known)
    yield person
    bridge.close(timeout_s=20)


def roles(person: Person) -> list[Role]:
    return [each.role for each in person.talk.conversation.messages]


@pytest.fixture
def models(private_home: Path) -> Path:
    """The models folder, with a chat model that writes digits as long as it can."""
    folder = private_home / "models"
    install_models(folder)
    return folder


def held_up(app: App, monkeypatch: pytest.MonkeyPatch) -> Event:
    """While the event that this gives is not set, answers halt after their first words: the model is fast."""
    go_on, stream = Event(), app.client.stream_chat

    def slowly(conversation: Conversation, cancelled: Event) -> Iterator[ChatPiece]:
        for number, piece in enumerate(stream(conversation, cancelled)):
            while number == FIRST_WORDS and not (go_on.wait(0.01) or cancelled.is_set()):
                pass
            yield piece

    monkeypatch.setattr(app.client, "stream_chat", slowly)
    return go_on


@pytest.mark.usefixtures("worn", "models")
def test_a_conversation_with_a_real_model(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    with real_app(model="digits") as app, sitting_down(qtbot, app) as person:
        go_on = held_up(app, monkeypatch)
        talk, conversation = person.talk, person.talk.conversation.id
        person.remember("1-empty")
        person.ask("What is pi?")  # the server does not run yet
        assert talk.composer.send_button.accessibleName() == "Stop"
        assert talk.view.waiting.isVisible()
        person.wait_for_words()
        person.remember("2-answering")
        QTest.keyClick(person.field, Qt.Key.Key_Escape)
        assert talk.composer.send_button.accessibleName() == "Send"
        stopped = talk.conversation.messages[-1]
        assert stopped.stopped
        assert set(stopped.text) <= set("0123456789 \n")
        person.settle()
        person.remember("3-stopped")
        assert app.chats.read(conversation).messages[-1].text == stopped.text

        go_on.set()
        talk.act(ChatAction.EDIT, 0)
        person.ask("What is e?")
        person.wait(lambda: not talk.composer.busy)  # this model never ends by itself
        person.settle()
        assert talk.view.failure.accessibleName() == "The answer ends early"
        assert next(each.text for each in talk.conversation.messages) == "What is e?"
        assert (talk.conversation.messages[-1].tokens or 0) > FIRST_WORDS
        person.remember("4-cut-off")

    with real_app(model="digits") as app, sitting_down(qtbot, app) as person:
        chats = person.page.chat.sidebar
        person.wait(lambda: chats.model.ids() == [conversation])
        QTest.keyClick(person.field, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
        QTest.keyClicks(chats.search, "what e")
        QTest.keyClick(chats.search, Qt.Key.Key_Return)
        person.wait(lambda: chats.shown.words == "what e")
        chats.list.setCurrentIndex(chats.model.index(0))
        QTest.keyClick(chats.list, Qt.Key.Key_Return)
        person.wait(lambda: person.talk.conversation.id == conversation)
        assert roles(person) == [Role.USER, Role.ASSISTANT]
        person.remember("5-found-again")


@pytest.mark.usefixtures("worn")
def test_a_picture_for_a_real_model_that_sees(qtbot: QtBot, models: Path, tmp_path: Path) -> None:
    write_llama(models / "seeing.gguf", SEEING)
    write_projector(models / "mmproj-seeing.gguf")
    image = QImage(64, 48, QImage.Format.Format_RGB32)
    image.fill(QColor("teal"))
    (tmp_path / "teal.png").write_bytes(drawn(image, "teal.png").data)
    with real_app(model="digits", default_chat="seeing") as app:
        app.change_own("seeing", extra_arguments=("--chat-template", "chatml"))
        with sitting_down(qtbot, app) as person:
            talk = person.talk
            talk.choose_model("digits")
            talk.add_files([str(tmp_path / "teal.png")])
            assert talk.card.accessibleName() == "digits cannot see pictures"

            talk.choose_model("")
            person.wait(lambda: talk.look.sees)
            talk.add_files([str(tmp_path / "teal.png")])
            person.settle()
            person.ask("What is this?")
            person.wait(lambda: not talk.composer.busy)
            person.settle()
            person.remember("6-picture")
            assert talk.view.failure.error is None
            question, answer = talk.conversation.messages
            assert [each.name for each in question.attachments] == ["teal.png"]
            assert answer.model_id == "seeing"
            assert app.chats.read(talk.conversation.id).messages[0].attachments == question.attachments
