"""The tab Chat: the list of conversations, and beside it the one that is shown. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from tray_app.errors import ErrorCode
from tray_app.ui.chat_saver import ChatSaver
from tray_app.ui.dialogs.confirm import ask_to_delete_chat
from tray_app.ui.pages.talk import TalkPanel
from tray_app.ui.presenters.chat import file_name_for
from tray_app.ui.style import LARGE, MEDIUM, SMALL, TIGHT, Variant, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import NO_LIMIT, add_shortcut
from tray_app.ui.widgets.chat_sidebar import LETTERS, ChatSidebar
from tray_app.ui.widgets.file_dialogs import ask_where_to_save
from tray_app.ui.widgets.labels import ElidedLabel

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtGui import QResizeEvent, QShowEvent

    from tray_app.chats.conversation import Conversation
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge

_NARROW_LETTERS = 130
"""With less width than for so many letters, either the list or the conversation is shown."""


class ConversationsPanel(QWidget):
    """All conversations, and one of them."""

    models_wanted = Signal()
    """The person wants to get a chat model."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._narrow = self._listing = False
        self.saver = ChatSaver(bridge)
        self.sidebar = ChatSidebar(bridge)
        self.talk = TalkPanel(bridge, self.saver)
        self.title = ElidedLabel(bold=True)
        self.list_button = _small_button(tr("Show conversations"), "messages-square")
        self.menu_button = _small_button(tr("More for this conversation"), "ellipsis")
        self.dialog: QWidget | None = None
        """The dialog or menu that was opened last."""
        self._lay_out()
        self._connect()
        self._show_shown(self.talk.conversation.id)

    def take_over(self, old: ConversationsPanel) -> None:
        """Show the same conversation and search, and continue the answers that are under way."""
        self.sidebar.search.setText(old.sidebar.search.text())
        self.talk.take_over(old.talk)

    def _open(self, conversation_id: str, message: int | None) -> None:
        self._show_list(shown=False)
        self.talk.open(conversation_id, message)

    def _begin_new(self) -> None:
        self._show_list(shown=False)
        self.talk.begin_new()

    def _find(self) -> None:
        self._show_list(shown=True)
        self.sidebar.search.setFocus()
        self.sidebar.search.selectAll()

    def _write(self) -> None:
        self._show_list(shown=False)
        self.talk.composer.text.setFocus()

    def _rename(self, conversation_id: str, title: str) -> None:
        chats = self._bridge.app.chats

        def rename() -> Conversation:
            chats.rename(conversation_id, title)
            return chats.read(conversation_id)

        self.saver.do(rename)

    def _export(self, conversation_id: str) -> None:
        forms = [
            tr("Markdown ({pattern})").format(pattern="*.md"),
            tr("JSON ({pattern})").format(pattern="*.json"),
            tr("JSON lines ({pattern})").format(pattern="*.jsonl"),
        ]

        def export(path: Path) -> None:
            app = self._bridge.app
            self._bridge.run(lambda: app.chats.export(conversation_id, path), lambda _: None, self.talk.tell)

        title = self._title_of(conversation_id)
        ask_where_to_save(self, tr("Export"), forms, export, name=file_name_for(title))

    def _delete(self, conversation_id: str) -> None:
        self.dialog = ask_to_delete_chat(
            self, self._title_of(conversation_id), lambda: self._remove(conversation_id)
        )

    def _remove(self, conversation_id: str, *, for_good: bool = False) -> None:
        app = self._bridge.app
        self.talk.forget(conversation_id)

        def failed(error: AppError) -> None:
            self.talk.tell(error)
            if error.code is ErrorCode.CONVERSATION_NOT_REMOVED and not for_good:
                self.talk.card.offer(
                    tr("Delete Permanently"), lambda: self._remove(conversation_id, for_good=True)
                )

        # After it has been saved: saving it later would bring it back.
        self.saver.do(lambda: app.chats.delete(conversation_id, for_good=for_good), failed)

    def _adopt_saved(self, kept: Conversation) -> None:
        """Show the title of a conversation that was saved."""
        if kept.id == self.talk.conversation.id:
            self.talk.adopt_title(kept.title)
            self._show_title(kept.title)

    def _show_shown(self, conversation_id: str) -> None:
        self.sidebar.select(conversation_id)
        self._show_title(self.talk.conversation.title)

    def _show_title(self, title: str) -> None:
        self.title.show_text(title)
        self.menu_button.setVisible(bool(self.talk.conversation.messages))
        self._head.setVisible(self._narrow or bool(self.talk.conversation.messages))

    def _title_of(self, conversation_id: str) -> str:
        for each in self.sidebar.shown.summaries:
            if each.id == conversation_id:
                return each.title
        return self.title.accessibleName()

    def _open_menu(self) -> None:
        menu = self.sidebar.list.menu_for(self.talk.conversation.id, self)
        menu.popup(self.menu_button.mapToGlobal(self.menu_button.rect().bottomLeft()))
        self.dialog = menu

    def _show_list(self, *, shown: bool) -> None:
        """Show the list; in a narrow window in place of the conversation."""
        self._listing = shown
        self.sidebar.setVisible(shown or not self._narrow)
        self._right.setVisible(not (shown and self._narrow))
        self.list_button.setVisible(self._narrow)

    def _lay_out(self) -> None:
        self._head = QWidget()
        head = QHBoxLayout(self._head)
        head.setContentsMargins(LARGE, SMALL, MEDIUM, SMALL)
        head.setSpacing(SMALL)
        head.addWidget(self.list_button)
        head.addWidget(self.title, 1)
        head.addWidget(self.menu_button)
        self._right = QWidget()
        right = QVBoxLayout(self._right)
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        right.addWidget(self._head)
        right.addWidget(self.talk, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.sidebar)
        row.addWidget(self._right, 1)

    def _connect(self) -> None:
        self.talk.models_wanted.connect(self.models_wanted)
        self.talk.shown_changed.connect(self._show_shown)
        self.sidebar.new_wanted.connect(self._begin_new)
        self.sidebar.failed.connect(self.talk.tell)
        self.sidebar.problems_told.connect(self._tell)
        self.sidebar.list.opened.connect(self._open)
        self.sidebar.list.export_wanted.connect(self._export)
        self.sidebar.list.delete_wanted.connect(self._delete)
        self.sidebar.model.renamed.connect(self._rename)
        self.saver.saved.connect(self._adopt_saved)
        self.saver.changed.connect(self.sidebar.refresh)
        self.saver.failed.connect(self.talk.tell)
        self.list_button.clicked.connect(lambda: self._show_list(shown=True))
        self.menu_button.clicked.connect(self._open_menu)
        for keys, act in (
            ("Ctrl+N", self._begin_new),
            ("Ctrl+F", self._find),
            ("Ctrl+L", self._write),
            ("Esc", self._escape),
        ):
            add_shortcut(self, keys, act)

    def _escape(self) -> None:
        if self._narrow and self._listing:
            self._show_list(shown=False)
        else:
            self.talk.composer.escape()

    def _tell(self, title: str, text: str) -> None:
        self.talk.card.show_message(title, text)
        self.talk.card.offer_to_close()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show the list only on request in a narrow window."""
        super().resizeEvent(event)
        letter = self.fontMetrics().averageCharWidth()
        narrow = self.width() < _NARROW_LETTERS * letter
        self.sidebar.setMinimumWidth(0 if narrow else LETTERS * letter)
        self.sidebar.setMaximumWidth(NO_LIMIT if narrow else LETTERS * letter)
        self._narrow = narrow
        self._show_list(shown=self._listing and narrow)
        self._show_title(self.title.accessibleName())

    def showEvent(self, event: QShowEvent) -> None:
        """Read the conversations again: another program may have changed the files."""
        super().showEvent(event)
        self.sidebar.refresh()


def _small_button(name: str, symbol: str) -> QPushButton:
    button = QPushButton()
    button.setAccessibleName(name)
    button.setToolTip(name)
    set_variant(button, Variant.QUIET)
    set_symbol(button, symbol)
    button.setFixedSize(QSize(LARGE + SMALL + TIGHT, LARGE + SMALL))
    return button
