"""One conversation: its messages, the field below them, and the answer under way. GUI thread."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QElapsedTimer, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from tray_app.chats.conversation import Message, Role
from tray_app.ui.chat_answers import ChatAnswers
from tray_app.ui.chat_models_look import ChatModelsLook
from tray_app.ui.chat_operations import OpenedChat, open_chat
from tray_app.ui.chat_pictures import Thumbnails, too_many
from tray_app.ui.dialogs.chat_options import ChatOptionsDialog
from tray_app.ui.dialogs.open_link import ask_to_open
from tray_app.ui.picture_sources import PictureSources
from tray_app.ui.presenters.chat import picker_view, wait_text
from tray_app.ui.presenters.chat_rows import ChatAction
from tray_app.ui.presenters.menu import is_remote
from tray_app.ui.style import LARGE, MEDIUM
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import announce
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.chat_composer import Composer
from tray_app.ui.widgets.chat_message import THUMBNAIL
from tray_app.ui.widgets.chat_models import models_menu, open_above
from tray_app.ui.widgets.chat_start import Examples, Greeting
from tray_app.ui.widgets.chat_transcript import column_width
from tray_app.ui.widgets.chat_view import ChatView
from tray_app.ui.widgets.markdown import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QDragEnterEvent, QDropEvent, QHideEvent, QImage, QShowEvent

    from tray_app.chats.conversation import Attachment, Conversation
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.chat_answer import Answer
    from tray_app.ui.chat_saver import ChatSaver

_PIECES_MS = 40
"""How often new pieces of the answer are shown."""
_WAITING_MS = 100
"""How often the state is shown before the first word."""
_SHARE = 3
"""Drawing may take one of so many parts of the time."""
_MOST_SPOKEN = 4000
"""Characters of an answer that are read aloud."""


class TalkPanel(QWidget):
    """Shows one conversation, and asks for answers to it."""

    models_wanted = Signal()
    """The person wants to get a chat model."""
    shown_changed = Signal(str)
    """The id of the conversation that is shown now."""

    def __init__(self, bridge: Bridge, saver: ChatSaver) -> None:
        super().__init__()
        self._bridge = bridge
        self._saver = saver
        self.conversation: Conversation = bridge.app.chats.new()
        self.answers = ChatAnswers(bridge, saver)
        self.look = ChatModelsLook(bridge, self)
        self._edited: int | None = None
        self._drafts: dict[str, str] = {}
        self._forget: Callable[[], None] = lambda: None
        self.view = ChatView(self.look.named, Thumbnails(bridge, 2 * THUMBNAIL).ask)
        self.sources = PictureSources(bridge, self)
        self.card = MessageCard()
        self.greeting, self.examples = Greeting(), Examples()
        self.composer = Composer()
        self.dialog: QWidget | None = None
        """The dialog or menu that was opened last."""
        self._clock = QTimer(self, singleShot=True)
        self._lay_out()
        self._connect()
        self._show_model()

    # Which conversation

    def begin_new(self) -> None:
        """Show an empty conversation."""
        self._forget()
        self._leave()
        new = self._bridge.app.chats.new()
        self._adopt(OpenedChat(replace(new, model_id=self.conversation.model_id), []))
        self.composer.text.setFocus()

    def open(self, conversation_id: str, message: int | None = None) -> None:
        """Show a conversation, from this message if there is one."""
        self._forget()
        if conversation_id == self.conversation.id:
            self._show_message(message)
            return
        app, named = self._bridge.app, self.look.named

        def show(opened: OpenedChat) -> None:
            self._leave()
            self._adopt(opened)
            self._show_message(message)

        self._forget = self._bridge.run(lambda: open_chat(app, conversation_id, named, tr), show, self.tell)

    def forget(self, conversation_id: str) -> None:
        """Stop the answer of a conversation that is about to be deleted, and show another one."""
        self.answers.drop(conversation_id)
        self._drafts.pop(conversation_id, None)
        if conversation_id == self.conversation.id:
            self.composer.clear()
            self.begin_new()

    def adopt_title(self, title: str) -> None:
        """Take the title of the conversation that is shown, after it was saved."""
        self.conversation = replace(self.conversation, title=title)
        self._keep()

    def take_over(self, old: TalkPanel) -> None:
        """Show the same conversation and what was typed, and continue the answers under way."""
        old._clock.stop()
        self.answers.take_over(old.answers)
        self._drafts = old._drafts
        self.look.take_over(old.look)
        self._adopt(OpenedChat(old.conversation, []))
        self._edited = old._edited
        self.composer.text.setPlainText(old.composer.text.toPlainText())
        self.composer.pictures.show_all(old.composer.pictures.all)
        self.composer.show_editing(editing=old._edited is not None)

    # What a person wants

    def send(self) -> None:
        """Send what was written."""
        text, pictures = self.composer.text.toPlainText().strip(), self.composer.pictures.all
        if self._answer or not (text or pictures):
            return
        if pictures and not self.look.sees:
            self._say_blind()
            return
        messages = self.conversation.messages
        kept = messages if self._edited is None else messages[: self._edited]
        question = Message(Role.USER, text, time.time(), attachments=pictures)
        self._end_editing()
        self._ask((*kept, question))

    def stop(self) -> None:
        """Stop the answer under way; what has arrived stays."""
        if answer := self._answer:
            answer.stop()

    def act(self, action: ChatAction, message: int) -> None:
        """Do something with a message."""
        match action:
            case ChatAction.COPY:
                QGuiApplication.clipboard().setText(self.view.text_of(message))
            case ChatAction.EDIT if self._answer is None:
                self._edited = message
                self.composer.text.setPlainText(self.conversation.messages[message].text)
                self.composer.pictures.show_all(self.conversation.messages[message].attachments)
                self.composer.show_editing(editing=True)
                self.composer.text.selectAll()
                self.composer.text.setFocus()
            case ChatAction.REGENERATE:
                self._ask_again(message)
            case _:
                pass

    def choose_model(self, model_id: str) -> None:
        """Let this model answer from now on; an empty id stands for the default one."""
        self._change(replace(self.conversation, model_id=model_id))

    def add_files(self, files: Sequence[str]) -> None:
        """Add the pictures of these files to the message, if the model sees pictures."""
        if self.look.sees:
            self.sources.take_files(files)
        else:
            self._say_blind()

    def add_image(self, image: QImage) -> None:
        """Add a picture from the clipboard to the message, if the model sees pictures."""
        if self.look.sees:
            self.sources.take_image(image)
        else:
            self._say_blind()

    def tell(self, error: AppError) -> None:
        """Show an error."""
        self.card.show_error(error)
        self.card.offer_to_close()

    # Answers

    @property
    def _answer(self) -> Answer | None:
        return self.answers.of(self.conversation.id)

    def _ask(self, messages: tuple[Message, ...]) -> None:
        self.card.clear()
        model_id = self.conversation.model_id
        if not is_remote(self._bridge.status) and not self.look.models.usual:
            model_id = self.look.models.answers(self.conversation)
        self.conversation = replace(self.conversation, messages=messages, model_id=model_id)
        self._saver.save(self.conversation)
        self.answers.begin(self.conversation)
        self._show_emptiness()
        self.view.show_messages(messages, waits=True)
        self.composer.show_busy(busy=True)
        self.view.transcript.jump_to_end()
        self.shown_changed.emit(self.conversation.id)
        self._show_pieces()

    def _ask_again(self, message: int | None) -> None:
        """Ask the last question again, replacing this message if there is one."""
        messages = self.conversation.messages[:message]
        if self._answer is None and messages and messages[-1].role is Role.USER:
            self._ask(messages)

    def _try_again(self) -> None:
        messages = self.conversation.messages
        has_answer = bool(messages) and messages[-1].role is Role.ASSISTANT
        self._ask_again(len(messages) - 1 if has_answer else None)

    def _conclude(self, answer: Answer) -> None:
        """Show an answer that has ended, if its conversation is shown."""
        if answer.conversation.id != self.conversation.id:
            return
        self.conversation = answer.kept
        message = answer.message()
        self._clock.stop()
        self.composer.show_busy(busy=False)
        self.view.show_messages(self.conversation.messages)
        if answer.error:
            self.view.show_failure(answer.error)
        elif answer.cut_off:
            self.view.show_note(
                tr("The answer ends early"),
                tr("The context is full. Set a larger context size, or start a new conversation."),
            )
        words = plain_text(message.text[:_MOST_SPOKEN])
        announce(self, "\n".join(filter(None, (words, tr("Stopped") if message.stopped else ""))))

    def _show_pieces(self) -> None:
        """Show what has arrived of the answer, and come back soon."""
        answer = self._answer
        if answer is None or not self.isVisible():
            return
        spent = QElapsedTimer()
        spent.start()
        if answer.take():
            self.view.show_growing(answer.message())
        if not answer.began:
            model_id = self.look.models.answers(answer.conversation)
            name = "" if is_remote(self._bridge.status) else self.look.named(model_id)
            waited_s = time.monotonic() - answer.began_s
            self.view.show_waiting(wait_text(model_id, name, self._bridge.status, waited_s, tr))
        usual_ms = _PIECES_MS if answer.began else _WAITING_MS
        self._clock.start(max(usual_ms, _SHARE * int(spent.elapsed())))

    # What is shown

    def _adopt(self, opened: OpenedChat) -> None:
        """Show a conversation, with its answer if one is under way."""
        self.conversation = opened.conversation
        self._edited = None
        self.card.clear()
        self.composer.clear()
        self.composer.text.setPlainText(self._drafts.pop(self.conversation.id, ""))
        answer = self._answer
        rows = opened.shown
        if answer is not None:
            self.conversation = replace(self.conversation, messages=answer.conversation.messages)
            rows = []
        self._show_emptiness()  # first, as the height of rows depends on the width of the view
        self.view.begin(self.conversation.messages, rows)
        if answer is not None:
            self.view.show_messages(self.conversation.messages, waits=True)
            answer.take()
            if answer.began:
                self.view.show_growing(answer.message())
        elif self.conversation.messages and self.conversation.messages[-1].role is Role.USER:
            self.view.show_unanswered()
        self.composer.show_busy(busy=answer is not None)
        self._show_model()
        self._show_pieces()
        self.shown_changed.emit(self.conversation.id)

    def _leave(self) -> None:
        """Remember what was typed in the conversation that is shown."""
        text = self.composer.text.toPlainText()
        if text.strip() and self._edited is None:
            self._drafts[self.conversation.id] = text
        self._clock.stop()

    def _show_message(self, message: int | None) -> None:
        if message is not None:
            self.view.transcript.show_message(message)

    def _end_editing(self) -> None:
        self._edited = None
        self.composer.clear()

    def _change(self, conversation: Conversation) -> None:
        """Use another model, prompt or temperature for this conversation from now on."""
        self.conversation = conversation
        self._keep()
        if conversation.messages:
            self._saver.save(conversation)
        self._show_model()

    def _keep(self) -> None:
        """Let the answer under way be saved with the conversation as it is now."""
        if answer := self._answer:
            answer.kept = self.conversation

    def _show_model(self) -> None:
        """Show which model answers, whether it takes pictures, and whether prompt or temperature differ."""
        view = picker_view(self.conversation, self.look.models, self._bridge.status, tr)
        self.look.ask_about(self.look.models.answers(self.conversation))
        changed = bool(self.conversation.system_prompt) or self.conversation.temperature is not None
        self.composer.show_model(view.label, sees=self.look.sees, changed=changed)
        self._show_emptiness()

    def _show_emptiness(self) -> None:
        """Show the field in the middle of a new conversation, among examples."""
        view = picker_view(self.conversation, self.look.models, self._bridge.status, tr)
        usable = view.usable or not self.look.known
        empty = not self.conversation.messages
        self.view.setVisible(not empty)
        self.greeting.setVisible(empty or not usable)
        self.greeting.show_state(usable=usable, problem=self.look.models.problem)
        self.examples.setVisible(empty and usable)
        self.composer.setVisible(usable)
        for place in (0, self._column.count() - 1):
            self._column.setStretch(place, 1 if empty else 0)

    def _adopt_models(self) -> None:
        self.view.refresh()
        self._show_model()

    def _open_picker(self) -> None:
        menu = models_menu(self, self.look.models, self.conversation.model_id)
        menu.chosen.connect(self.choose_model)
        menu.more_wanted.connect(self.models_wanted)
        open_above(menu, self.composer.model_button)
        self.dialog = menu

    def _open_options(self) -> None:
        dialog = ChatOptionsDialog(self.conversation, self)
        dialog.confirmed.connect(
            lambda prompt, temperature: self._change(
                replace(self.conversation, system_prompt=prompt, temperature=temperature)
            )
        )
        dialog.open()
        self.dialog = dialog

    def _open_link(self, address: str) -> None:
        self.dialog = ask_to_open(self, address)

    def _choose_pictures(self) -> None:
        self.dialog = self.sources.choose()

    def _add_pictures(self, pictures: Sequence[Attachment]) -> None:
        """Add as many as the message can have."""
        there = self.composer.pictures.all
        error: AppError | None = None
        for picture in pictures:
            if error := too_many(there, picture):
                break
            there = (*there, picture)
        self.composer.pictures.show_all(there)
        if error is not None:
            self.tell(error)

    def _say_blind(self) -> None:
        name = picker_view(self.conversation, self.look.models, self._bridge.status, tr).label
        self.card.show_message(
            tr("{model} cannot see pictures").format(model=name),
            tr("Choose a model that can, such as one with “VL” or “Vision” in its name."),
        )
        self.card.offer_to_close()

    def _lay_out(self) -> None:
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, MEDIUM)
        self._column.setSpacing(MEDIUM)
        self._column.addStretch()
        self._column.addWidget(self.view, 1)
        bar = self.view.transcript.verticalScrollBar().sizeHint().width()
        for widget in (self.greeting, self.card, self.composer, self.examples):
            row = QHBoxLayout()
            row.setContentsMargins(LARGE, 0, LARGE + bar, 0)
            row.addStretch(1)
            row.addWidget(widget, 1000)
            row.addStretch(1)
            widget.setMaximumWidth(column_width(self))
            self._column.addLayout(row)
        self._column.addStretch()

    def _connect(self) -> None:
        self.setAcceptDrops(True)
        self._clock.timeout.connect(self._show_pieces)
        self.answers.ended.connect(self._conclude)
        self.look.changed.connect(self._adopt_models)
        self.look.failed.connect(self.tell)
        self._bridge.status_changed.connect(self._show_model)
        self.view.retry_wanted.connect(self._try_again)
        self.view.transcript.link_clicked.connect(self._open_link)
        self.view.transcript.action_wanted.connect(self.act)
        self.greeting.models_wanted.connect(self.models_wanted)
        self.examples.chosen.connect(self.composer.fill)
        self.sources.picked.connect(self._add_pictures)
        self.sources.failed.connect(self.tell)
        composer = self.composer
        composer.send_wanted.connect(self.send)
        composer.stop_wanted.connect(self.stop)
        composer.files_given.connect(self.add_files)
        composer.image_given.connect(self.add_image)
        composer.edit_cancelled.connect(self._end_editing)
        composer.page_wanted.connect(self.view.transcript.turn_page)
        composer.picture_button.clicked.connect(self._choose_pictures)
        composer.options_button.clicked.connect(self._open_options)
        composer.model_button.clicked.connect(self._open_picker)

    def showEvent(self, event: QShowEvent) -> None:
        """Keep up with answers while the conversation is visible."""
        super().showEvent(event)
        self.look.refresh()
        self._show_pieces()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept pictures anywhere on the conversation."""
        self.composer.dragEnterEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Take what is dropped."""
        self.composer.dropEvent(event)

    def hideEvent(self, event: QHideEvent) -> None:
        """Draw nothing while nobody can see it."""
        super().hideEvent(event)
        self._clock.stop()
